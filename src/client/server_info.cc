// SPDX-License-Identifier: Apache-2.0
//
// GetServerInfo: what the daemon says of itself.
#include <memory>
#include <utility>
#include <vector>

#include "client/nodes.h"

using sysmem::client::Report;

namespace {

// The structure the program sees, and what it points to.
struct OwnedInfo : sysmem_server_info {
  explicit OwnedInfo(sysmem2::ServerInfo info) : sysmem_server_info{}, message(std::move(info)) {
    version = message.version().c_str();
    for (const std::string& feature : message.features()) {
      feature_list.push_back(feature.c_str());
    }
    features = feature_list.data();
    feature_count = feature_list.size();
    for (const sysmem2::HeapInfo& heap : message.heaps()) heap_list.push_back(ToHeap(heap));
    heaps = heap_list.data();
    heap_count = heap_list.size();
    for (const sysmem2::Limit& limit : message.limits()) {
      limit_list.push_back(
          {limit.name().c_str(), limit.value(), limit.unit().c_str(), limit.reason().c_str()});
    }
    limits = limit_list.data();
    limit_count = limit_list.size();
  }

  static sysmem_heap_info ToHeap(const sysmem2::HeapInfo& heap) {
    const sysmem2::CoherencyDomainSupport& domains = heap.properties().coherency_domain_support();
    sysmem_heap_info info{};
    info.heap_type = heap.heap().heap_type().c_str();
    info.id = heap.heap().id();
    info.cpu_domain = domains.cpu_supported();
    info.ram_domain = domains.ram_supported();
    info.inaccessible_domain = domains.inaccessible_supported();
    info.tells_holders_apart = heap.abilities().tells_holders_apart();
    info.reports_end = heap.abilities().reports_end();
    info.reduces_rights = heap.abilities().reduces_rights();
    info.usable = heap.usable();
    info.why_unusable = heap.why_unusable().c_str();
    info.remedy = heap.remedy().c_str();
    info.backing = heap.backing().c_str();
    return info;
  }

  const sysmem2::ServerInfo message;
  std::vector<const char*> feature_list;
  std::vector<sysmem_heap_info> heap_list;
  std::vector<sysmem_limit> limit_list;
};

}  // namespace

sysmem_status sysmem_client_get_server_info(sysmem_client* client, int64_t deadline_ns,
                                            const struct sysmem_server_info** info,
                                            sysmem_failure** failure) {
  auto result =
      client->connection->Call({.fill = [](sysmem2::Operation& operation,
                                           uint64_t) { operation.mutable_get_server_info(); }},
                               {.deadline_ns = deadline_ns});
  if (!result.ok()) return Report(std::move(result.failure()), failure);
  *info = new OwnedInfo(std::move(*result->mutable_get_server_info()));
  return SYSMEM_OK;
}

void sysmem_server_info_free(const struct sysmem_server_info* info) {
  delete static_cast<const OwnedInfo*>(info);
}
