// SPDX-License-Identifier: Apache-2.0
//
// The heap of this sample: a pool of fixed size out of which each buffer takes a slice, as from the
// memory of a device. What the file behind the pool holds in a slice is what its buffer begins
// with; a pool without file begins with zeros.
//
//   heap.allocate  -> Allocate(): takes a slice, fills the memory that the daemon offers, gives it
//   heap.take_back -> TakeBack(): the slice is free
//
// The slice, not the memory, is what the pool has little of: the memory is the daemon's own, which
// every provider may give (sysmem/heap.h, Whose memory). A slice is free only when the daemon says
// that nobody holds its buffer any more.
//
// Prints a line for everything that happens. Not thread-safe: one thread dispatches.
#pragma once

#include <sysmem/heap.h>

#include <cstdint>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <sysmem/heap.hpp>
#include <utility>

#include "tools/heap_provider/slices.h"

namespace sysmem::heap_provider {

class Pool {
 public:
  // `content` may be unset; behind its end the pool holds zeros.
  Pool(uint64_t bytes, UniqueFd content, std::ostream& out)
      : slices_(bytes), content_(std::move(content)), out_(out) {}

  void Allocate(HeapAllocation call);
  void TakeBack(HeapDeletion call);

 private:
  using Key = std::pair<uint64_t, uint64_t>;  // collection and index

  // Why it did not work; empty if it did.
  std::string Fill(const HeapAllocation& call, const Slice& slice) const;
  std::ostream& Line(char sign, const Key& key);
  std::string Use() const;

  Slices slices_;
  const UniqueFd content_;
  std::ostream& out_;
  std::map<Key, Slice> buffers_;
};

}  // namespace sysmem::heap_provider
