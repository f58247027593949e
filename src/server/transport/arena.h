// SPDX-License-Identifier: Apache-2.0
//
// Where the messages of one call are put together or taken apart: on the stack, as long as they are
// small, so that a batch of a dozen operations does not cost a hundred allocations.
//
//   MessageArena arena;
//   auto* request = arena.Make<sysmem2::RunRequest>();   // lives as long as the arena
#pragma once

#include <google/protobuf/arena.h>

#include <array>

namespace sysmem::server::transport {

class MessageArena {
 public:
  template <typename M>
  M* Make() {
    return google::protobuf::Arena::CreateMessage<M>(&arena_);
  }

 private:
  static google::protobuf::ArenaOptions Options(char* block, size_t bytes) {
    google::protobuf::ArenaOptions options;
    options.initial_block = block;
    options.initial_block_size = bytes;
    return options;
  }

  static constexpr size_t kBytes = 4096;
  alignas(8) std::array<char, kBytes> block_;  // not cleared
  google::protobuf::Arena arena_{Options(block_.data(), kBytes)};
};

}  // namespace sysmem::server::transport
