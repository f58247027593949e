// SPDX-License-Identifier: Apache-2.0
#include "server/pools.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "heaps/memfd_heap.h"
#include "server/heap_registry.h"

namespace sysmem::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr uint64_t kMiB = 1 << 20;
constexpr char kSecure[] = "test.HEAP_TYPE.SECURE";
constexpr char kOther[] = "test.HEAP_TYPE.SECURE_TOO";

// A daemon's heaps, on a machine with 100 MiB of memory of which so much is available.
class PoolsTest : public testing::Test {
 protected:
  absl::Status Add(const PoolSettings& settings) {
    options_ = {};
    options_.heaps = {std::make_shared<heaps::MemfdHeap>(gate_)};
    return AddPools(settings, 100 * kMiB, gate_, {}, options_);
  }
  HeapRegistry Registry() const {
    return HeapRegistry(options_.core, options_.heaps, options_.contiguous_ram);
  }
  static core::BufferMemorySettings SystemRam(bool contiguous) {
    return {.is_physically_contiguous = contiguous,
            .heap = {.type = core::kHeapSystemRam, .id = 0}};
  }
  static uint64_t SizeOf(const heaps::Heap& heap) {
    for (const heaps::Figure& figure : heap.figures()) {
      if (figure.name == "size") return figure.value;
    }
    return 0;
  }

  uint64_t available_ = 50 * kMiB;
  heaps::ReservationGate gate_{
      0, [this] { return base::AvailableMemory{.bytes = available_, .bounded_by = "the test"}; },
      &std::chrono::steady_clock::now};
  EngineOptions options_;
};

TEST_F(PoolsTest, OffersNoneUnlessAsked) {
  ASSERT_TRUE(Add({}).ok());
  EXPECT_EQ(options_.contiguous_ram, nullptr);
  EXPECT_THAT(options_.core.secure_heaps, IsEmpty());
  EXPECT_THAT(options_.unusable_heaps, IsEmpty());
  EXPECT_NE(Registry().settings()->heaps.at(0).physically_contiguous, true);
}

TEST_F(PoolsTest, LeavesWhatIsNotContiguousToTheOtherHeap) {  // HEAP-4
  ASSERT_TRUE(Add({.contiguous = -5}).ok());
  const HeapRegistry registry = Registry();
  ASSERT_THAT(registry.settings()->heaps, SizeIs(1));
  EXPECT_EQ(registry.settings()->heaps.front().physically_contiguous, true);
  EXPECT_EQ(registry.AllocatorFor(SystemRam(true)), options_.contiguous_ram);
  EXPECT_EQ(SizeOf(*options_.contiguous_ram), 5 * kMiB);
  EXPECT_EQ(registry.AllocatorFor(SystemRam(false)), options_.heaps.front());
  EXPECT_EQ(registry.Find({core::kHeapSystemRam, 0}), options_.heaps.front());
  EXPECT_THAT(registry.Entries(), SizeIs(2));
}

TEST_F(PoolsTest, SimulatesSecureHeapsThatLieApart) {
  ASSERT_TRUE(Add({.protected_memory = 100'000, .simulated_secure_heaps = {kSecure, kOther}}).ok());
  EXPECT_THAT(options_.core.secure_heaps,
              ElementsAre(core::Heap{kSecure, 0}, core::Heap{kOther, 0}));
  ASSERT_THAT(options_.heaps, SizeIs(3));
  EXPECT_EQ(SizeOf(*options_.heaps[1]), 2 * heaps::kProtectedPoolUnitBytes);
  auto one = options_.heaps[1]->Allocate({.size_bytes = 4096});
  auto other = options_.heaps[2]->Allocate({.size_bytes = 4096});
  ASSERT_TRUE(one.ok() && other.ok());
  EXPECT_NE((*one)->physical_address(), (*other)->physical_address());
}

TEST_F(PoolsTest, SaysWhichSecureHeapsHaveNoMemory) {
  ASSERT_TRUE(Add({.simulated_secure_heaps = {kSecure}}).ok());
  EXPECT_THAT(options_.heaps, SizeIs(1));
  EXPECT_THAT(options_.core.secure_heaps, IsEmpty());
  ASSERT_THAT(options_.unusable_heaps, SizeIs(1));
  EXPECT_EQ(options_.unusable_heaps.back().properties.heap.type, kSecure);
  EXPECT_THAT(options_.unusable_heaps.back().remedy, HasSubstr("pools.protected"));
}

TEST_F(PoolsTest, NamesTheSettingOfAPoolThatCannotBe) {
  EXPECT_THAT(std::string(Add({.contiguous = 4096}).message()),
              StartsWith("pools.contiguous: pool \"SysmemContiguousPool\": size_bytes 4096"));
  EXPECT_THAT(std::string(Add({.contiguous = INT64_MAX}).message()),
              StartsWith("pools.contiguous: "));
  EXPECT_THAT(
      std::string(
          Add({.protected_memory = INT64_MAX, .simulated_secure_heaps = {kSecure}}).message()),
      StartsWith("pools.protected: "));
}

TEST_F(PoolsTest, FailsWhereGuardsAndPatternFindNoMemory) {
  available_ = 4096;
  EXPECT_EQ(Add({.contiguous = -50}).code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace sysmem::server
