// SPDX-License-Identifier: Apache-2.0
//
// Pixel formats and modifiers by number and name, and what each format's pixels look like
// (image-formats.md 1, 2 and 6). One table, one row per format.
//
//   const PixelFormatInfo* nv12 = FindPixelFormat(pixel_format::kNv12);  // nullptr: unknown number
//   PairName({pixel_format::kNv12, modifier::kLinear})                   // "NV12 LINEAR"
//
// Which modifiers go with which formats, and how many bytes an image takes, is image_layout.h.
// Numbers arrive from clients unchecked; every function takes any number. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/constraints.h"

namespace sysmem::core {

namespace pixel_format {
inline constexpr uint32_t kInvalid = 0;
inline constexpr uint32_t kR8G8B8A8 = 1;
inline constexpr uint32_t kB8G8R8A8 = 101;
inline constexpr uint32_t kI420 = 102;
inline constexpr uint32_t kM420 = 103;
inline constexpr uint32_t kNv12 = 104;
inline constexpr uint32_t kYuy2 = 105;
inline constexpr uint32_t kMjpeg = 106;
inline constexpr uint32_t kYv12 = 107;
inline constexpr uint32_t kB8G8R8 = 108;
inline constexpr uint32_t kR5G6B5 = 109;
inline constexpr uint32_t kR3G3B2 = 110;
inline constexpr uint32_t kR2G2B2X2 = 111;
inline constexpr uint32_t kL8 = 112;
inline constexpr uint32_t kR8 = 113;
inline constexpr uint32_t kR8G8 = 114;
inline constexpr uint32_t kA2R10G10B10 = 115;
inline constexpr uint32_t kA2B10G10R10 = 116;
inline constexpr uint32_t kP010 = 117;
inline constexpr uint32_t kR8G8B8 = 118;
inline constexpr uint32_t kR8G8B8X8 = 119;
inline constexpr uint32_t kB8G8R8X8 = 120;
inline constexpr uint32_t kDoNotCare = 0xFFFFFFFE;
}  // namespace pixel_format

namespace modifier {
inline constexpr uint64_t kLinear = 0;
inline constexpr uint64_t kDoNotCare = 0x00FFFFFFFFFFFFFE;
inline constexpr uint64_t kInvalid = 0x00FFFFFFFFFFFFFF;
inline constexpr uint64_t kIntelXTiled = 0x0100000000000001;
inline constexpr uint64_t kIntelYTiled = 0x0100000000000002;
inline constexpr uint64_t kIntelYfTiled = 0x0100000000000003;
inline constexpr uint64_t kIntelYTiledCcs = 0x0100000001000002;
inline constexpr uint64_t kIntelYfTiledCcs = 0x0100000001000003;
inline constexpr uint64_t kArmAfbc16x16 = 0x0800000000000001;
inline constexpr uint64_t kArmAfbc32x8 = 0x0800000000000002;
inline constexpr uint64_t kArmLinearTe = 0x0800000000001000;
inline constexpr uint64_t kArmAfbc16x16Te = 0x0800000000001001;
inline constexpr uint64_t kArmAfbc32x8Te = 0x0800000000001002;
inline constexpr uint64_t kArmAfbc16x16YuvTiledHeader = 0x0800000000002011;
inline constexpr uint64_t kArmAfbc16x16SplitBlockSparseYuv = 0x0800000000000071;
inline constexpr uint64_t kArmAfbc16x16SplitBlockSparseYuvTe = 0x0800000000001071;
inline constexpr uint64_t kArmAfbc16x16SplitBlockSparseYuvTiledHeader = 0x0800000000002071;
inline constexpr uint64_t kArmAfbc16x16SplitBlockSparseYuvTeTiledHeader = 0x0800000000003071;
inline constexpr uint64_t kGoogleGoldfishOptimal = 0x6700000000000001;

// Bits within the numbers of these vendors.
inline constexpr uint64_t kIntelCcsBit = 0x1000000;
inline constexpr uint64_t kArmYuvBit = 0x10;
inline constexpr uint64_t kArmSplitBlockBit = 0x20;
inline constexpr uint64_t kArmSparseBit = 0x40;
inline constexpr uint64_t kArmBchBit = 0x800;
inline constexpr uint64_t kArmTeBit = 0x1000;
inline constexpr uint64_t kArmTiledHeaderBit = 0x2000;
inline constexpr uint64_t kArmFlagBits =
    kArmYuvBit | kArmSplitBlockBit | kArmSparseBit | kArmBchBit | kArmTeBit | kArmTiledHeaderBit;

// One of the two block sizes of AFBC with any combination of the flags.
constexpr bool IsArmAfbc(uint64_t modifier) {
  const uint64_t base = modifier & ~kArmFlagBits;
  return base == kArmAfbc16x16 || base == kArmAfbc32x8;
}
}  // namespace modifier

// How the samples of an image lie in linear memory.
enum class Arrangement : uint8_t {
  kPacked,          // one plane, whole pixels side by side
  kInterleaved420,  // one addressable stretch: two rows of Y, then one of CbCr, repeating (M420)
  kTwoPlanes420,    // Y, then CbCr side by side
  kThreePlanes420,  // Y, then two chroma planes of half the width and half the height
  kCompressed,      // no layout (MJPEG)
};

// Colour models as a mask: L8 and R8 belong to both.
inline constexpr uint8_t kModelRgb = 1;
inline constexpr uint8_t kModelYuv = 2;

struct PixelFormatInfo {
  uint32_t number = 0;
  const char* name = nullptr;
  const char* v1_name = nullptr;  // nullptr: sysmem2 only
  Arrangement arrangement = Arrangement::kPacked;
  uint32_t stride_bytes_per_pixel = 0;  // bytes of plane 0 per pixel of width
  uint32_t bits_per_pixel = 0;          // averaged over planes, as reported; sizes nothing (Q1)
  uint32_t sample_alignment = 1;        // bytes; of the image's start and of plane 0's stride
  uint32_t min_divisor = 1;             // width and height are multiples of it
  uint8_t color_models = kModelRgb;
  uint8_t bits_per_sample = 8;     // as colour spaces count them: also 8 for the 10-bit RGB formats
  bool has_alpha_channel = false;  // an A or X channel, to which is_alpha_present applies (FMT-2)
};

// nullptr for INVALID, DO_NOT_CARE and numbers that are in no table.
const PixelFormatInfo* FindPixelFormat(uint32_t number);

// "NV12", "DO_NOT_CARE", "INVALID", or the number as text.
std::string PixelFormatName(uint32_t number);
// By that name, or by that of the older interface ("BGRA32"); empty if there is none. Whatever
// people may write is read by ParsePixelFormat() of format_names.h.
std::optional<uint32_t> PixelFormatOfName(std::string_view name);

// "LINEAR", "INTEL_I915_X_TILED", "ARM_AFBC_32X8_SPARSE_BCH", ..., or the number in hexadecimal.
std::string ModifierName(uint64_t modifier);
// By that name; empty if there is none.
std::optional<uint64_t> ModifierOfName(std::string_view name);

// "NV12 LINEAR"
std::string PairName(const PixelFormatAndModifier& pair);

// Neither half is DO_NOT_CARE.
bool IsSpecific(const PixelFormatAndModifier& pair);

// Red, green, blue and alpha or nothing, in a byte each: what tiled and compressed layouts are for.
bool IsRgb8888(uint32_t number);

// The same pixel format with modifier LINEAR.
PixelFormatAndModifier AsLinear(const PixelFormatAndModifier& pair);

}  // namespace sysmem::core
