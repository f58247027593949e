// SPDX-License-Identifier: Apache-2.0
//
// The buffers object: descriptors as they arrived, and what is known of them.
#pragma once

#include <sysmem/buffers.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/unique_fd.h"
#include "client/connection.h"
#include "client/failure.h"
#include "client/settings.h"
#include "sysmem2/results.pb.h"

namespace sysmem::client {

// Why nothing can be done with a buffer whose fd is -1.
inline constexpr char kNoDescriptor[] =
    "there is no descriptor: NONE usage, or a weak buffer without strong holders, or it was closed";

// Descriptors of one buffer; shared with its mappings.
struct OwnedBuffer {
  base::UniqueFd fd;
  base::UniqueFd close_weak_asap;
};

}  // namespace sysmem::client

struct sysmem_buffers {
  explicit sysmem_buffers(const sysmem2::BufferCollectionInfo& info);

  sysmem::client::Settings settings;
  uint64_t collection_id = 0;
  std::vector<std::shared_ptr<const sysmem::client::OwnedBuffer>> owned;
  std::vector<sysmem_buffer> views;  // of `owned`, for the program; complete after Look()

  // Asks the kernel what the descriptors are. Late and once: it takes a system call per buffer, and
  // whoever waits for buffers has not asked yet. Thread-safe.
  void Look();

 private:
  std::once_flag looked_;
};

namespace sysmem::client {

// Claims every descriptor that `info` names. SYSMEM_SYSTEM if one did not come.
Outcome<std::unique_ptr<sysmem_buffers>> MakeBuffers(Connection& connection,
                                                     const sysmem2::BufferCollectionInfo& info);

}  // namespace sysmem::client
