// SPDX-License-Identifier: Apache-2.0
//
// Method: the real kernel's heap "system"; a heap of another name is the same node under that name.
#include "heaps/dma_heap.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "base/process_info.h"
#include "gmock/gmock.h"
#include "tests/heaps/dma_nodes.h"

namespace sysmem::heaps {
namespace {

using base::UniqueFd;
using testing::HasSubstr;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kMiB = 1 << 20;

TEST(DmaHeapType, FollowsTheGrammar) {
  EXPECT_EQ(DmaHeapType("system"), "linux.sysmem.heap.HEAP_TYPE.DMA_HEAP_SYSTEM");
  EXPECT_EQ(DmaHeapType("linux,cma"), "linux.sysmem.heap.HEAP_TYPE.DMA_HEAP_LINUX_CMA");
  EXPECT_EQ(DmaHeapType("mtk_svp-1"), "linux.sysmem.heap.HEAP_TYPE.DMA_HEAP_MTK_SVP_1");
}

TEST(ContiguousDmaHeaps, AreThoseOfTheContiguousMemoryAllocatorByTheirName) {
  for (const char* name : {"linux,cma", "default_cma_region", "reserved", "vendor-cma", "CMA1_cma",
                           "cma_camera", "CMA"}) {
    EXPECT_TRUE(IsContiguousDmaHeap(name)) << name;
  }
  for (const char* name : {"system", "system-uncached", "cmalloc", "decma", "mtk_svp", ""}) {
    EXPECT_FALSE(IsContiguousDmaHeap(name)) << name;
  }
}

class DmaHeapTest : public testing::Test {
 protected:
  void SetUp() override {
    SYSMEM_NEEDS_NODE(kDmaHeapSystem);
    heap_ = Open("system");
    ASSERT_TRUE(heap_);
  }
  std::unique_ptr<DmaHeap> Open(const std::string& name) {
    auto heap = DmaHeap::Open(name, OpenNode(kDmaHeapSystem), gate_);
    EXPECT_TRUE(heap.ok()) << heap.status();
    return heap.ok() ? *std::move(heap) : nullptr;
  }
  absl::Status Refusal(const AllocateRequest& request) { return heap_->Allocate(request).status(); }
  static uint64_t Figure(const Heap& heap, const std::string& name) {
    for (const auto& figure : heap.figures()) {
      if (figure.name == name) return figure.value;
    }
    ADD_FAILURE() << "no figure " << name;
    return 0;
  }

  uint64_t available_ = 256 * kMiB;
  ReservationGate gate_{
      5, [this] { return base::AvailableMemory{.bytes = available_, .bounded_by = "the test"}; },
      &std::chrono::steady_clock::now};
  std::unique_ptr<DmaHeap> heap_;
};

class MappedDmaBuf {
 public:
  MappedDmaBuf(const UniqueFd& fd, uint64_t bytes)
      : bytes_(bytes),
        memory_(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0)) {
    EXPECT_NE(memory_, MAP_FAILED);
  }
  ~MappedDmaBuf() { ::munmap(memory_, bytes_); }
  MappedDmaBuf(const MappedDmaBuf&) = delete;
  MappedDmaBuf& operator=(const MappedDmaBuf&) = delete;
  volatile char* data() { return static_cast<volatile char*>(memory_); }
  std::string text() { return std::string(static_cast<char*>(memory_), bytes_); }

 private:
  const uint64_t bytes_;
  void* const memory_;
};

TEST_F(DmaHeapTest, SaysWhatItCan) {
  const core::HeapProperties& properties = heap_->properties();
  EXPECT_EQ(properties.heap.type, "linux.sysmem.heap.HEAP_TYPE.DMA_HEAP_SYSTEM");
  EXPECT_EQ(properties.heap.id, 0u);
  EXPECT_TRUE(properties.cpu_domain && properties.ram_domain && properties.inaccessible_domain);
  EXPECT_FALSE(properties.need_clear);
  EXPECT_FALSE(properties.tells_holders_apart || properties.reduces_rights);
  EXPECT_TRUE(properties.reports_end);
}

TEST_F(DmaHeapTest, MakesABufferFullOfZeroes) {
  auto buffer = heap_->Allocate({.size_bytes = 3 * kMiB + kPage, .name = "test:0"});
  ASSERT_TRUE(buffer.ok()) << buffer.status();
  MappedDmaBuf mapped((*buffer)->HandOut(Access::kReadOnly)->fd, 3 * kMiB + kPage);
  EXPECT_EQ(mapped.text().find_first_not_of('\0'), std::string::npos);
  EXPECT_EQ(Figure(*heap_, "cleared"), 0u) << "the kernel had cleared it";
}

TEST_F(DmaHeapTest, ClearsWhatAHeapGivesThatItDoesNotKnow) {
  const std::unique_ptr<DmaHeap> vendors = Open("vendor-pool");
  ASSERT_TRUE(vendors->Allocate({.size_bytes = kPage, .name = "test:0"}).ok());
  EXPECT_EQ(Figure(*vendors, "cleared"), 1u);
}

// Method: the child writes, the parent reads and answers, the child sees the answer.
TEST_F(DmaHeapTest, LetsTwoProcessesSeeEachOthersBytes) {
  auto buffer = heap_->Allocate({.size_bytes = 2 * kPage, .name = "test:0"});
  ASSERT_TRUE(buffer.ok()) << buffer.status();
  const UniqueFd for_child = std::move((*buffer)->HandOut(Access::kReadWrite)->fd);
  int to_child[2];
  int to_parent[2];
  ASSERT_EQ(::pipe(to_child), 0);
  ASSERT_EQ(::pipe(to_parent), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  char turn = 0;
  if (child == 0) {
    ::alarm(60);
    MappedDmaBuf mapped(for_child, 2 * kPage);
    mapped.data()[kPage] = 'c';
    (void)!::write(to_parent[1], &turn, 1);
    (void)!::read(to_child[0], &turn, 1);
    ::_exit(mapped.data()[0] == 'p' ? 0 : 1);
  }
  MappedDmaBuf mapped((*buffer)->HandOut(Access::kReadWrite)->fd, 2 * kPage);
  ASSERT_EQ(::read(to_parent[0], &turn, 1), 1);
  EXPECT_EQ(mapped.data()[kPage], 'c');
  mapped.data()[0] = 'p';
  ASSERT_EQ(::write(to_child[1], &turn, 1), 1);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  for (const int end : {to_child[0], to_child[1], to_parent[0], to_parent[1]}) ::close(end);
}

TEST_F(DmaHeapTest, RefusesWithTheFiguresBeforeTheKernelKills) {
  available_ = 10 * kMiB;
  const uint64_t before = base::OwnDescriptorCount().value_or(0);
  const absl::Status refused = Refusal({.size_bytes = 10 * kMiB, .name = "test:0"});
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("buffer \"test:0\" of 10485760 bytes: no memory for 10485760 bytes"));
  EXPECT_EQ(base::OwnDescriptorCount().value_or(0), before);
}

TEST_F(DmaHeapTest, AsksNobodyAboutMemoryThatWasSetAsideForIt) {
  const std::unique_ptr<DmaHeap> contiguous = Open("linux,cma");
  available_ = 0;
  EXPECT_TRUE(contiguous->Allocate({.size_bytes = kPage, .name = "test:0"}).ok());
  EXPECT_FALSE(Refusal({.size_bytes = kPage, .name = "test:0"}).ok());
}

TEST_F(DmaHeapTest, HandsTheReservationBackWhenTheKernelRefuses) {
  // The sanitizer's first look at this object takes descriptors, of which there are soon none.
  ASSERT_TRUE(gate_.ReadAvailable().ok());
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const absl::Status refused = Refusal({.size_bytes = 200 * kMiB, .name = "test:0"});
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("EMFILE"));
  EXPECT_TRUE(gate_.Reserve(200 * kMiB).ok());
}

TEST_F(DmaHeapTest, RefusesWhatItCannotPromise) {
  EXPECT_EQ(Refusal({.size_bytes = kPage + 1}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Refusal({.size_bytes = kPage, .physical_alignment = 2 * kPage}).code(),
            absl::StatusCode::kUnimplemented);
}

TEST_F(DmaHeapTest, KeepsOneDescriptorForEachBuffer) {
  const uint64_t before = base::OwnDescriptorCount().value_or(0);
  auto buffer = heap_->Allocate({.size_bytes = kPage, .name = "test:0"});
  EXPECT_EQ(base::OwnDescriptorCount().value_or(0), before + 1);
  buffer->reset();
  EXPECT_EQ(base::OwnDescriptorCount().value_or(0), before);
}

TEST_F(DmaHeapTest, LetsABufferOutliveItsHeap) {
  auto buffer = heap_->Allocate({.size_bytes = kPage, .name = "test:0"});
  heap_.reset();
  EXPECT_TRUE((*buffer)->HandOut(Access::kReadWrite).ok());
  EXPECT_TRUE((*buffer)->IsOnlyOurs());
}

}  // namespace
}  // namespace sysmem::heaps
