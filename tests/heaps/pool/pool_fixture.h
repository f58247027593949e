// SPDX-License-Identifier: Apache-2.0
//
// A contiguous pool of 4 MiB, its complaints, and a clock that a test drives by hand.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "heaps/pool/contiguous_pool.h"

namespace sysmem::heaps {

inline constexpr uint64_t kPage = 4096;
inline constexpr uint64_t kMiB = 1 << 20;
inline constexpr int64_t kSecond = 1'000'000'000;

class PoolTest : public testing::Test {
 protected:
  struct Complaint {
    Severity severity;
    std::string text;
  };

  // Ready, without guards: what a test changes is what it is about.
  PoolOptions Options() {
    return {.name = "test-pool",
            .heap = {.type = "HEAP_TYPE.TEST_HEAP"},
            .size_bytes = 1024 * kPage,
            .guards = {.pages = 0, .unused = false},
            .clock = [this] { return now_; },
            .complain =
                [this](Severity severity, const std::string& text) {
                  complaints_.push_back({.severity = severity, .text = text});
                }};
  }
  void Start(PoolOptions options) {
    pool_.reset();
    absl::StatusOr<std::unique_ptr<ContiguousPool>> made =
        ContiguousPool::Create(gate_, std::move(options));
    ASSERT_TRUE(made.ok()) << made.status();
    pool_ = *std::move(made);
    next_ = pool_->Maintain(now_);
  }

  absl::StatusOr<std::unique_ptr<Buffer>> TryAllocate(uint64_t bytes, uint64_t alignment = 0,
                                                      std::string name = "") {
    return pool_->Allocate({.size_bytes = bytes,
                            .name = std::move(name),
                            .collection_id = 12,
                            .index = 24,
                            .physical_alignment = alignment});
  }
  std::unique_ptr<Buffer> Allocate(uint64_t bytes, uint64_t alignment = 0, std::string name = "") {
    absl::StatusOr<std::unique_ptr<Buffer>> buffer = TryAllocate(bytes, alignment, std::move(name));
    EXPECT_TRUE(buffer.ok()) << buffer.status();
    return buffer.ok() ? *std::move(buffer) : nullptr;
  }
  absl::Status Refusal(uint64_t bytes, uint64_t alignment = 0) {
    return TryAllocate(bytes, alignment).status();
  }
  uint64_t OffsetOf(const Buffer& buffer) {
    return buffer.physical_address().value_or(0) - Options().physical_base;
  }

  // Time passes, and the pool is called whenever it wants to be.
  void RunSeconds(int64_t seconds) {
    const int64_t end = now_ + seconds * kSecond;
    while (next_ <= end) {
      now_ = std::max(now_, next_);
      next_ = pool_->Maintain(now_);
    }
    now_ = end;
  }

  void WriteByte(uint64_t offset, uint8_t value = 0xee) { WriteBytes(offset, {value}); }
  void WriteBytes(uint64_t offset, const std::vector<uint8_t>& bytes) {
    const absl::Status written = pool_->WritePhysical(Options().physical_base + offset, bytes);
    EXPECT_TRUE(written.ok()) << written;
  }
  uint8_t ByteAt(uint64_t offset) {
    uint8_t byte = 0;
    const absl::Status read = pool_->memory().Read(offset, std::span(&byte, 1));
    EXPECT_TRUE(read.ok()) << read;
    return byte;
  }
  uint64_t Failures() const { return pool_->ReadFigures().failed_guard_region_checks; }

  uint64_t available_ = 256 * kMiB;
  ReservationGate gate_{
      5, [this] { return base::AvailableMemory{.bytes = available_, .bounded_by = "the test"}; },
      &std::chrono::steady_clock::now};
  int64_t now_ = 1000 * kSecond;
  int64_t next_ = kNever;
  std::vector<Complaint> complaints_;
  std::unique_ptr<ContiguousPool> pool_;
};

}  // namespace sysmem::heaps
