// SPDX-License-Identifier: Apache-2.0
#include "server/transport/encode.h"
#include "server/transport/text.h"

namespace sysmem::server::transport {

namespace {

void EncodePolicy(const HeapPolicy& from, sysmem2::HeapPolicy* to) {
  to->set_restricted(from.users.has_value());
  if (from.users) {
    for (const uid_t uid : *from.users) to->add_users(uid);
  }
  if (from.max_buffers) to->set_max_buffers(*from.max_buffers);
  if (from.max_bytes) to->set_max_bytes(*from.max_bytes);
  if (from.max_bytes_per_user) to->set_max_bytes_per_user(*from.max_bytes_per_user);
}

}  // namespace

void Encode(const HeapInfo& from, sysmem2::HeapInfo* to) {
  const core::HeapProperties& properties = from.properties;
  Encode(properties.heap, to->mutable_heap());
  sysmem2::CoherencyDomainSupport* domains =
      to->mutable_properties()->mutable_coherency_domain_support();
  domains->set_cpu_supported(properties.cpu_domain);
  domains->set_ram_supported(properties.ram_domain);
  domains->set_inaccessible_supported(properties.inaccessible_domain);
  to->mutable_properties()->set_need_clear(properties.need_clear);
  if (properties.need_flush) to->mutable_properties()->set_need_flush(*properties.need_flush);
  EncodeAbilities(properties, to->mutable_abilities());
  to->set_usable(from.usable);
  to->set_why_unusable(ValidUtf8(from.why_unusable));
  to->set_backing(ValidUtf8(from.backing));
  to->set_remedy(ValidUtf8(from.remedy));
  to->set_buffers(from.live_buffers);
  to->set_bytes(from.live_bytes);
  to->set_physically_contiguous(properties.physically_contiguous == true);
  to->set_secure(from.secure);
  for (const NamedCounter& figure : from.figures) {
    sysmem2::HeapFigure* added = to->add_figures();
    added->set_name(ValidUtf8(figure.name));
    added->set_value(figure.value);
    added->set_unit(ValidUtf8(figure.unit));
    added->set_description(ValidUtf8(figure.description));
  }
  if (from.preference != 0) to->set_preference(from.preference);
  if (!from.policy) return;
  to->mutable_policy()->set_may_use(from.may_use);
  EncodePolicy(*from.policy, to->mutable_policy());
}

void Encode(const NamedLimit& from, sysmem2::Limit* to) {
  to->set_name(ValidUtf8(from.name));
  to->set_value(from.value);
  to->set_unit(ValidUtf8(from.unit));
  to->set_reason(ValidUtf8(from.reason));
  if (from.used) to->set_used(*from.used);
}

void Encode(const ServerInfo& from, sysmem2::ServerInfo* to) {
  to->set_version(ValidUtf8(from.version));
  for (const std::string& feature : from.features) to->add_features(ValidUtf8(feature));
  for (const HeapInfo& heap : from.heaps) Encode(heap, to->add_heaps());
  for (const NamedLimit& limit : from.limits) Encode(limit, to->add_limits());
}

}  // namespace sysmem::server::transport
