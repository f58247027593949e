// SPDX-License-Identifier: Apache-2.0
//
// The buffer with which Arm GPUs remember what they have written already, behind an image of any
// arrangement (image-formats.md 7.4). It is plane 3: a header of 64 bytes, then two sets of rows
// with 16 bytes for each 32x32 pixels. Sometimes the CPU writes there, so such images cannot lie
// in protected memory. Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <optional>

#include "core/constraints.h"

namespace sysmem::core {

inline constexpr uint32_t kTransactionEliminationPlane = 3;

// Where the buffer begins behind `image_bytes` of pixels.
std::optional<uint64_t> TransactionEliminationOffset(uint64_t image_bytes);

// Stride of the buffer of an image of this width; always fits.
uint32_t TransactionEliminationRowBytes(uint32_t width);

// How many such rows there are, behind the header; always fits.
uint32_t TransactionEliminationRows(uint32_t height);

// Bytes of an image with `image_bytes` of pixels and its buffer.
std::optional<uint64_t> WithTransactionElimination(uint64_t image_bytes, const SizeU& size);

}  // namespace sysmem::core
