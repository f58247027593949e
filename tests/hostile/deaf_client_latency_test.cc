// SPDX-License-Identifier: Apache-2.0
//
// What a client that never reads its handle channel costs the others: nothing they could measure.
// Measured beside a neighbour that reads, and beside a deaf one.
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
constexpr double kMostTimes = 1.5;
constexpr uint32_t kBuffers = 64;
constexpr int kWaits = 12;
constexpr int kPings = 400;

// The neighbour asks for buffers again and again, and for much else. One that reads takes what it
// gets from the handle channel; a deaf one lets it lie, with everything behind it, until it is cut
// off, and comes again. Says when it has begun, and lives until it is killed.
void BeNeighbour(ControlChannel& test, const std::string& path, bool is_deaf) {
  bool announced = false;
  while (true) {
    RawClient client(path);
    if (!client.open()) continue;
    EXPECT_TRUE(client.Run({CreateAlone(1), SetConstraints(1, kBuffers)}).failures().empty());
    sysmem2::WaitForAllBuffersAllocatedRequest wait;
    wait.set_handle(1);
    std::vector<RawCall*> calls;
    for (int i = 0; i < kWaits; ++i) {
      calls.push_back(&client.Send("BufferCollection.WaitForAllBuffersAllocated", wait));
      if (is_deaf || !client.Await(*calls.back())) continue;
      const auto reply = calls.back()->As<sysmem2::WaitForAllBuffersAllocatedReply>();
      for (const auto& buffer : reply.result().buffer_collection_info().buffers()) {
        client.Take(buffer.vmo());
      }
    }
    for (int i = 0; i < kPings; ++i) {
      calls.push_back(&client.Send("Session.Ping", sysmem2::PingRequest()));
    }
    client.Await(is_deaf ? *calls.front() : *calls.back());
    if (!std::exchange(announced, true)) test.Send("begun");
    for (RawCall* call : calls) client.Await(*call);  // a deaf one's fail in the end
    if (!is_deaf) test.Receive();
  }
}

class DeafClient : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(daemon_.ready()); }

  double Measure(uid_t neighbours_uid, bool is_deaf) {
    const std::string& path = daemon_.socket_path();
    return MeasureBeside(neighbours_uid, path,
                         [&](ControlChannel& test) { BeNeighbour(test, path, is_deaf); });
  }

  void ExpectNoDifference(uid_t neighbours_uid) {
    double best = std::numeric_limits<double>::max();
    for (int run = 0; run < kRuns && best > kMostTimes; ++run) {
      const double beside_reader = Measure(neighbours_uid, /*is_deaf=*/false);
      const double beside_deaf = Measure(neighbours_uid, /*is_deaf=*/true);
      ASSERT_FALSE(HasFailure());
      std::printf("p99 of %zu calls: %.0f us beside a reader, %.0f us beside a deaf one\n",
                  kLatencyCalls, beside_reader, beside_deaf);
      best = std::min(best, beside_deaf / beside_reader);
    }
    EXPECT_LE(best, kMostTimes);
  }

 private:
  DaemonProcess daemon_;
};

TEST_F(DeafClient, DoesNotChangeTheLatencyOfAnotherUser) {
  SYSMEM_NEEDS_SEVERAL_UIDS();
  ExpectNoDifference(kOtherClientUid);
}

TEST_F(DeafClient, DoesNotChangeTheLatencyOfItsOwnUsersOtherClients) {
  ExpectNoDifference(kClientUid);
}

}  // namespace
}  // namespace sysmem::testing
