// SPDX-License-Identifier: Apache-2.0
//
// Which parts of a pool are taken: first fit, in whole pages.
//
//   Slices slices(64 << 20);
//   std::optional<Slice> slice = slices.Take(4 << 20);  // nothing: no room in one piece
//   ...
//   slices.GiveBack(*slice);
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace sysmem::heap_provider {

struct Slice {
  uint64_t offset = 0;  // bytes from the start of the pool
  uint64_t size = 0;    // bytes
  bool operator==(const Slice&) const = default;
};

class Slices {
 public:
  explicit Slices(uint64_t pool_bytes) : pool_bytes_(pool_bytes) {}

  // The first gap that is large enough. REQUIRES: size > 0.
  std::optional<Slice> Take(uint64_t size);
  // REQUIRES: it was taken, and is whole.
  void GiveBack(const Slice& slice);

  uint64_t pool_bytes() const { return pool_bytes_; }
  uint64_t taken_bytes() const { return taken_bytes_; }
  // The most that Take could give now.
  uint64_t LargestGap() const;

 private:
  const uint64_t pool_bytes_;
  uint64_t taken_bytes_ = 0;
  std::map<uint64_t, uint64_t> taken_;  // offset to size, without overlap
};

}  // namespace sysmem::heap_provider
