// SPDX-License-Identifier: Apache-2.0
#include "tests/hostile/latency.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <vector>

#include "tests/hostile/hostile_fixture.h"

namespace sysmem::testing {
namespace {

using Clock = std::chrono::steady_clock;

double Percentile99(RawClient& caller) {
  std::vector<double> microseconds;
  microseconds.reserve(kLatencyCalls);
  sysmem2::WaitForAllBuffersAllocatedRequest wait;
  wait.set_handle(1);
  for (size_t i = 0; i < kLatencyCalls; ++i) {
    const auto begin = Clock::now();
    const auto reply = caller.Do<sysmem2::WaitForAllBuffersAllocatedReply>(
        "BufferCollection.WaitForAllBuffersAllocated", wait);
    const auto& info = reply.result().buffer_collection_info();
    if (info.buffers_size() != 1 || !caller.Take(info.buffers(0).vmo())) return 0;
    microseconds.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
  }
  const auto at = microseconds.begin() + static_cast<ptrdiff_t>(kLatencyCalls * 99 / 100);
  std::nth_element(microseconds.begin(), at, microseconds.end());
  return *at;
}

}  // namespace

double MeasurePercentile99(const std::string& socket_path) {
  ClientProcess caller(kClientUid, [&](ControlChannel& test) {
    RawClient client(socket_path);
    ASSERT_TRUE(client.open());
    EXPECT_TRUE(client.Run({CreateAlone(1), SetConstraints(1)}).failures().empty());
    test.Send(std::to_string(Percentile99(client)));
  });
  const double percentile = std::strtod(caller.control().Receive().text.c_str(), nullptr);
  caller.ExpectSuccess();
  EXPECT_GT(percentile, 0);
  return percentile;
}

double MeasureBeside(uid_t neighbours_uid, const std::string& socket_path,
                     const ClientProcess::Body& neighbour) {
  ClientProcess process(neighbours_uid, neighbour);
  process.control().Expect("begun");
  const double percentile = MeasurePercentile99(socket_path);
  process.Kill();
  return percentile;
}

}  // namespace sysmem::testing
