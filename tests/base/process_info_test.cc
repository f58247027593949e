// SPDX-License-Identifier: Apache-2.0
#include "base/process_info.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstring>

#include "base/unique_fd.h"

namespace sysmem::base {
namespace {

TEST(CommandName, IsWhatTheProcessCallsItself) {
  char before[16] = {};
  ASSERT_EQ(::prctl(PR_GET_NAME, before), 0);
  ASSERT_EQ(::prctl(PR_SET_NAME, "odd \n name"), 0);
  EXPECT_EQ(CommandName(::getpid()), "odd \n name");
  ::prctl(PR_SET_NAME, before);
}

TEST(CommandName, IsEmptyForAProcessThatCannotBeSeen) {
  EXPECT_EQ(CommandName(0), "");
  EXPECT_EQ(CommandName(-1), "");
  EXPECT_EQ(CommandName(0x7fffffff), "");
}

TEST(OwnDescriptorCount, CountsOneMoreForEachDescriptorOpened) {
  const absl::StatusOr<uint64_t> before = OwnDescriptorCount();
  ASSERT_TRUE(before.ok()) << before.status();
  const UniqueFd one(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const UniqueFd another = Dup(one);
  EXPECT_EQ(OwnDescriptorCount().value_or(0), *before + 2);
}

TEST(OwnResidentBytes, GrowsByWhatIsTouched) {
  constexpr size_t kBytes = 32 << 20;
  const absl::StatusOr<uint64_t> before = OwnResidentBytes();
  ASSERT_TRUE(before.ok()) << before.status();
  void* memory =
      ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  std::memset(memory, 1, kBytes);
  EXPECT_GE(OwnResidentBytes().value_or(0), *before + kBytes / 2);
  ::munmap(memory, kBytes);
}

}  // namespace
}  // namespace sysmem::base
