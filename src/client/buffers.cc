// SPDX-License-Identifier: Apache-2.0
#include "client/buffers.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

using sysmem::client::InvalidArgument;
using sysmem::client::kNoDescriptor;
using sysmem::client::OwnedBuffer;
using sysmem::client::Report;
using sysmem::client::SystemFailure;

sysmem_buffers::sysmem_buffers(const sysmem2::BufferCollectionInfo& info)
    : settings(info.settings(), info.hand_out()), collection_id(info.buffer_collection_id()) {}

namespace sysmem::client {
namespace {

// False if the daemon named a descriptor that did not come.
bool ClaimInto(Connection& connection, bool named, uint64_t number, base::UniqueFd& fd) {
  if (named) fd = connection.Claim(number);
  return !named || fd;
}

}  // namespace

Outcome<std::unique_ptr<sysmem_buffers>> MakeBuffers(Connection& connection,
                                                     const sysmem2::BufferCollectionInfo& info) {
  auto buffers = std::make_unique<sysmem_buffers>(info);
  bool complete = true;
  for (const sysmem2::VmoBuffer& buffer : info.buffers()) {
    auto owned = std::make_shared<OwnedBuffer>();
    complete &= ClaimInto(connection, buffer.has_vmo(), buffer.vmo(), owned->fd);
    complete &= ClaimInto(connection, buffer.has_close_weak_asap(), buffer.close_weak_asap(),
                          owned->close_weak_asap);
    buffers->views.push_back({.index = static_cast<uint32_t>(buffers->views.size()),
                              .fd = owned->fd.get(),
                              .usable_start = buffer.vmo_usable_start(),
                              .close_weak_asap_fd = owned->close_weak_asap.get(),
                              .device = 0,
                              .inode = 0,
                              .is_dma_buf = false,
                              .is_weak = false});
    buffers->owned.push_back(std::move(owned));
  }
  // Weak is the participant, not a buffer; of those that are no more it gets no signal.
  const bool weak =
      std::any_of(buffers->views.begin(), buffers->views.end(),
                  [](const sysmem_buffer& view) { return view.close_weak_asap_fd >= 0; });
  for (sysmem_buffer& view : buffers->views) view.is_weak = weak;
  if (complete) return buffers;
  return Failure{.status = SYSMEM_SYSTEM,
                 .message = "the daemon named a descriptor that did not come"};
}

}  // namespace sysmem::client

void sysmem_buffers::Look() {
  std::call_once(looked_, [this] {
    for (sysmem_buffer& view : views) {
      struct stat status {};
      if (view.fd < 0 || ::fstat(view.fd, &status) != 0) continue;
      view.device = status.st_dev;
      view.inode = status.st_ino;
    }
    // Only memfds have seals; what the daemon hands out is one or the other, the same for all.
    const auto any = std::find_if(views.begin(), views.end(),
                                  [](const sysmem_buffer& view) { return view.fd >= 0; });
    const bool is_dma_buf = any != views.end() && ::fcntl(any->fd, F_GET_SEALS) < 0;
    for (sysmem_buffer& view : views) view.is_dma_buf = is_dma_buf && view.fd >= 0;
  });
}

size_t sysmem_buffers_count(const sysmem_buffers* buffers) { return buffers->views.size(); }

const struct sysmem_settings* sysmem_buffers_settings(const sysmem_buffers* buffers) {
  return &buffers->settings.get();
}

uint64_t sysmem_buffers_collection_id(const sysmem_buffers* buffers) {
  return buffers->collection_id;
}

const struct sysmem_buffer* sysmem_buffers_get(const sysmem_buffers* buffers, size_t index) {
  if (index >= buffers->views.size()) return nullptr;
  const_cast<sysmem_buffers*>(buffers)->Look();  // as if it had been done at once
  return &buffers->views[index];
}

sysmem_status sysmem_buffers_dup_fd(const sysmem_buffers* buffers, size_t index, int* fd,
                                    sysmem_failure** failure) {
  if (index >= buffers->owned.size()) {
    return Report(InvalidArgument("index", "there is no such buffer"), failure);
  }
  if (!buffers->owned[index]->fd) {
    return Report(InvalidArgument("index", kNoDescriptor), failure);
  }
  sysmem::base::UniqueFd copy = sysmem::base::Dup(buffers->owned[index]->fd);
  if (!copy) return Report(SystemFailure(errno, "duplicating a buffer's descriptor"), failure);
  *fd = copy.release();
  return SYSMEM_OK;
}

void sysmem_buffers_close(sysmem_buffers* buffers, size_t index) {
  if (index >= buffers->owned.size()) return;
  buffers->Look();  // what it was can still be read
  buffers->owned[index] = std::make_shared<OwnedBuffer>();
  buffers->views[index].fd = -1;
  buffers->views[index].close_weak_asap_fd = -1;
}

void sysmem_buffers_destroy(sysmem_buffers* buffers) { delete buffers; }
