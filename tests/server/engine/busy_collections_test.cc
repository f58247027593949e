// SPDX-License-Identifier: Apache-2.0
//
// A collection that is busy for long keeps nobody else waiting, whatever gave it to do.
//
// Method: the log line that a collection writes in its turn does not return until the test says so.
#include <atomic>
#include <future>
#include <string>
#include <variant>

#include "gtest/gtest.h"
#include "tests/server/engine/engine_harness.h"

namespace sysmem::server {
namespace {

constexpr Handle kStrong = 1;
constexpr Handle kWeak = 2;

class BusyCollections : public ::testing::Test {
 protected:
  BusyCollections() {
    engine_.SetOnLog([this](const std::string& text) {
      if (text.find(awaited_) == std::string::npos || busy_.exchange(true)) return;
      entered_.set_value();
      left_.get_future().wait();
    });
  }

  // While a collection is in its turn: whether a call of another client is answered.
  void ExpectAnAnswerTo(TestClient& client) {
    const bool is_busy = entered_.get_future().wait_for(kPatience) == std::future_status::ready;
    EXPECT_TRUE(is_busy) << "no collection wrote: " << awaited_;
    auto answered = std::async(std::launch::async, [&] { return client.Do(op::Ping{}); });
    EXPECT_EQ(answered.wait_for(kPatience), std::future_status::ready) << "it waits as well";
    busy_ = true;
    left_.set_value();
    EXPECT_OK(answered.get());
  }

  std::string awaited_;
  std::atomic<bool> busy_ = false;
  std::promise<void> entered_;
  std::promise<void> left_;
  TestEngine engine_;
};

TEST_F(BusyCollections, KeepNobodyWaitingWhoLooksForExportedEndsThatHungUp) {
  awaited_ = "closed";
  TestClient client(engine_);
  TestClient other(engine_);
  ASSERT_OK(client.Do(op::AllocateSharedCollection{kStrong, false}));
  OperationResult copy = client.Do(op::Duplicate{kStrong, core::kSameRights, std::nullopt, true});
  const auto* exported = std::get_if<ExportedNodes>(&copy);
  ASSERT_NE(exported, nullptr);
  client.Take(exported->descriptors.at(0)).reset();
  ExpectAnAnswerTo(other);
}

TEST_F(BusyCollections, KeepNobodyWaitingWhoLooksForBuffersThatWereClosed) {
  awaited_ = "the last strong handle";
  TestClient client(engine_);
  TestClient other(engine_);
  ASSERT_OK(client.Do(op::AllocateSharedCollection{kStrong, false}));
  ASSERT_OK(client.Do(op::Duplicate{kStrong, core::kSameRights, kWeak, false}));
  ASSERT_OK(client.Do(Message<core::event::SetWeak>(kWeak)));
  for (const Handle handle : {kStrong, kWeak}) {
    ASSERT_OK(client.Do(op::BindSharedCollection{handle, std::nullopt, handle}));
    ASSERT_OK(client.Do(SetConstraints(handle, CpuConstraints(handle == kStrong ? 1 : 0))));
  }
  OperationResult result = client.Do(Wait(kStrong));
  const auto* granted = std::get_if<GrantedBuffers>(&result);
  ASSERT_NE(granted, nullptr);
  base::UniqueFd last_strong = client.Take(granted->descriptors.front());
  ASSERT_OK(client.Do(Release(kStrong)));
  ASSERT_OK(client.Do(op::CloseHandle{kStrong}));
  last_strong.reset();
  ExpectAnAnswerTo(other);
}

}  // namespace
}  // namespace sysmem::server
