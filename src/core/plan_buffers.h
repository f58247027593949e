// SPDX-License-Identifier: Apache-2.0
//
// Last step of the negotiation: which buffers to build from what all participants agree on
// (server-behaviour.md 4.7 to 4.10). Each question has a function of its own, asked in this order;
// the answer to an earlier one is never revised because a later one fails (FMT-3).
// Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <optional>

#include "core/plan.h"
#include "core/rejection.h"
#include "core/sanitised.h"
#include "core/settings.h"

namespace sysmem::core {

// All of it. REQUIRES: `agreed` comes from SanitiseAggregate.
OrRejection<Plan> PlanBuffers(const SanitisedConstraints& agreed, const Settings& settings);

// HEAP-1 to HEAP-4: the heap that all permit and that is there. Refused by HEAP-ACCESS if there is
// one that somebody may not use.
OrRejection<HeapProperties> ChooseHeap(const SanitisedMemory& memory, const Settings& settings);

// DOM-1.
OrRejection<CoherencyDomain> ChooseCoherencyDomain(const SanitisedConstraints& agreed,
                                                   const HeapProperties& heap);

// FMT-1. REQUIRES: agreed.image_formats is not empty.
OrRejection<SanitisedImageFormat> ChooseImageFormat(const SanitisedConstraints& agreed,
                                                    const Settings& settings);

// 4.8.
OrRejection<uint32_t> CountBuffers(const SanitisedConstraints& agreed, const Limits& limits);

// The largest image that a buffer must hold.
struct SizedImage {
  SizeU required;  // an entry of required_max_size_list; 0x0 if there is none
  SizeU size;      // the smallest permitted one that holds it
  uint32_t bytes_per_row = 0;
  uint64_t bytes = 0;
};

struct BufferSizes {
  uint64_t size_bytes = 0;    // what participants may rely on
  uint64_t raw_vmo_size = 0;  // with padding, in whole pages
  SizedImage image;           // of buffers with images
};

// 4.9, 4.10. `format` is nullptr for buffers without images. `count` >= 1.
OrRejection<BufferSizes> SizeBuffers(const SanitisedMemory& memory,
                                     const SanitisedImageFormat* format, uint32_t count,
                                     const Limits& limits);

// PAD-3: bytes behind an image buffer of `size_bytes` that access in whole blocks may touch, for
// any image that fits the buffer and the format's bounds. Empty if a number does not fit its type.
// REQUIRES: the format is linear, of one plane, and comes from SanitiseAggregate.
std::optional<uint64_t> BlockPaddingBytes(const SanitisedImageFormat& format, uint64_t size_bytes);

}  // namespace sysmem::core
