// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/plane_hash.h"

#include <bit>
#include <cstring>

namespace sysmem::demo {
namespace {

constexpr uint64_t kOddMultiplier = 0x9e3779b97f4a7c15;  // 2^64 / golden ratio: spreads every bit

// A step loses nothing: for a given word it maps states one to one, and the other way round.
uint64_t Mix(uint64_t state, uint64_t word) {
  return std::rotl((state ^ word) * kOddMultiplier, 29);
}

uint64_t MixRow(uint64_t state, const uint8_t* row, size_t size) {
  uint64_t word;
  for (; size >= sizeof(word); row += sizeof(word), size -= sizeof(word)) {
    std::memcpy(&word, row, sizeof(word));
    state = Mix(state, word);
  }
  if (size == 0) return state;
  word = 0;
  std::memcpy(&word, row, size);
  return Mix(state, word);
}

}  // namespace

uint64_t HashPicture(const PictureView& picture) {
  uint64_t state = 0;
  for (const PlaneView& plane : picture.planes) {
    state = Mix(state, uint64_t{plane.width} << 32 | plane.height);
    for (uint32_t y = 0; y < plane.height; ++y) {
      state = MixRow(state, plane.data + std::ptrdiff_t{y} * plane.stride, plane.width);
    }
  }
  return Mix(state, 0);
}

}  // namespace sysmem::demo
