// SPDX-License-Identifier: Apache-2.0
//
// Constraints, machines and questions for tests of the negotiation. Recipe names such as K-NV12 are
// those of the conformance cases.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "core/color_space.h"
#include "core/negotiate.h"
#include "core/pixel_format.h"
#include "core/rejection.h"
#include "core/sanitise.h"

namespace sysmem::core::recipes {

inline constexpr uint64_t kPage = 4096;
inline constexpr uint64_t kMiB = 1 << 20;
inline constexpr uint32_t kAllOnes = UINT32_MAX;
inline constexpr PixelFormatAndModifier kNv12Linear{pixel_format::kNv12, modifier::kLinear};
inline constexpr PixelFormatAndModifier kRgbaLinear{pixel_format::kR8G8B8A8, modifier::kLinear};
inline constexpr PixelFormatAndModifier kAnyPair{pixel_format::kDoNotCare, modifier::kDoNotCare};

// A heap that serves every domain.
inline HeapProperties HeapNamed(std::string type, uint64_t id = 0) {
  return {.heap = {std::move(type), id},
          .cpu_domain = true,
          .ram_domain = true,
          .inaccessible_domain = true};
}

// A machine with system RAM only.
inline Settings Machine() {
  Settings settings;
  settings.heaps = {HeapNamed(kHeapSystemRam)};
  return settings;
}

// CPU-RW
inline BufferUsage CpuReadWrite() { return {.cpu = kCpuUsageReadOften | kCpuUsageWriteOften}; }

// cpu-only
inline MemoryConstraints CpuOnly() {
  return {.physically_contiguous_required = false,
          .secure_required = false,
          .cpu_domain_supported = true,
          .ram_domain_supported = false,
          .inaccessible_domain_supported = false};
}

inline MemoryConstraints CpuOnly(uint64_t min_bytes, uint64_t max_bytes) {
  MemoryConstraints memory = CpuOnly();
  memory.min_size_bytes = min_bytes;
  memory.max_size_bytes = max_bytes;
  return memory;
}

// One entry of image_format_constraints with a format and its colour spaces.
inline ImageFormatConstraints Image(uint32_t pixel_format, std::vector<uint32_t> color_spaces) {
  ImageFormatConstraints image;
  image.pixel_format = pixel_format;
  image.color_spaces = std::move(color_spaces);
  return image;
}

inline ImageFormatConstraints Nv12() { return Image(pixel_format::kNv12, {color_space::kRec709}); }
inline ImageFormatConstraints Rgba() {
  return Image(pixel_format::kR8G8B8A8, {color_space::kSrgb});
}

// A participant that uses the CPU, wants one buffer, and these images.
inline Constraints CpuImages(std::vector<ImageFormatConstraints> images) {
  Constraints c;
  c.usage = CpuReadWrite();
  c.min_buffer_count_for_camping = 1;
  c.image_formats = std::move(images);
  return c;
}

// A participant that uses the CPU, wants one buffer of raw bytes.
inline Constraints CpuBytes(uint64_t min_bytes) {
  Constraints c;
  c.usage = CpuReadWrite();
  c.min_buffer_count_for_camping = 1;
  c.memory = MemoryConstraints{.min_size_bytes = min_bytes};
  return c;
}

// K-NV12
inline Constraints KNv12() {
  ImageFormatConstraints image = Nv12();
  image.min_size = {256, 256};
  image.max_size = {kAllOnes, kAllOnes};
  image.min_bytes_per_row = 256;
  image.max_bytes_per_row = kAllOnes;
  image.max_width_times_height = kAllOnes;
  image.size_alignment = {2, 2};
  image.display_rect_alignment = {1, 1};
  image.bytes_per_row_divisor = 2;
  image.start_offset_divisor = 2;
  Constraints c = CpuImages({image});
  c.min_buffer_count_for_camping = 3;
  c.memory = CpuOnly(65536, 131072);
  return c;
}

// Asks all of them; participants are nodes 1, 2, ... with the names "p1", "p2", ...
inline Result<Plan> Ask(const std::vector<Constraints>& all, const Settings& settings = Machine()) {
  std::vector<Participant> participants;
  for (const Constraints& one : all) {
    const NodeId node = participants.size() + 1;
    participants.push_back({node, "p" + std::to_string(node), &one});
  }
  return Negotiate(participants, settings);
}

// What they agree on; fails the test if they do not.
inline Plan Agreed(const std::vector<Constraints>& all, const Settings& settings = Machine()) {
  const auto plan = Ask(all, settings);
  EXPECT_TRUE(plan.ok()) << (plan.ok() ? "" : plan.failure().rule + ": " + plan.failure().message);
  return plan.ok() ? plan.value() : Plan{};
}

inline ImageFormatConstraints ImageOf(const Plan& plan) {
  return plan.settings.image_format.value_or(ImageFormatConstraints{});
}

inline bool Fails(const std::vector<Constraints>& all) {
  const auto plan = Ask(all);
  return !plan.ok() && plan.failure().error == Error::kConstraintsIntersectionEmpty;
}

// "" if it succeeded, else the rule that said no.
template <typename T, typename E>
std::string RuleOf(const Result<T, E>& result) {
  return result.ok() ? "" : result.failure().rule;
}
inline std::string RuleOf(const MaybeRejection& rejection) {
  return rejection ? rejection->rule : "";
}

// What one participant's constraints come to by themselves; the rule if they are refused.
inline std::string RuleForOne(const Constraints& c, const Settings& settings = Machine()) {
  return RuleOf(SanitiseParticipant(c, settings));
}
inline std::string RuleForImage(const ImageFormatConstraints& image) {
  return RuleForOne(CpuImages({image}));
}

// REQUIRES: they are accepted.
inline SanitisedConstraints Sane(const Constraints& c, const Settings& settings = Machine()) {
  return SanitiseParticipant(c, settings).value();
}
inline SanitisedImageFormat SaneImage(const ImageFormatConstraints& image) {
  return Sane(CpuImages({image})).image_formats.at(0);
}

}  // namespace sysmem::core::recipes
