// SPDX-License-Identifier: Apache-2.0
//
// What a client that never reads its handle channel costs the others: nothing they could measure.
//
// Two figures of one run are compared, of the same caller with as many processes beside it: once
// the neighbour is well-behaved, once it is deaf. The machine does other things too, so a bad run
// is repeated a few times; the bound itself is strict.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/hostile/hostile_fixture.h"
#include "tests/support/client_process.h"

namespace sysmem::testing {
namespace {

constexpr size_t kCalls = 5000;
constexpr int kRuns = 6;
constexpr double kMostTimes = 1.5;
constexpr uint32_t kBuffers = 64;
constexpr int kWaits = 12;
constexpr int kPings = 400;
using Clock = std::chrono::steady_clock;

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

// The 99th percentile of kCalls waits for a buffer that exists, each bringing a new descriptor.
double Percentile99(RawClient& caller) {
  std::vector<double> microseconds;
  microseconds.reserve(kCalls);
  sysmem2::WaitForAllBuffersAllocatedRequest wait;
  wait.set_handle(1);
  for (size_t i = 0; i < kCalls; ++i) {
    const auto begin = Clock::now();
    const auto reply = caller.Do<sysmem2::WaitForAllBuffersAllocatedReply>(
        "BufferCollection.WaitForAllBuffersAllocated", wait);
    const auto& info = reply.result().buffer_collection_info();
    if (info.buffers_size() != 1 || !caller.Take(info.buffers(0).vmo())) return 0;
    microseconds.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
  }
  const auto at = microseconds.begin() + static_cast<ptrdiff_t>(kCalls * 99 / 100);
  std::nth_element(microseconds.begin(), at, microseconds.end());
  return *at;
}

class DeafClient : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(daemon_.ready()); }

  // Caller and neighbour in processes of their own.
  double Measure(uid_t neighbours_uid, bool is_deaf) {
    const std::string& path = daemon_.socket_path();
    ClientProcess neighbour(neighbours_uid,
                            [&](ControlChannel& test) { BeNeighbour(test, path, is_deaf); });
    neighbour.control().Expect("begun");
    ClientProcess caller(kClientUid, [&](ControlChannel& test) {
      RawClient client(path);
      ASSERT_TRUE(client.open());
      EXPECT_TRUE(client.Run({CreateAlone(1), SetConstraints(1)}).failures().empty());
      test.Send(std::to_string(Percentile99(client)));
    });
    const double percentile = std::strtod(caller.control().Receive().text.c_str(), nullptr);
    caller.ExpectSuccess();
    neighbour.Kill();
    return percentile;
  }

  void ExpectNoDifference(uid_t neighbours_uid) {
    double best = std::numeric_limits<double>::max();
    for (int run = 0; run < kRuns && best > kMostTimes; ++run) {
      const double beside_reader = Measure(neighbours_uid, /*is_deaf=*/false);
      const double beside_deaf = Measure(neighbours_uid, /*is_deaf=*/true);
      ASSERT_GT(beside_reader, 0);
      ASSERT_GT(beside_deaf, 0);
      std::printf("p99 of %zu calls: %.0f us beside a reader, %.0f us beside a deaf one\n", kCalls,
                  beside_reader, beside_deaf);
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
