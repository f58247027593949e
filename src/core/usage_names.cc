// SPDX-License-Identifier: Apache-2.0
#include "core/usage_names.h"

#include <cstdio>

namespace sysmem::core {
namespace {

constexpr UsageBit kNone[] = {{"NONE", kNoneUsage},
                              {"PERMIT_ALLOCATION", kNoneUsagePermitAllocation}};
constexpr UsageBit kCpu[] = {{"READ", kCpuUsageRead},
                             {"READ_OFTEN", kCpuUsageReadOften},
                             {"WRITE", kCpuUsageWrite},
                             {"WRITE_OFTEN", kCpuUsageWriteOften}};
constexpr UsageBit kVulkan[] = {{"IMAGE_TRANSFER_SRC", 0x1},
                                {"IMAGE_TRANSFER_DST", 0x2},
                                {"IMAGE_SAMPLED", 0x4},
                                {"IMAGE_STORAGE", 0x8},
                                {"IMAGE_COLOR_ATTACHMENT", 0x10},
                                {"IMAGE_STENCIL_ATTACHMENT", 0x20},
                                {"IMAGE_TRANSIENT_ATTACHMENT", 0x40},
                                {"IMAGE_INPUT_ATTACHMENT", 0x80},
                                {"BUFFER_TRANSFER_SRC", 0x10000},
                                {"BUFFER_TRANSFER_DST", 0x20000},
                                {"BUFFER_UNIFORM_TEXEL", 0x40000},
                                {"BUFFER_STORAGE_TEXEL", 0x80000},
                                {"BUFFER_UNIFORM", 0x100000},
                                {"BUFFER_STORAGE", 0x200000},
                                {"BUFFER_INDEX", 0x400000},
                                {"BUFFER_VERTEX", 0x800000},
                                {"BUFFER_INDIRECT", 0x1000000}};
constexpr UsageBit kDisplay[] = {{"LAYER", 1}, {"CURSOR", 2}};
constexpr UsageBit kVideo[] = {{"HW_DECODER", 1},
                               {"HW_ENCODER", 2},
                               {"CAPTURE", 8},
                               {"DECRYPTOR_OUTPUT", 16},
                               {"HW_DECODER_INTERNAL", 32}};

constexpr UsageClass kClasses[] = {{"none", &BufferUsage::none, kNone},
                                   {"cpu", &BufferUsage::cpu, kCpu},
                                   {"vulkan", &BufferUsage::vulkan, kVulkan},
                                   {"display", &BufferUsage::display, kDisplay},
                                   {"video", &BufferUsage::video, kVideo}};

std::string BitsText(const UsageClass& usage_class, uint32_t bits) {
  std::string text;
  for (const auto& [name, bit] : usage_class.bits) {
    if ((bits & bit) == 0) continue;
    text += (text.empty() ? "" : "|") + std::string(name);
    bits &= ~bit;
  }
  if (bits == 0) return text;
  char rest[16];
  std::snprintf(rest, sizeof(rest), "0x%x", bits);
  return text + (text.empty() ? "" : "|") + rest;
}

}  // namespace

std::span<const UsageClass> UsageClasses() { return kClasses; }

std::string UsageText(const BufferUsage& usage) {
  std::string text;
  for (const UsageClass& one : kClasses) {
    const uint32_t bits = usage.*one.field;
    if (bits == 0) continue;
    text += (text.empty() ? "" : ", ") + std::string(one.name) + " " + BitsText(one, bits);
  }
  return text.empty() ? "nothing" : text;
}

}  // namespace sysmem::core
