// SPDX-License-Identifier: Apache-2.0
#include "server/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace sysmem::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Optional;

void UseUp(ComplaintLimiter& limiter, uid_t uid, int64_t now_ns) {
  while (limiter.Admit(uid, now_ns)) {
  }
}

TEST(ComplaintLimiter, LetsABurstThroughAndHoldsTheRestBack) {
  ComplaintLimiter limiter;
  for (uint64_t i = 0; i < ComplaintLimiter::kBurst; ++i) {
    EXPECT_THAT(limiter.Admit(1000, 0), Optional(0)) << i;
  }
  EXPECT_EQ(limiter.Admit(1000, 0), std::nullopt);
}

TEST(ComplaintLimiter, LetsOneThroughPerIntervalAndCountsWhatItHeldBack) {
  ComplaintLimiter limiter;
  UseUp(limiter, 1000, 0);  // Held one back to find out.
  EXPECT_EQ(limiter.Admit(1000, ComplaintLimiter::kIntervalNs - 1), std::nullopt);
  EXPECT_THAT(limiter.Admit(1000, ComplaintLimiter::kIntervalNs), Optional(2));
  EXPECT_EQ(limiter.Admit(1000, ComplaintLimiter::kIntervalNs), std::nullopt);
}

TEST(ComplaintLimiter, ForgivesUpToOneBurst) {
  ComplaintLimiter limiter;
  UseUp(limiter, 1000, 0);
  const int64_t much_later = 1000 * ComplaintLimiter::kIntervalNs;
  for (uint64_t i = 0; i < ComplaintLimiter::kBurst; ++i) {
    EXPECT_NE(limiter.Admit(1000, much_later), std::nullopt) << i;
  }
  EXPECT_EQ(limiter.Admit(1000, much_later), std::nullopt);
}

TEST(ComplaintLimiter, CountsEachUidByItself) {
  ComplaintLimiter limiter;
  UseUp(limiter, 1000, 0);
  EXPECT_THAT(limiter.Admit(1001, 0), Optional(0));
}

TEST(ComplaintLimiter, ForgetsTheUidThatWasQuietLongest) {
  ComplaintLimiter limiter;
  UseUp(limiter, 0, 0);
  UseUp(limiter, 1, 1);
  for (uid_t uid = 2; uid <= ComplaintLimiter::kMaxUids; ++uid) limiter.Admit(uid, 2);
  EXPECT_EQ(limiter.Admit(1, 3), std::nullopt);   // remembered
  EXPECT_THAT(limiter.Admit(0, 3), Optional(0));  // forgotten
}

TEST(Log, WritesWhatAClientSaidOnOneLineWithoutItsControlCharacters) {
  testing::internal::CaptureStderr();
  StartLogging(LogLevel::kInfo);
  ComplainAbout({.pid = 7, .uid = 4242, .command = "evil\x1b[2J"}, "said \"x\"\n<3>forged line");
  const std::string logged = testing::internal::GetCapturedStderr();
  EXPECT_THAT(logged, HasSubstr("client uid 4242 pid 7 (evil\\x1b[2J): said"));
  EXPECT_THAT(logged, HasSubstr("\\n<3>forged line"));
  EXPECT_EQ(logged.find('\n'), logged.size() - 1);
}

TEST(Log, LeavesOutWhatIsBelowItsLevel) {
  testing::internal::CaptureStderr();
  StartLogging(LogLevel::kError);
  ComplainAbout({.pid = 7, .uid = 4243, .command = "client"}, "did something wrong");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), Not(HasSubstr("did something wrong")));
}

}  // namespace
}  // namespace sysmem::server
