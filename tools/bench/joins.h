// SPDX-License-Identifier: Apache-2.0
//
// What is measured: a participant that binds, constrains and waits in one batch.
#pragma once

#include <cstdint>
#include <sysmem/sysmem.hpp>
#include <vector>

namespace sysmem::bench {

inline constexpr uint32_t kBuffers = 5;
inline constexpr uint64_t kBufferBytes = 4096;

// A round trip of the library that carries nothing.
Result<std::vector<int64_t>> MeasureRoundtrips(Client& client, unsigned count);

// Joins a collection whose five buffers exist already.
class Joiner {
 public:
  // Makes and allocates the collection.
  static Result<Joiner> Prepare(Client& client);
  // Each round attaches a token before the clock starts and leaves after it has stopped.
  Result<std::vector<int64_t>> Measure(unsigned count);

 private:
  Joiner(Client& client, Collection collection, Buffers buffers)
      : client_(&client), collection_(std::move(collection)), buffers_(std::move(buffers)) {}
  Client* client_;
  Collection collection_;
  Buffers buffers_;
};

// Is the only participant of a new collection, and so completes the allocation of its five buffers.
Result<std::vector<int64_t>> MeasureAllocations(Client& client, unsigned count);

}  // namespace sysmem::bench
