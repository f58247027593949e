// SPDX-License-Identifier: Apache-2.0
//
// Usage bits by name: the enums CpuUsage, VulkanUsage, ... of the protocol without what their names
// all begin with.
//
//   UsageText(usage)  // "cpu READ_OFTEN|WRITE, video CAPTURE"
//
// Immutable; thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/constraints.h"

namespace sysmem::core {

struct UsageBit {
  const char* name;
  uint32_t bit;
};
struct UsageClass {
  const char* name;  // of the field
  uint32_t BufferUsage::*field;
  std::span<const UsageBit> bits;
};

// none, cpu, vulkan, display, video.
std::span<const UsageClass> UsageClasses();

// What is set, by name; bits without a name as a number. "nothing" if no bit is set.
std::string UsageText(const BufferUsage& usage);

}  // namespace sysmem::core
