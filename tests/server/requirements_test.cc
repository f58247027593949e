// SPDX-License-Identifier: Apache-2.0
#include "server/requirements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

namespace sysmem::server {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RequirementsTest : public testing::Test {
 protected:
  RequirementsTest() {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    ::signal(SIGIO, SIG_IGN);
  }
};
using RequirementsDeathTest = RequirementsTest;

[[noreturn]] void ReportAndExit() {
  const std::vector<Requirement> found = CheckRequirements();
  std::cerr << Describe(found) << std::flush;
  ::_exit(AllMet(found) ? 0 : 1);
}

TEST_F(RequirementsTest, AreMetWhereTheDaemonIsTested) {
  const std::vector<Requirement> found = CheckRequirements();
  EXPECT_TRUE(AllMet(found)) << Describe(found);
  for (const Requirement& requirement : found) EXPECT_NE(requirement.detail, "");
}

TEST_F(RequirementsTest, RaiseTheSoftLimitOfDescriptorsAsFarAsIsSensible) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlim_t hard = limit.rlim_max;
  limit.rlim_cur = 64;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  CheckRequirements();
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(limit.rlim_cur, std::min<rlim_t>(hard, kMostDescriptors));
}

TEST_F(RequirementsDeathTest, SayWhatIsMissingAndWhatToDo) {
  const auto without_descriptors = [] {
    const rlimit none{.rlim_cur = 3, .rlim_max = 3};
    ::setrlimit(RLIMIT_NOFILE, &none);
    ReportAndExit();
  };
  EXPECT_EXIT(without_descriptors(), testing::ExitedWithCode(1),
              "poor: RLIMIT_NOFILE: 3 descriptors\n"
              "  Set LimitNOFILE= .*\n"
              "missing: memfd: memfd_create: Too many open files .*\n"
              "  Needs Linux .*");
}

TEST_F(RequirementsDeathTest, NoticeThatSigioWouldKill) {
  const auto with_deadly_sigio = [] {
    ::signal(SIGIO, SIG_DFL);
    ReportAndExit();
  };
  EXPECT_EXIT(with_deadly_sigio(), testing::ExitedWithCode(1), "missing: SIGIO: ");
}

TEST(Requirements, ThatArePoorlyMetDoNotStopTheDaemon) {
  const std::vector<Requirement> found = {
      {.name = "good"},
      {.name = "low", .verdict = Verdict::kPoor, .detail = "only 3", .advice = "Raise it."}};
  EXPECT_TRUE(AllMet(found));
  EXPECT_EQ(Describe(found), "poor: low: only 3\n  Raise it.\n");
}

TEST(Requirements, ThatAreMetNeedNoWords) { EXPECT_THAT(Describe({{.name = "good"}}), IsEmpty()); }

TEST(Requirements, ThatAreMissingStopTheDaemon) {
  const std::vector<Requirement> found = {
      {.name = "x", .verdict = Verdict::kMissing, .detail = "gone", .advice = "Bring it back."}};
  EXPECT_FALSE(AllMet(found));
  EXPECT_THAT(Describe(found), HasSubstr("missing: x: gone\n  Bring it back.\n"));
}

}  // namespace
}  // namespace sysmem::server
