// SPDX-License-Identifier: Apache-2.0
//
// How people write values in a scenario file: "64KiB", "1920x1080", "NV12 LINEAR". Each kind says
// what it takes, for the mistakes. Names are taken in upper or lower case, with "-" for "_". All of
// it is immutable.
#pragma once

#include <cstdint>
#include <string>

#include "core/constraints.h"
#include "scenario/fields.h"

namespace sysmem::scenario {

// true or false.
extern const Kind<bool> kFlag;
// Text that is not empty and no longer than a client's name may be.
extern const Kind<std::string> kText;
// The same at greater length.
extern const Kind<std::string> kStory;
// Whole numbers from 0; also as text, "0xFFFFFFFE".
extern const Kind<uint32_t> kNumber32;
extern const Kind<uint64_t> kNumber64;
// Any finite number that is not negative.
extern const Kind<double> kCost;
// A number of bytes, or text with a unit: "64KiB", "4 MiB", "1 GB".
extern const Kind<uint32_t> kBytes32;
extern const Kind<uint64_t> kBytes64;
// "1920x1080" or [1920, 1080].
extern const Kind<core::SizeU> kSize;

// Names of core/pixel_format.h and core/color_space.h, or numbers.
extern const Kind<uint32_t> kPixelFormat;
extern const Kind<uint64_t> kModifier;
extern const Kind<uint32_t> kColorSpace;
// "NV12 LINEAR"; without a modifier LINEAR is meant.
extern const Kind<core::PixelFormatAndModifier> kPair;

// "SYSTEM_RAM" or a whole heap_type; the second of a type is "NAME#1".
extern const Kind<core::Heap> kHeapName;

// Usage bits: the protocol's names without what they all begin with, or a number.
extern const Kind<uint32_t> kNoneUsageBit;
extern const Kind<uint32_t> kCpuUsageBit;
extern const Kind<uint32_t> kVulkanUsageBit;
extern const Kind<uint32_t> kDisplayUsageBit;
extern const Kind<uint32_t> kVideoUsageBit;

}  // namespace sysmem::scenario
