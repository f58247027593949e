// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "core/constraints.h"

namespace sysmem::core {
namespace {

TEST(AnyUsage, IgnoresNone) {
  EXPECT_FALSE(HasAnyUsage({}));
  EXPECT_FALSE(HasAnyUsage({.none = kNoneUsage | kNoneUsagePermitAllocation}));
  EXPECT_TRUE(HasAnyUsage({.cpu = kCpuUsageRead}));
  EXPECT_TRUE(HasAnyUsage({.vulkan = 1}));
  EXPECT_TRUE(HasAnyUsage({.display = 1}));
  EXPECT_TRUE(HasAnyUsage({.video = 8}));
}

TEST(RuleRes2, CountsTheBitsThatWriteAndNoOthers) {
  for (uint32_t bit = 0; bit < 32; ++bit) {
    const uint32_t value = 1u << bit;
    EXPECT_EQ(UsageWrites({.cpu = value}), value == 4 || value == 8) << bit;
    EXPECT_EQ(UsageWrites({.vulkan = value}), value == 2 || value == 8) << bit;
    EXPECT_FALSE(UsageWrites({.display = value})) << bit;
    EXPECT_FALSE(UsageWrites({.none = value})) << bit;
    const bool video_writes = value == 1 || value == 2 || value == 16 || value == 32;
    EXPECT_EQ(UsageWrites({.video = value}), video_writes) << bit;
  }
}

TEST(RuleRes3, HandsBuffersToUsersAndToThoseWhoPermitAllocation) {
  Constraints c;
  EXPECT_FALSE(WantsBuffers(c));
  c.usage = BufferUsage{.none = kNoneUsage};
  EXPECT_FALSE(WantsBuffers(c));
  c.usage = BufferUsage{.none = kNoneUsage | kNoneUsagePermitAllocation};
  EXPECT_TRUE(WantsBuffers(c));
  c.usage = BufferUsage{.display = 1};
  EXPECT_TRUE(WantsBuffers(c));
}

}  // namespace
}  // namespace sysmem::core
