// SPDX-License-Identifier: Apache-2.0
//
// What a client that makes the daemon negotiate for seconds costs the others: no more than if it
// burnt the processor by itself.
#include <algorithm>
#include <cstdio>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/hostile/hostile_fixture.h"
#include "tests/hostile/latency.h"

namespace sysmem::testing {
namespace {

constexpr int kRuns = 6;
constexpr double kMostTimes = 2;
constexpr int kParticipants = 1000;
constexpr int kFormats = 64;
constexpr int kGroups = 6;  // of two: 64 combinations
constexpr uint32_t kSameRights = 0x80000000;
// Handles of tokens; a collection's is its token's plus kBound.
constexpr uint64_t kRoot = 1;
constexpr uint64_t kFirstChild = 2;
constexpr uint64_t kFirstGroup = 10'000;
constexpr uint64_t kBound = 100'000;

// Everybody can do all of these, so every try merges them all, and then finds that there are to be
// more buffers than anybody may have.
sysmem2::Operation SetDearConstraints(uint64_t handle) {
  sysmem2::Operation operation = SetConstraints(handle, 1);
  auto& format =
      *operation.mutable_set_constraints()->mutable_constraints()->add_image_format_constraints();
  format.add_color_spaces(sysmem2::COLOR_SPACE_SRGB);
  format.mutable_min_size()->set_width(64);
  format.mutable_min_size()->set_height(64);
  for (uint64_t flags = 0; flags < kFormats; ++flags) {
    auto& pair = *format.add_pixel_format_and_modifiers();
    pair.set_pixel_format(sysmem2::PIXEL_FORMAT_R8G8B8A8);
    // ARM AFBC with blocks of 16x16 and any of its six flags.
    pair.set_pixel_format_modifier((uint64_t{0x08} << 56) | 1 | (flags << 4));
  }
  return operation;
}

sysmem2::Operation AddGroup(uint64_t handle) {
  sysmem2::Operation operation;
  operation.mutable_create_buffer_collection_token_group()->set_handle(kRoot);
  operation.mutable_create_buffer_collection_token_group()->set_group_handle(handle);
  return operation;
}
sysmem2::Operation AddAlternative(uint64_t group, uint64_t child) {
  sysmem2::Operation operation;
  operation.mutable_create_child()->set_handle(group);
  operation.mutable_create_child()->set_token_handle(child);
  operation.mutable_create_child()->set_rights_attenuation_mask(kSameRights);
  return operation;
}
sysmem2::Operation DeclareComplete(uint64_t group) {
  sysmem2::Operation operation;
  operation.mutable_all_children_present()->set_handle(group);
  return operation;
}

// 1,000 participants, 64 combinations, all ready but the root. True if the daemon took it.
bool Prepare(RawClient& client) {
  std::vector<sysmem2::Operation> operations{CreateToken(kRoot)};
  uint64_t next = kFirstChild;
  for (uint64_t group = kFirstGroup; group < kFirstGroup + kGroups; ++group) {
    operations.push_back(AddGroup(group));
    operations.push_back(AddAlternative(group, next++));
    operations.push_back(AddAlternative(group, next++));
    operations.push_back(DeclareComplete(group));
  }
  while (next <= kParticipants) operations.push_back(Duplicate(kRoot, next++));
  if (!client.Run(std::exchange(operations, {})).failures().empty()) return false;
  for (uint64_t token = kRoot; token <= kParticipants; ++token) {
    operations.push_back(Bind(token, token + kBound));
    if (token != kRoot) operations.push_back(SetDearConstraints(token + kBound));
    if (token % 100 != 0) continue;
    if (!client.Run(std::exchange(operations, {})).failures().empty()) return false;
  }
  return true;
}

void NegotiateAtLength(ControlChannel& test, const std::string& path) {
  for (bool first = true;; first = false) {
    RawClient client(path);
    ASSERT_TRUE(client.open());
    ASSERT_TRUE(Prepare(client));
    if (first) test.Send("begun");
    // Answered when all combinations were tried.
    const sysmem2::RunReply reply =
        client.Run({SetDearConstraints(kRoot + kBound), Wait(kRoot + kBound)});
    ASSERT_EQ(reply.failures_size(), 1);
    ASSERT_EQ(reply.failures(0).failure().outcome(), sysmem2::OUTCOME_CLOSED);
  }
}

void BurnProcessor(ControlChannel& test) {
  test.Send("begun");
  volatile uint64_t burnt = 0;
  while (true) static_cast<void>(burnt);
}

class DearNegotiation : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(daemon_.ready()); }

  void ExpectNoDifference(uid_t neighbours_uid) {
    const std::string& path = daemon_.socket_path();
    double best = std::numeric_limits<double>::max();
    for (int run = 0; run < kRuns && best > kMostTimes; ++run) {
      const double beside_burner = MeasureBeside(neighbours_uid, path, BurnProcessor);
      const double beside_negotiation = MeasureBeside(
          neighbours_uid, path, [&](ControlChannel& test) { NegotiateAtLength(test, path); });
      ASSERT_FALSE(HasFailure());
      std::printf(
          "p99 of %zu calls: %.0f us beside a busy process, %.0f us beside one that has the "
          "daemon try %d combinations of %d participants with %d formats\n",
          kLatencyCalls, beside_burner, beside_negotiation, 1 << kGroups, kParticipants, kFormats);
      best = std::min(best, beside_negotiation / beside_burner);
    }
    EXPECT_LE(best, kMostTimes);
  }

 private:
  DaemonProcess daemon_;
};

TEST_F(DearNegotiation, DelaysAnotherUserNoMoreThanABusyProcessDoes) {
  SYSMEM_NEEDS_SEVERAL_UIDS();
  ExpectNoDifference(kOtherClientUid);
}

TEST_F(DearNegotiation, DelaysItsOwnUsersOtherClientsNoMoreThanABusyProcessDoes) {
  ExpectNoDifference(kClientUid);
}

}  // namespace
}  // namespace sysmem::testing
