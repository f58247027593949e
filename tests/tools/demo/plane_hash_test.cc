// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/plane_hash.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <vector>

namespace sysmem::demo {
namespace {

constexpr uint32_t kWidth = 22;  // odd numbers of words and of chroma samples
constexpr uint32_t kHeight = 10;

// A picture with rows of the given length, padded with `padding`.
struct Memory {
  Memory(size_t luma_stride, uint8_t padding)
      : stride(luma_stride), bytes(stride * kHeight * 2, padding) {
    for (size_t plane = 0; plane < kPlaneCount; ++plane) {
      for (size_t y = 0; y < (plane == 0 ? kHeight : kHeight / 2); ++y) {
        for (size_t x = 0; x < (plane == 0 ? kWidth : kWidth / 2); ++x) {
          At(plane, x, y) = static_cast<uint8_t>(plane * 90 + y * 31 + x * 7);
        }
      }
    }
  }
  uint8_t* Plane(size_t plane) {
    return bytes.data() +
           (plane == 0 ? 0 : stride * kHeight + (plane - 1) * stride / 2 * kHeight / 2);
  }
  uint8_t& At(size_t plane, size_t x, size_t y) {
    return Plane(plane)[y * (plane == 0 ? stride : stride / 2) + x];
  }
  uint64_t Hash() {
    const auto luma = static_cast<std::ptrdiff_t>(stride);
    return HashPicture(
        I420View({Plane(0), Plane(1), Plane(2)}, {luma, luma / 2, luma / 2}, kWidth, kHeight));
  }

  size_t stride;
  std::vector<uint8_t> bytes;
};

TEST(HashPicture, SeesPixelsOnlyNeitherStrideNorPadding) {
  EXPECT_EQ(Memory(24, 0).Hash(), Memory(24, 255).Hash());
  EXPECT_EQ(Memory(24, 0).Hash(), Memory(128, 7).Hash());
}

TEST(HashPicture, ChangesWithEverySinglePixelOfEveryPlane) {
  Memory memory(32, 0);
  std::set<uint64_t> hashes = {memory.Hash()};
  for (size_t plane = 0; plane < kPlaneCount; ++plane) {
    for (size_t y = 0; y < (plane == 0 ? kHeight : kHeight / 2); ++y) {
      for (size_t x = 0; x < (plane == 0 ? kWidth : kWidth / 2); ++x) {
        memory.At(plane, x, y) ^= 1;
        EXPECT_TRUE(hashes.insert(memory.Hash()).second) << plane << " " << x << " " << y;
        memory.At(plane, x, y) ^= 1;
      }
    }
  }
}

TEST(HashPicture, NoticesSwappedRowsAndSwappedPlanes) {
  Memory memory(32, 0);
  const uint64_t before = memory.Hash();
  for (size_t x = 0; x < kWidth; ++x) std::swap(memory.At(0, x, 2), memory.At(0, x, 3));
  EXPECT_NE(memory.Hash(), before);
  Memory other(32, 0);
  for (size_t x = 0; x < kWidth / 2; ++x) std::swap(other.At(1, x, 0), other.At(2, x, 0));
  EXPECT_NE(other.Hash(), before);
}

TEST(HashPicture, TellsSizesApartEvenWhenAllBytesAreEqual) {
  const std::vector<uint8_t> zeros(4096);
  const auto hash = [&](uint32_t width, uint32_t height) {
    return HashPicture(
        I420View({zeros.data(), zeros.data(), zeros.data()}, {64, 32, 32}, width, height));
  };
  EXPECT_NE(hash(16, 8), hash(8, 16));
  EXPECT_NE(hash(16, 8), hash(16, 10));
}

}  // namespace
}  // namespace sysmem::demo
