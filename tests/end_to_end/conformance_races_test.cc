// SPDX-License-Identifier: Apache-2.0
//
// Conformance: what must go well whoever comes first (FUZZ-1), and ends of the whole daemon
// (COL-13, COL-14).
#include <array>
#include <chrono>
#include <latch>
#include <random>
#include <thread>
#include <utility>

#include "tests/end_to_end/conformance_recipes.h"

namespace sysmem::testing {
namespace {

class Fuzz : public Conformance {};
class DaemonEnd : public Conformance {};

// NV12 in each of these colour spaces, an image entry for each.
sysmem::Constraints Nv12In(const std::vector<uint32_t>& color_spaces) {
  sysmem::Constraints constraints{
      .usage = sysmem::Usage{.cpu = kCpuReadWrite},
      .min_buffer_count_for_camping = 1,
      .memory = sysmem::MemoryConstraints{.min_size_bytes = kPage, .cpu_domain_supported = true}};
  for (uint32_t color_space : color_spaces) {
    constraints.image_formats.push_back(Image(SYSMEM_PIXEL_FORMAT_NV12, color_space));
  }
  return constraints;
}

// Asks for what cannot be, after two short pauses. Whether the answer was a domain error.
bool AskInVain(sysmem::Collection& collection, const sysmem::Constraints& constraints,
               std::array<std::chrono::microseconds, 2> pauses) {
  std::this_thread::sleep_for(pauses[0]);
  auto set = collection.SetConstraints(constraints);
  if (!set.ok()) {
    EXPECT_EQ(set.failure().status, sysmem::Status::kClosed) << set.failure().text;
  }
  std::this_thread::sleep_for(pauses[1]);
  const auto outcome = collection.Wait(Patience());
  EXPECT_TRUE(IsClosedOrIntersectionEmpty(Why(outcome)));
  return !outcome.ok() && outcome.failure().status == sysmem::Status::kError;
}

// Case FUZZ-1. The pauses are what the case is about: they vary who comes first.
TEST_F(Fuzz, OneFormatTwiceFailsForBothWhoeverComesFirst) {
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto pause = [&random] {
    return std::chrono::microseconds(std::uniform_int_distribution<int>(0, 49)(random));
  };
  int domain_errors = 0;
  for (int round = 0; round < 50 && domain_errors < 15; ++round) {
    sysmem::Token root = Root();
    sysmem::Token child = Dup(root);
    std::array<sysmem::Collection, 2> both = {Bind(std::move(root)), Bind(std::move(child))};
    SYSMEM_EXPECT_OK(both[0].SetName(1000000, "sysmem-test-v2-0"));
    SYSMEM_EXPECT_OK(both[1].SetName(1000000, "sysmem-test-v2-1"));
    const std::array wishes = {Nv12In({SYSMEM_COLOR_SPACE_REC601_NTSC, SYSMEM_COLOR_SPACE_REC709}),
                               Nv12In({SYSMEM_COLOR_SPACE_REC709})};
    std::array<bool, 2> is_domain_error{};
    std::latch start(2);
    std::array<std::thread, 2> threads;
    for (size_t i = 0; i < threads.size(); ++i) {
      threads[i] = std::thread([&, i, pauses = std::array{pause(), pause()}] {
        start.arrive_and_wait();
        is_domain_error[i] = AskInVain(both[i], wishes[i], pauses);
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (bool is : is_domain_error) domain_errors += is ? 1 : 0;
  }
}

// Case COL-13
TEST_F(DaemonEnd, MayComeWhileACollectionIsBeingMade) {
  auto collection = client().CreateNonSharedCollection();
  SYSMEM_ASSERT_OK(collection);
  SYSMEM_EXPECT_OK(client().Flush());
  daemon().Stop();
  SYSMEM_EXPECT_STATUS(client().Roundtrip(Patience()), sysmem::Status::kDisconnected);
}

// Case COL-14. A daemon under a leak checker that has leaked does not end in order.
TEST_F(DaemonEnd, LeavesNothingOfACollectionThatIsGone) {
  {
    auto collection = client().CreateNonSharedCollection();
    SYSMEM_ASSERT_OK(collection);
    SYSMEM_EXPECT_OK(collection->SetConstraints(sysmem::Constraints{
        .usage = sysmem::Usage{.cpu = SYSMEM_CPU_USAGE_READ},
        .min_buffer_count = 1,
        .memory =
            sysmem::MemoryConstraints{.min_size_bytes = kPage, .cpu_domain_supported = true}}));
    auto buffers = collection->Wait(Patience());
    SYSMEM_ASSERT_OK(buffers);
    EXPECT_EQ(buffers->count(), 1u);
  }
  daemon().Stop();
  SYSMEM_EXPECT_STATUS(client().Roundtrip(Patience()), sysmem::Status::kDisconnected);
}

}  // namespace
}  // namespace sysmem::testing
