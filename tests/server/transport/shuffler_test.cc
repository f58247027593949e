// SPDX-License-Identifier: Apache-2.0
#include "server/transport/shuffler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace sysmem::server::transport {
namespace {

class ShufflerTest : public ::testing::Test {
 protected:
  std::shared_ptr<Shuffler> Make(uint64_t seed) {
    return Shuffler::Create(seed, [this](int64_t delay_ns, std::function<void()> callback) {
      EXPECT_EQ(delay_ns, Shuffler::kWindowNs);
      timers_.push_back(std::move(callback));
    });
  }
  void Add(Shuffler& shuffler, int first, int last) {
    for (int i = first; i <= last; ++i) shuffler.Add([this, i] { delivered_.push_back(i); });
  }
  void FireTimers() {
    for (auto& timer : std::exchange(timers_, {})) timer();
  }
  std::vector<int> Sorted() const {
    std::vector<int> sorted = delivered_;
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  }
  static std::vector<int> UpTo(int last) {
    std::vector<int> numbers(static_cast<size_t>(last));
    std::iota(numbers.begin(), numbers.end(), 1);
    return numbers;
  }

  std::vector<std::function<void()>> timers_;
  std::vector<int> delivered_;
};

TEST_F(ShufflerTest, HoldsCallsUntilTheWindowIsFull) {
  auto shuffler = Make(1);
  Add(*shuffler, 1, 15);
  EXPECT_TRUE(delivered_.empty());
  Add(*shuffler, 16, 16);
  EXPECT_EQ(Sorted(), UpTo(16));
  EXPECT_NE(delivered_, UpTo(16)) << "one order in 20,922,789,888,000 would be the right one";
}

TEST_F(ShufflerTest, LetsALoneCallGoAfterAMoment) {
  auto shuffler = Make(1);
  Add(*shuffler, 1, 1);
  ASSERT_EQ(timers_.size(), 1u);
  FireTimers();
  EXPECT_EQ(delivered_, UpTo(1));
}

TEST_F(ShufflerTest, DoesNotLetATimerCutTheNextWindowShort) {
  auto shuffler = Make(1);
  Add(*shuffler, 1, 17);
  ASSERT_EQ(timers_.size(), 2u);
  timers_[0]();
  EXPECT_EQ(Sorted(), UpTo(16));
  timers_[1]();
  EXPECT_EQ(Sorted(), UpTo(17));
}

TEST_F(ShufflerTest, RepeatsItselfForTheSameSeed) {
  auto one = Make(7);
  Add(*one, 1, 64);
  const std::vector<int> first = std::exchange(delivered_, {});
  auto two = Make(7);
  Add(*two, 1, 64);
  EXPECT_EQ(delivered_, first);
  delivered_.clear();
  auto other = Make(8);
  Add(*other, 1, 64);
  EXPECT_NE(delivered_, first);
}

TEST_F(ShufflerTest, DeliversEverythingAtOnceWhenStopped) {
  auto shuffler = Make(1);
  Add(*shuffler, 1, 3);
  shuffler->Stop();
  EXPECT_EQ(Sorted(), UpTo(3));
  Add(*shuffler, 4, 4);
  EXPECT_EQ(Sorted(), UpTo(4));
}

TEST_F(ShufflerTest, LeavesNothingBehindForATimerThatComesTooLate) {
  auto shuffler = Make(1);
  Add(*shuffler, 1, 1);
  shuffler.reset();
  FireTimers();
  EXPECT_TRUE(delivered_.empty());
}

}  // namespace
}  // namespace sysmem::server::transport
