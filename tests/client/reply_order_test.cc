// SPDX-License-Identifier: Apache-2.0
#include "client/reply_order.h"

#include <gmock/gmock.h>

#include <vector>

namespace sysmem::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ReplyOrderTest : public ::testing::Test {
 protected:
  bool Arrive(uint64_t number) {
    return order_.Arrive(number, [this, number] { delivered_.push_back(number); });
  }
  ReplyOrder order_;
  std::vector<uint64_t> delivered_;
};

TEST_F(ReplyOrderTest, DeliversAtOnceWhatComesInOrder) {
  EXPECT_TRUE(Arrive(1));
  EXPECT_TRUE(Arrive(2));
  EXPECT_THAT(delivered_, ElementsAre(1, 2));
}

TEST_F(ReplyOrderTest, HoldsAnEventUntilTheReplySentBeforeItArrives) {
  Arrive(3);
  Arrive(2);
  EXPECT_THAT(delivered_, IsEmpty());
  EXPECT_EQ(order_.held(), 2u);
  Arrive(1);
  EXPECT_THAT(delivered_, ElementsAre(1, 2, 3));
  EXPECT_EQ(order_.held(), 0u);
}

TEST_F(ReplyOrderTest, RefusesANumberThatCameBefore) {
  Arrive(1);
  Arrive(3);
  EXPECT_FALSE(Arrive(1)) << "delivered already";
  EXPECT_FALSE(Arrive(3)) << "held already";
  EXPECT_FALSE(Arrive(0)) << "there is no such number";
  EXPECT_THAT(delivered_, ElementsAre(1));
}

TEST_F(ReplyOrderTest, KnowsWhetherAnythingIsMissingBeforeANumber) {
  EXPECT_TRUE(order_.IsDue(1));
  EXPECT_FALSE(order_.IsDue(2));
  Arrive(1);
  EXPECT_TRUE(order_.IsDue(2));
  order_.Finish();
  EXPECT_TRUE(order_.IsDue(9)) << "nothing more can come";
}

TEST_F(ReplyOrderTest, DeliversWhatItHoldsWhenNothingMoreCanCome) {
  Arrive(5);
  Arrive(3);
  order_.Finish();
  EXPECT_THAT(delivered_, ElementsAre(3, 5));
  EXPECT_TRUE(Arrive(9)) << "nothing is held back any more";
  EXPECT_THAT(delivered_, ElementsAre(3, 5, 9));
}

}  // namespace
}  // namespace sysmem::client
