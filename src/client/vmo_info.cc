// SPDX-License-Identifier: Apache-2.0
//
// GetVmoInfo: what a buffer's descriptor belongs to.
#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "client/constraints.h"
#include "client/nodes.h"
#include "client/settings.h"

using sysmem::base::BorrowedFd;
using sysmem::base::UniqueFd;
using sysmem::client::CheckConstraints;
using sysmem::client::Connection;
using sysmem::client::InvalidArgument;
using sysmem::client::Report;
using sysmem::client::Settings;
using sysmem2::Operation;

namespace {

// The structure the program sees, and what it points to.
struct OwnedInfo : sysmem_vmo_info {
  OwnedInfo() : sysmem_vmo_info{} {}
  UniqueFd weak;
  UniqueFd close_weak;
  std::unique_ptr<Settings> owned_settings;
};

// Null if the daemon named a descriptor that did not come.
std::unique_ptr<OwnedInfo> MakeInfo(Connection& connection,
                                    const sysmem2::GetVmoInfoResult& result) {
  auto info = std::make_unique<OwnedInfo>();
  info->buffer_collection_id = result.buffer_collection_id();
  info->buffer_index = result.buffer_index();
  if (result.has_weak_vmo()) info->weak = connection.Claim(result.weak_vmo());
  if (result.has_close_weak_asap()) info->close_weak = connection.Claim(result.close_weak_asap());
  if (result.has_weak_vmo() != static_cast<bool>(info->weak) ||
      result.has_close_weak_asap() != static_cast<bool>(info->close_weak)) {
    return nullptr;
  }
  info->weak_fd = info->weak.get();
  info->close_weak_asap_fd = info->close_weak.get();
  if (result.has_single_buffer_settings()) {
    info->owned_settings =
        std::make_unique<Settings>(result.single_buffer_settings(), result.hand_out());
    info->settings = &info->owned_settings->get();
  }
  info->has_constraints_ok = result.has_constraints_ok();
  info->constraints_ok = result.constraints_ok();
  info->has_settings_match = result.has_vmo_settings_match();
  info->settings_match = result.vmo_settings_match();
  return info;
}

sysmem_vmo_info_request WithDefaults(const sysmem_vmo_info_request* request) {
  sysmem_vmo_info_request full = SYSMEM_VMO_INFO_REQUEST_INIT;
  if (request == nullptr) return full;
  std::memcpy(&full, request, std::min(request->struct_size, sizeof(full)));
  return full;
}

}  // namespace

sysmem_status sysmem_get_vmo_info(sysmem_client* client, int fd,
                                  const struct sysmem_vmo_info_request* request,
                                  int64_t deadline_ns, const struct sysmem_vmo_info** info,
                                  sysmem_failure** failure) {
  const sysmem_vmo_info_request asked = WithDefaults(request);
  if (auto bad = CheckConstraints(asked.constraints_to_check)) {
    return Report(*std::move(bad), failure);
  }
  const bool compares = asked.settings_to_check_fd >= 0;
  std::vector<UniqueFd> descriptors;
  descriptors.push_back(sysmem::base::Dup(BorrowedFd(fd)));
  if (compares) descriptors.push_back(sysmem::base::Dup(BorrowedFd(asked.settings_to_check_fd)));
  if (!descriptors.front() || !descriptors.back()) {
    return Report(InvalidArgument("fd", "a descriptor is not open"), failure);
  }
  auto result = client->connection->Call(
      {.fill =
           [&](Operation& operation, uint64_t first_descriptor) {
             auto* message = operation.mutable_get_vmo_info();
             message->set_vmo(first_descriptor);
             if (asked.need_weak) message->set_need_weak(true);
             if (asked.need_settings) message->set_need_single_buffer_settings(true);
             if (asked.constraints_to_check != nullptr) {
               *message->mutable_constraints_to_check() = asked.constraints_to_check->message;
             }
             if (compares) message->set_vmo_settings_to_check(first_descriptor + 1);
             if (asked.settings_to_check_ignore_size) {
               message->set_vmo_settings_to_check_ignore_size(true);
             }
           },
       .descriptors = std::move(descriptors)},
      {.deadline_ns = deadline_ns});
  if (!result.ok()) return Report(std::move(result.failure()), failure);
  auto made = MakeInfo(*client->connection, result->get_vmo_info());
  if (made == nullptr) {
    return Report(
        {.status = SYSMEM_SYSTEM, .message = "the daemon named a descriptor that did not come"},
        failure);
  }
  *info = made.release();
  return SYSMEM_OK;
}

void sysmem_vmo_info_free(const struct sysmem_vmo_info* info) {
  delete static_cast<const OwnedInfo*>(info);
}
