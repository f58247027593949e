// SPDX-License-Identifier: Apache-2.0
//
// One daemon for minutes: pipelines, joins by the thousand, and processes that die in the middle.
// After each round everything is back, to the last descriptor; and the daemon does not grow.
//
// SYSMEM_SOAK_SECONDS sets how long (300). Prints one line that begins with "soak:".
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "tests/end_to_end/observer.h"
#include "tests/end_to_end/participants.h"
#include "tests/end_to_end/small_video.h"
#include "tests/support/programs.h"
#include "tests/support/sanitizers.h"
#include "tests/support/temp_dir.h"

namespace sysmem::testing {
namespace {

constexpr std::chrono::seconds kDefaultLength{300};
constexpr int kWarmUpRounds = 3;
constexpr int kJoinsARound = 200;
constexpr int kAllocationsARound = 50;
constexpr uint32_t kBuffers = 5;
// What allocators may keep more of, the longer they live. AddressSanitizer's goes on to settle for
// hundreds of rounds; without it one forgotten KiB a join is several times as much.
constexpr uint64_t kGrowthTolerance = kAddressSanitizer ? 128 << 20 : 16 << 20;

std::chrono::seconds Length() {
  const char* given = std::getenv("SYSMEM_SOAK_SECONDS");
  return given == nullptr ? kDefaultLength : std::chrono::seconds(std::atoi(given));
}

class Soak : public ::testing::Test {
 protected:
  Soak() { WriteSmallVideo(video_); }

  void RunPipeline() {
    // The demo looks for those beside itself, wherever they are brought.
    for (const char* other : {"sysmem-demo-decoder", "sysmem-demo-analyser",
                              "sysmem-demo-presenter", "sysmem-demo-reference"}) {
      ProgramPath(other);
    }
    const Ended run = RunToEnd({.program = ProgramPath("sysmem-demo"),
                                .arguments = {"--socket", daemon_.socket_path(), "--output",
                                              dir_.path() + "/sheet.png", video_},
                                .environment = CleanEnvironment()});
    EXPECT_EQ(run.exit_code, 0) << run.output;
  }

  // Participants that come late and go, and collections that are made and dropped.
  void JoinAndAllocate() {
    ClientProcess process(kClientUid, [this](ControlChannel&) {
      sysmem::Client client = ConnectOrDie(daemon_.socket_path());
      auto root = client.CreateToken();
      SYSMEM_ASSERT_OK(root);
      auto first = std::move(*root).Join(WriterNeeds(kBuffers, 4096), Patience());
      SYSMEM_ASSERT_OK(first);
      for (int i = 0; i < kJoinsARound; ++i) {
        auto token = first->collection.AttachToken();
        SYSMEM_ASSERT_OK(token);
        auto joined = std::move(*token).Join(ReaderNeeds(0), Patience());
        SYSMEM_ASSERT_OK(joined);
        ASSERT_EQ(joined->buffers.count(), kBuffers);
        std::move(joined->collection).Close();
        SYSMEM_ASSERT_OK(client.Roundtrip(Patience()));
      }
      for (int i = 0; i < kAllocationsARound; ++i) ExpectServed(client);
    });
    process.ExpectSuccess();
  }

  // A process that lives until it calls `die`.
  void DieAfter(
      const std::function<void(sysmem::Client& client, const std::function<void()>& die)>& life) {
    ClientProcess process(kOtherClientUid, [&](ControlChannel& test) {
      sysmem::Client client = ConnectOrDie(daemon_.socket_path());
      life(client, [&] {
        test.Send("here");
        test.Receive();
      });
    });
    process.control().Expect("here");
    process.Kill();
  }
  void DieInManyPlaces() {
    DieAfter([](sysmem::Client& client, const auto& die) {
      auto token = client.CreateToken();
      SYSMEM_ASSERT_OK(token);
      auto child = token->DuplicateExported();
      SYSMEM_ASSERT_OK(child);
      die();
    });
    DieAfter([](sysmem::Client& client, const auto& die) {
      auto token = client.CreateToken();
      SYSMEM_ASSERT_OK(token);
      auto other = token->Duplicate();
      SYSMEM_ASSERT_OK(other);
      auto collection = std::move(*token).Bind();
      SYSMEM_ASSERT_OK(collection);
      SYSMEM_EXPECT_OK(collection->SetConstraints(WriterNeeds(kBuffers, 4096)));
      auto wait = collection->StartWait(Patience());
      SYSMEM_ASSERT_OK(wait);
      SYSMEM_EXPECT_OK(client.Roundtrip(Patience()));
      die();
    });
    DieAfter([](sysmem::Client& client, const auto& die) {
      auto token = client.CreateToken();
      SYSMEM_ASSERT_OK(token);
      auto joined = std::move(*token).Join(WriterNeeds(kBuffers, 1 << 20), Patience());
      SYSMEM_ASSERT_OK(joined);
      die();
    });
  }

  void LiveARound() {
    RunPipeline();
    JoinAndAllocate();
    DieInManyPlaces();
  }

  DaemonProcess& daemon() { return daemon_; }

 private:
  TempDir dir_;
  const std::string video_ = dir_.path() + "/video.y4m";
  DaemonProcess daemon_;
};

TEST_F(Soak, LeavesTheDaemonAsItWas) {
  ASSERT_TRUE(daemon().ready());
  Observer observer(daemon());
  for (int i = 0; i < kWarmUpRounds; ++i) LiveARound();  // what is made on first use is there
  observer.TakeBaseline();
  const uint64_t resident = daemon().process().ResidentBytes();
  const auto end = std::chrono::steady_clock::now() + Length();
  int rounds = 0;
  for (; std::chrono::steady_clock::now() < end && !HasFailure(); ++rounds) {
    LiveARound();
    observer.ExpectBackToBaseline();
  }
  const uint64_t resident_now = daemon().process().ResidentBytes();
  EXPECT_GT(rounds, 0);
  EXPECT_LT(resident_now, resident + kGrowthTolerance);
  std::cout << "soak: " << rounds << " pipelines, " << rounds * kJoinsARound << " joins, "
            << rounds * kAllocationsARound << " allocations, " << rounds * 3
            << " deaths; resident from " << (resident >> 10) << " to " << (resident_now >> 10)
            << " KiB, " << daemon().process().DescriptorCount() << " descriptors\n";
}

}  // namespace
}  // namespace sysmem::testing
