// SPDX-License-Identifier: Apache-2.0
//
// What a session may ask about a buffer whose descriptor it shows: GetVmoInfo (5.6).
#include <fcntl.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/existing_buffers.h"
#include "server/session_impl.h"

namespace sysmem::server {
namespace {

using core::Error;
using core::Failed;

bool AllowsWriting(const ForeignFd& shown) {
  const int flags = ::fcntl(shown.fd().get(), F_GETFL);
  return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

core::SingleBufferSettings WithoutSizes(core::SingleBufferSettings settings) {
  settings.buffer.size_bytes = 0;
  settings.buffer.raw_vmo_size = 0;
  return settings;
}

}  // namespace

bool Session::Impl::IsMemory(const ForeignFd& shown) {
  return shown.kind() == base::DescriptorKind::kMemfd ||
         shown.kind() == base::DescriptorKind::kDmaBuf;
}

core::Result<std::shared_ptr<HeldBuffer>> Session::Impl::LookUp(const ForeignFd& shown,
                                                                const char* field) const {
  const std::string kind(base::DescriptorKindName(shown.kind()));
  if (!IsMemory(shown)) {
    return Failed(
        Error::kProtocolDeviation, "G3", field,
        absl::StrCat(field, " is no memory of the kinds that are handed out here: ", kind));
  }
  const auto identity = heaps::IdentityOf(shown.fd());
  if (!identity.ok()) {
    const bool denied = absl::IsPermissionDenied(identity.status());
    return Failed(denied ? Error::kHandleAccessDenied : Error::kUnspecified, "G2", field,
                  std::string(identity.status().message()));
  }
  if (auto found = engine_.ledger->Find(*identity)) return found;
  return Failed(Error::kNotFound, "G4", field,
                absl::StrCat(field, " is a ", kind, " that was made elsewhere"));
}

void Session::Impl::Do(const CallSlot& slot, op::GetVmoInfo& what) {
  const auto refuse = [&](core::Failure why) {
    if (what.vmo_settings_to_check) UseUp({*what.vmo_settings_to_check});
    slot.Resolve(OperationResult(std::move(why)));
  };
  if (!what.vmo) {
    return refuse(Failed(Error::kProtocolDeviation, "G1", "vmo", "the field is missing"));
  }
  auto shown = Claim(what.vmo, "vmo");
  if (!shown.ok()) {
    return refuse(
        Failed(Error::kProtocolDeviation, "G1", "vmo", std::move(shown).failure().message));
  }
  auto found = LookUp(shown.value(), "vmo");
  if (!found.ok()) return refuse(std::move(found).failure());
  HeldBuffer& buffer = *found.value();
  const auto host = engine_.FindCollection(buffer.facts().collection_id);
  if (!host) return refuse(Failed(Error::kNotFound, "G4", "vmo", "its collection has ended"));

  // Without a mark it was opened by a client itself, or gave its mark away: the next best thing to
  // a handle that a client made of a handle. Where there are no marks everybody is strong.
  const std::shared_ptr<const Recipient> known = buffer.Recognise(shown.value().fd());
  const bool writable = AllowsWriting(shown.value());
  const uint32_t rights = known ? known->rights : core::kHandOutRights;
  core::event::GetVmoInfo event{.buffer = buffer.facts().index,
                                .is_weak = known ? known->weak : buffer.facts().tells_holders_apart,
                                .need_weak = what.need_weak,
                                .debug = allocator_debug_};
  Recipient recipient{
      .node = 0,
      .debug_name = allocator_debug_.name,
      .peer = peer,
      .session_id = id,
      .weak = true,
      .access = writable ? heaps::Access::kReadWrite : heaps::Access::kReadOnly,  // GVI-H1
      .rights = writable ? rights : rights & ~core::kRightWrite};
  shown.value().CloseHere();  // the caller's copy may be the last one soon
  auto info = Compare(what, buffer);
  host->PostVmoInfo(std::move(event), std::move(info), std::move(recipient), slot);
}

core::Result<VmoInfoResult> Session::Impl::Compare(op::GetVmoInfo& what, const HeldBuffer& buffer) {
  const HeldBuffer::Facts& facts = buffer.facts();
  VmoInfoResult info;
  info.buffer_collection_id = facts.collection_id;
  info.buffer_index = facts.index;
  if (what.need_settings) info.settings = facts.settings;
  if (what.constraints_to_check) {
    const auto refusal =
        core::WhyNotLike(*what.constraints_to_check, *facts.settings, *engine_.heaps->settings());
    info.constraints_ok = !refusal;
    if (refusal) {
      engine_.Log(core::effect::Log::Level::kInfo, peer,
                  absl::StrCat("constraints_to_check do not fit buffer ", facts.index,
                               " of collection ", facts.collection_id, ", rule ", refusal->rule,
                               ", field \"", refusal->field, "\": ", refusal->message));
    }
  }
  if (!what.vmo_settings_to_check) return info;
  auto shown = Claim(what.vmo_settings_to_check, "vmo_settings_to_check");
  if (!shown.ok()) {
    return Failed(Error::kProtocolDeviation, "G10", "vmo_settings_to_check",
                  std::move(shown).failure().message);
  }
  auto other = LookUp(shown.value(), "vmo_settings_to_check");
  if (!other.ok()) return std::move(other).failure();
  shown.value().CloseHere();
  const core::SingleBufferSettings& others = *other.value()->facts().settings;
  info.vmo_settings_match = what.ignore_size ? WithoutSizes(*facts.settings) == WithoutSizes(others)
                                             : *facts.settings == others;
  return info;
}

}  // namespace sysmem::server
