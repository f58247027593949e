// SPDX-License-Identifier: Apache-2.0
//
// Nothing that one client wrote ever reaches another.
//
// Method: each buffer is all zeroes when it is handed out, and then gets a word of its own, the
// canary, in every place. Thousands of buffers of the sizes that the warm pool keeps come and go
// like that; one that was not fresh would show a canary, or a file that was there before. An
// adversary keeps what it was handed in every way there is, and goes on writing.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "heaps/memfd_heap.h"
#include "tests/support/patience.h"

namespace sysmem::heaps {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kFrame = 760 * kPage;  // 1080p in NV12

// What a client has mapped. Moves, and unmaps at its end.
class Mapping {
 public:
  Mapping(const base::UniqueFd& fd, uint64_t bytes) : bytes_(bytes) {
    void* const memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd.get(), 0);
    if (memory != MAP_FAILED) words_ = static_cast<uint64_t*>(memory);
    EXPECT_NE(words_, nullptr);
  }
  Mapping(Mapping&& other) noexcept
      : words_(std::exchange(other.words_, nullptr)), bytes_(other.bytes_) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() {
    if (words_ != nullptr) ::munmap(words_, bytes_);
  }

  void Fill(uint64_t word) { std::fill_n(words_, bytes_ / sizeof(word), word); }
  // Every word is this one.
  bool Holds(uint64_t word) const {
    return words_[0] == word && std::memcmp(words_, words_ + 1, bytes_ - sizeof(word)) == 0;
  }
  // Every word is this one or zero.
  bool HoldsNothingBut(uint64_t word) const {
    return std::all_of(words_, words_ + bytes_ / sizeof(word),
                       [word](uint64_t one) { return one == word || one == 0; });
  }

 private:
  uint64_t* words_ = nullptr;
  uint64_t bytes_;
};

struct HeldBuffer {
  std::unique_ptr<Buffer> buffer;
  base::UniqueFd fd;
};

class CanaryTest : public ::testing::Test {
 protected:
  // A buffer as a client gets it. The test has ended if there is none.
  HeldBuffer Allocate(uint64_t bytes) {
    absl::StatusOr<std::unique_ptr<Buffer>> buffer =
        heap_.Allocate({.size_bytes = bytes, .name = "canary:0"});
    EXPECT_TRUE(buffer.ok()) << buffer.status();
    absl::StatusOr<HandedOut> handed_out = (*buffer)->HandOut(Access::kReadWrite);
    EXPECT_TRUE(handed_out.ok()) << handed_out.status();
    const absl::StatusOr<BufferIdentity> seen = IdentityOf(handed_out->fd);
    EXPECT_TRUE(seen.ok() && seen_.insert(*seen).second) << "handed out before";
    return {.buffer = *std::move(buffer), .fd = std::move(handed_out->fd)};
  }
  void FillPool() {
    ASSERT_TRUE(
        heap_.warm_pool().WaitUntilFull(std::chrono::steady_clock::now() + testing::kPatience));
  }
  uint64_t NextCanary() { return 0xCA11AB1E00000000 | ++canaries_; }

  ReservationGate gate_;
  // Also on a small machine it is to keep a set of frames.
  MemfdHeap heap_{gate_,
                  {.warm_pool = {.available_divisor = 8, .window = std::chrono::hours(1)},
                   .spare_descriptors = 64}};
  std::set<BufferIdentity> seen_;
  uint64_t canaries_ = 0;
};

struct Load {
  uint64_t bytes;
  int rounds;  // of five buffers each
};
constexpr Load kLoads[] = {{kPage, 400}, {16 * kPage, 150}, {64 * kPage, 60}, {kFrame, 15}};
constexpr int kSet = 5;

TEST_F(CanaryTest, NoByteOfOneBufferIsEverSeenInAnother) {
  for (const Load& load : kLoads) {
    const uint64_t hits_before = heap_.warm_pool().kept().hits;
    for (int round = 0; round < load.rounds; ++round) {
      FillPool();
      std::vector<HeldBuffer> held;
      for (int i = 0; i < kSet; ++i) held.push_back(Allocate(load.bytes));
      for (const HeldBuffer& one : held) {
        Mapping memory(one.fd, load.bytes);
        ASSERT_TRUE(memory.Holds(0)) << load.bytes << " bytes, round " << round;
        memory.Fill(NextCanary());
      }
    }
    const uint64_t all = static_cast<uint64_t>(load.rounds) * kSet;
    EXPECT_GT(heap_.warm_pool().kept().hits - hits_before, all / 2)
        << "most are to come from the pool; " << load.bytes << " bytes";
  }
}

// What the adversary still has of one buffer after everybody else has let go of it.
struct Loot {
  uint64_t canary;
  Mapping mapping;
  base::UniqueFd fd;
  base::UniqueFd pipe;  // holds one page of it, by reference
};

Loot Plunder(HeldBuffer held, uint64_t bytes, uint64_t canary) {
  Mapping mapping(held.fd, bytes);
  EXPECT_TRUE(mapping.Holds(0));
  mapping.Fill(canary);
  std::array<int, 2> ends{-1, -1};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
  const base::UniqueFd writer(ends[1]);
  off_t offset = 0;
  EXPECT_EQ(::splice(held.fd.get(), &offset, writer.get(), nullptr, kPage, 0),
            static_cast<ssize_t>(kPage));
  // As the daemon ends the life of a buffer.
  held.buffer->StopOpeningAhead();
  held.buffer->Discard();
  return {.canary = canary,
          .mapping = std::move(mapping),
          .fd = std::move(held.fd),
          .pipe = base::UniqueFd(ends[0])};
}

// The page in the pipe, as it is now.
bool PipeHoldsNothingBut(const Loot& loot) {
  std::array<uint64_t, kPage / sizeof(uint64_t)> words{};
  if (::read(loot.pipe.get(), words.data(), kPage) != static_cast<ssize_t>(kPage)) return false;
  return std::all_of(words.begin(), words.end(),
                     [&](uint64_t word) { return word == loot.canary || word == 0; });
}

TEST_F(CanaryTest, AnAdversaryThatKeepsItsBuffersReachesNobodyElses) {
  constexpr uint64_t kBytes = 16 * kPage;
  constexpr int kLooted = 60;
  std::vector<Loot> loot;
  for (int i = 0; i < kLooted; ++i) {
    if (i % kSet == 0) FillPool();
    const uint64_t canary = NextCanary();
    loot.push_back(Plunder(Allocate(kBytes), kBytes, canary));
  }
  // It goes on writing through all it has, while others allocate.
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> passes = 0;
  std::thread adversary([&] {
    for (; !stop; ++passes) {
      for (Loot& one : loot) one.mapping.Fill(one.canary);
    }
  });
  std::vector<HeldBuffer> victims;
  for (int round = 0; round < 20; ++round) {
    FillPool();
    for (int i = 0; i < kSet; ++i) victims.push_back(Allocate(kBytes));
  }
  std::vector<Mapping> memories;
  for (const HeldBuffer& victim : victims) memories.emplace_back(victim.fd, kBytes);
  for (const uint64_t passed = passes; passes < passed + 2;) std::this_thread::yield();
  for (const Mapping& memory : memories) ASSERT_TRUE(memory.Holds(0));
  const uint64_t secret = NextCanary();
  for (Mapping& memory : memories) memory.Fill(secret);
  for (const uint64_t passed = passes; passes < passed + 2;) std::this_thread::yield();
  stop = true;
  adversary.join();
  for (const Mapping& memory : memories) EXPECT_TRUE(memory.Holds(secret)) << "overwritten";
  for (const Loot& one : loot) {
    EXPECT_TRUE(one.mapping.HoldsNothingBut(one.canary)) << "saw somebody else's";
    EXPECT_TRUE(PipeHoldsNothingBut(one)) << "saw somebody else's through a pipe";
  }
  EXPECT_GT(heap_.warm_pool().kept().hits, 0u);
}

}  // namespace
}  // namespace sysmem::heaps
