// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of what a software decoder needs of its buffers: how many, how large, how aligned.
//
// Pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "tools/demo/libav.h"

namespace sysmem::demo {

// The smallest stride divisor of an I420 picture that gives every plane its alignment. `alignments`
// are those of avcodec_align_dimensions2(); chroma rows are half as long as luma rows, so theirs
// count double. Empty when that is no 32-bit number.
std::optional<uint32_t> RowDivisor(const std::array<int, 3>& alignments);

// The next even number: 4:2:0 has no odd sizes. Empty for UINT32_MAX and for 0.
std::optional<uint32_t> RoundUpToEven(uint32_t value);

// How many decoded pictures the codec may need again, at most: what its standard permits for this
// level and size. `level` as in AVCodecContext.
uint32_t MostReferenceFrames(AVCodecID codec, int level, uint32_t width, uint32_t height);

}  // namespace sysmem::demo
