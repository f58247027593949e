// SPDX-License-Identifier: Apache-2.0
//
// What usage bits say about a participant (interface.md 2.3).
#include "core/constraints.h"

namespace sysmem::core {
namespace {

constexpr uint32_t kVulkanImageTransferDst = 0x2;
constexpr uint32_t kVulkanImageStorage = 0x8;
constexpr uint32_t kVideoHwDecoder = 1;
constexpr uint32_t kVideoHwEncoder = 2;
constexpr uint32_t kVideoDecryptorOutput = 16;
constexpr uint32_t kVideoHwDecoderInternal = 32;

// RES-2. The Vulkan buffer bits (16 and up) do not count, nor does display.
constexpr BufferUsage kWritingBits = {
    .cpu = kCpuUsageWrite | kCpuUsageWriteOften,
    .vulkan = kVulkanImageTransferDst | kVulkanImageStorage,
    .video = kVideoHwDecoder | kVideoHwEncoder | kVideoDecryptorOutput | kVideoHwDecoderInternal,
};

}  // namespace

bool HasAnyUsage(const BufferUsage& usage) {
  return (usage.cpu | usage.vulkan | usage.display | usage.video) != 0;
}

bool UsageWrites(const BufferUsage& usage) {
  return ((usage.cpu & kWritingBits.cpu) | (usage.vulkan & kWritingBits.vulkan) |
          (usage.video & kWritingBits.video)) != 0;
}

bool WantsBuffers(const Constraints& constraints) {
  const BufferUsage usage = constraints.usage.value_or(BufferUsage{});
  return HasAnyUsage(usage) || (usage.none & kNoneUsagePermitAllocation) != 0;
}

}  // namespace sysmem::core
