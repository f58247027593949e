// SPDX-License-Identifier: Apache-2.0
#include "heaps/heap.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace sysmem::heaps {

absl::Status OfBuffer(size_t index, size_t count, uint64_t size_bytes, const absl::Status& why) {
  return absl::Status(why.code(), absl::StrCat("buffer ", index, " of ", count, " (", size_bytes,
                                               " bytes each): ", std::string(why.message())));
}

void Heap::AllocateAll(std::vector<AllocateRequest> requests,
                       std::shared_ptr<const core::SingleBufferSettings>, AllAllocated done) {
  std::vector<std::unique_ptr<Buffer>> buffers;
  buffers.reserve(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    auto buffer = Allocate(requests[i]);
    if (!buffer.ok()) {
      buffers.clear();
      return done(OfBuffer(i, requests.size(), requests[i].size_bytes, buffer.status()));
    }
    buffers.push_back(*std::move(buffer));
  }
  done(std::move(buffers));
}

}  // namespace sysmem::heaps
