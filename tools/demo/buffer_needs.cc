// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/buffer_needs.h"

#include <algorithm>
#include <numeric>

namespace sysmem::demo {
namespace {

constexpr uint32_t kMostInAnyStandard = 16;
constexpr uint32_t kUsualReferences = 4;

struct LevelLimit {
  int level;
  uint64_t limit;
};

// ITU-T H.264, table A-1: MaxDpbMbs, the decoded picture buffer in macroblocks.
constexpr LevelLimit kH264Buffers[] = {
    {9, 396},     {10, 396},    {11, 900},    {12, 2376},   {13, 2376},   {20, 2376},   {21, 4752},
    {22, 8100},   {30, 8100},   {31, 18000},  {32, 20480},  {40, 32768},  {41, 32768},  {42, 34816},
    {50, 110400}, {51, 184320}, {52, 184320}, {60, 696320}, {61, 696320}, {62, 696320},
};
// ITU-T H.265, table A.8: MaxLumaPs. A level is 30 times its number.
constexpr LevelLimit kH265Pictures[] = {
    {30, 36864},     {60, 122880},    {63, 245760},    {90, 552960},   {93, 983040},
    {120, 2228224},  {123, 2228224},  {150, 8912896},  {153, 8912896}, {156, 8912896},
    {180, 35651584}, {183, 35651584}, {186, 35651584},
};

template <size_t kCount>
std::optional<uint64_t> LimitOf(const LevelLimit (&table)[kCount], int level) {
  for (const LevelLimit& entry : table) {
    if (entry.level == level) return entry.limit;
  }
  return std::nullopt;
}

uint32_t H264References(int level, uint32_t width, uint32_t height) {
  const std::optional<uint64_t> limit = LimitOf(kH264Buffers, level);
  const uint64_t blocks = ((uint64_t{width} + 15) / 16) * ((uint64_t{height} + 15) / 16);
  if (!limit || blocks == 0) return kMostInAnyStandard;
  return static_cast<uint32_t>(std::clamp<uint64_t>(*limit / blocks, 1, kMostInAnyStandard));
}

// ITU-T H.265, A.4.2: the smaller the picture, the more of them.
uint32_t H265References(int level, uint32_t width, uint32_t height) {
  const std::optional<uint64_t> limit = LimitOf(kH265Pictures, level);
  if (!limit) return kMostInAnyStandard;
  const uint64_t pixels = uint64_t{width} * height;
  if (pixels <= *limit / 4) return 16;
  if (pixels <= *limit / 2) return 12;
  if (pixels <= *limit / 4 * 3) return 8;
  return 6;
}

bool IsIntraOnly(AVCodecID codec) {
  const AVCodecDescriptor* const descriptor = avcodec_descriptor_get(codec);
  return descriptor != nullptr && (descriptor->props & AV_CODEC_PROP_INTRA_ONLY) != 0;
}

}  // namespace

std::optional<uint32_t> RowDivisor(const std::array<int, 3>& alignments) {
  uint64_t divisor = 1;
  for (size_t plane = 0; plane < alignments.size(); ++plane) {
    const auto alignment = static_cast<uint64_t>(std::max(alignments[plane], 1));
    divisor = std::lcm(divisor, plane == 0 ? alignment : 2 * alignment);
    if (divisor > UINT32_MAX) return std::nullopt;
  }
  return static_cast<uint32_t>(divisor);
}

std::optional<uint32_t> RoundUpToEven(uint32_t value) {
  if (value == 0 || value == UINT32_MAX) return std::nullopt;
  return value + value % 2;
}

uint32_t MostReferenceFrames(AVCodecID codec, int level, uint32_t width, uint32_t height) {
  switch (codec) {
    case AV_CODEC_ID_H264:
      return H264References(level, width, height);
    case AV_CODEC_ID_HEVC:
      return H265References(level, width, height);
    case AV_CODEC_ID_AV1:
    case AV_CODEC_ID_VP9:
      return 8;
    case AV_CODEC_ID_VP8:
      return 3;  // last, golden, altref
    case AV_CODEC_ID_MPEG1VIDEO:
    case AV_CODEC_ID_MPEG2VIDEO:
    case AV_CODEC_ID_MPEG4:
    case AV_CODEC_ID_H263:
    case AV_CODEC_ID_VC1:
    case AV_CODEC_ID_WMV3:
      return 2;
    default:
      return IsIntraOnly(codec) ? 0 : kUsualReferences;
  }
}

}  // namespace sysmem::demo
