// SPDX-License-Identifier: Apache-2.0
//
// Method: the machine is a variable and time stands still until the test moves it.
#include "heaps/reservation_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sysmem::heaps {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr uint64_t kMiB = 1 << 20;

class ReservationGateTest : public testing::Test {
 protected:
  absl::StatusOr<base::AvailableMemory> ReadMachine() {
    ++readings_;
    if (!reader_status_.ok()) return reader_status_;
    return base::AvailableMemory{.bytes = available_, .bounded_by = "the test"};
  }
  // As the kernel would see it: the memory is taken, then the gate is told.
  absl::Status Take(Reservation& reservation, uint64_t bytes) {
    available_ -= bytes;
    return reservation.Taken(bytes);
  }
  bool Fits(uint64_t bytes) { return gate_.Reserve(bytes).ok(); }

  uint64_t available_ = 100 * kMiB;
  int readings_ = 0;
  absl::Status reader_status_;
  std::chrono::steady_clock::time_point now_;
  ReservationGate gate_{5, [this] { return ReadMachine(); }, [this] { return now_; }};
};

TEST_F(ReservationGateTest, GrantsWhatLeavesTheReserveAndNotAByteMore) {
  EXPECT_TRUE(Fits(95 * kMiB));
  EXPECT_FALSE(Fits(95 * kMiB + 1));
}

TEST_F(ReservationGateTest, LeavesTheDaemonWhatItMayNeedItselfHoweverLittleThereIs) {
  ReservationGate gate(
      5, [this] { return ReadMachine(); }, [this] { return now_; }, 16 * kMiB);
  EXPECT_TRUE(gate.Reserve(84 * kMiB).ok());
  const absl::Status refused = gate.Reserve(84 * kMiB + 1).status();
  EXPECT_THAT(refused.message(), HasSubstr("16777216 of them kept in reserve (5 %, at least "
                                           "16777216)"));
  available_ = 15 * kMiB;
  now_ += milliseconds(1000);
  EXPECT_FALSE(gate.Reserve(1).ok());
  available_ = 1000 * kMiB;
  now_ += milliseconds(1000);
  EXPECT_TRUE(gate.Reserve(950 * kMiB).ok()) << "of much memory, the part is more";
  EXPECT_FALSE(gate.Reserve(951 * kMiB).ok());
}

TEST_F(ReservationGateTest, RefusesWithTheFigures) {
  const absl::StatusOr<Reservation> other = gate_.Reserve(60 * kMiB);
  const absl::Status refused = gate_.Reserve(40 * kMiB).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(refused.message(),
            "no memory for 41943040 bytes: 104857600 available (the test), 5242880 of them kept in "
            "reserve (5 %), 62914560 promised to allocations under way");
}

TEST_F(ReservationGateTest, DoesNotPromiseTheSameBytesTwice) {
  std::optional<absl::StatusOr<Reservation>> first = gate_.Reserve(60 * kMiB);
  ASSERT_TRUE(first->ok());
  EXPECT_FALSE(Fits(60 * kMiB));
  first.reset();  // gives back what was never taken
  EXPECT_TRUE(Fits(60 * kMiB));
}

TEST_F(ReservationGateTest, CountsWhatWasTakenOnlyOnce) {
  absl::StatusOr<Reservation> first = gate_.Reserve(60 * kMiB);
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(Take(*first, 60 * kMiB).ok());
  EXPECT_EQ(first->remaining(), 0U);
  EXPECT_TRUE(Fits(38 * kMiB));  // 95 % of the 40 left
  EXPECT_FALSE(Fits(38 * kMiB + 1));
}

TEST_F(ReservationGateTest, StopsAnAllocationWhenOthersWereGreedyMeanwhile) {
  absl::StatusOr<Reservation> reservation = gate_.Reserve(64 * kMiB);
  ASSERT_TRUE(reservation.ok());
  EXPECT_TRUE(Take(*reservation, 16 * kMiB).ok());
  available_ -= 40 * kMiB;  // 44 are left, 48 still wanted
  const absl::Status stopped = Take(*reservation, 16 * kMiB);
  EXPECT_EQ(stopped.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(stopped.message()), HasSubstr("no memory for 33554432 bytes"));
}

TEST_F(ReservationGateTest, DecidesSmallRequestsByARecentReading) {
  std::vector<Reservation> kept;
  for (int i = 0; i < 5; ++i) kept.push_back(gate_.Reserve(4096).value());
  EXPECT_EQ(readings_, 1);
  now_ += milliseconds(101);
  kept.push_back(gate_.Reserve(4096).value());
  EXPECT_EQ(readings_, 2);
}

TEST_F(ReservationGateTest, ReadsAgainWhenSmallRequestsHaveAddedUp) {
  std::vector<Reservation> kept;
  while (readings_ < 2) kept.push_back(gate_.Reserve(kMiB).value());
  EXPECT_LE(kept.size(), 100U / 16);
}

TEST_F(ReservationGateTest, ForgetsWithANewReadingWhatWasTakenBefore) {
  for (int i = 0; i < 10; ++i) {
    absl::StatusOr<Reservation> reservation = gate_.Reserve(kMiB);
    ASSERT_TRUE(reservation.ok());
    ASSERT_TRUE(Take(*reservation, kMiB).ok());
  }
  EXPECT_EQ(readings_, 2);  // a sixteenth of what there is lasts for about five of them
}

TEST_F(ReservationGateTest, ReadsAgainBeforeItRefuses) {
  available_ = kMiB;
  EXPECT_FALSE(Fits(2 * kMiB));
  available_ = 100 * kMiB;
  EXPECT_TRUE(Fits(2 * kMiB));
}

TEST_F(ReservationGateTest, IsNotFooledByNumbersThatRunOver) {
  EXPECT_FALSE(Fits(std::numeric_limits<uint64_t>::max()));
  const absl::StatusOr<Reservation> some = gate_.Reserve(kMiB);
  EXPECT_FALSE(Fits(std::numeric_limits<uint64_t>::max() - kMiB + 1));
}

TEST_F(ReservationGateTest, PassesOnThatTheMachineCannotBeRead) {
  reader_status_ = absl::FailedPreconditionError("no /proc");
  EXPECT_EQ(gate_.Reserve(4096).status(), reader_status_);
}

TEST_F(ReservationGateTest, MovesAReservationWithoutGivingItBack) {
  absl::StatusOr<Reservation> first = gate_.Reserve(60 * kMiB);
  ASSERT_TRUE(first.ok());
  const Reservation second = *std::move(first);
  first = absl::CancelledError("moved away");
  EXPECT_EQ(second.remaining(), 60 * kMiB);
  EXPECT_FALSE(Fits(60 * kMiB));
}

TEST(ReservationGate, GrantsFromManyThreadsNoMoreThanThereIs) {
  constexpr uint64_t kBlock = 10 * kMiB;
  ReservationGate gate(
      0, [] { return base::AvailableMemory{.bytes = 10 * kBlock, .bounded_by = "the test"}; },
      [] { return std::chrono::steady_clock::time_point(); });
  std::mutex mutex;
  std::vector<Reservation> granted;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 100; ++round) {
        absl::StatusOr<Reservation> reservation = gate.Reserve(kBlock);
        if (!reservation.ok()) continue;
        const std::lock_guard lock(mutex);
        granted.push_back(*std::move(reservation));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(granted.size(), 10U);
}

TEST(ReservationGate, GrantsAPageOnThisMachine) {
  ReservationGate gate;
  const absl::StatusOr<Reservation> page = gate.Reserve(4096);
  EXPECT_TRUE(page.ok()) << page.status();
}

}  // namespace
}  // namespace sysmem::heaps
