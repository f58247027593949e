// SPDX-License-Identifier: Apache-2.0
//
// Method: the real kernel's /dev/udmabuf. What a holder can do is done through what was handed out.
#include "heaps/udmabuf_heap.h"

#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "base/process_info.h"
#include "gmock/gmock.h"
#include "heaps/dma_buf.h"
#include "tests/heaps/dma_nodes.h"
#include "tests/support/eventually.h"
#include "tests/support/holding.h"

namespace sysmem::heaps {
namespace {

using base::UniqueFd;
using sysmem::testing::Eventually;
using sysmem::testing::kWaysToHold;
using sysmem::testing::LetGo;
using sysmem::testing::WayToHold;
using ::testing::HasSubstr;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kMiB = 1 << 20;

// One byte of the memory, through a descriptor.
class OneByte {
 public:
  explicit OneByte(const UniqueFd& fd)
      : memory_(::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0)) {
    EXPECT_NE(memory_, MAP_FAILED);
  }
  ~OneByte() { ::munmap(memory_, kPage); }
  OneByte(const OneByte&) = delete;
  OneByte& operator=(const OneByte&) = delete;
  volatile char& operator*() { return *static_cast<volatile char*>(memory_); }

 private:
  void* const memory_;
};

class UdmabufHeapTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SYSMEM_NEEDS_NODE(kUdmabuf);
    heap_ = Open();
    ASSERT_TRUE(heap_);
    buffer_ = Allocate(*heap_);
    ASSERT_TRUE(buffer_);
  }
  std::unique_ptr<UdmabufHeap> Open(UdmabufHeapOptions options = {}) {
    auto heap = UdmabufHeap::Open(OpenNode(kUdmabuf), gate_, std::move(options));
    EXPECT_TRUE(heap.ok()) << heap.status();
    return heap.ok() ? *std::move(heap) : nullptr;
  }
  static std::unique_ptr<Buffer> Allocate(Heap& heap, uint64_t size_bytes = kPage) {
    auto buffer = heap.Allocate({.size_bytes = size_bytes, .name = "test:0"});
    EXPECT_TRUE(buffer.ok()) << buffer.status();
    return buffer.ok() ? *std::move(buffer) : nullptr;
  }
  HandedOut HandOut() const { return *buffer_->HandOut(Access::kReadWrite); }
  HandedOut HandOutWeak() const { return *buffer_->HandOutWeak(Access::kReadWrite); }

  uint64_t available_ = 512 * kMiB;
  ReservationGate gate_{
      5, [this] { return base::AvailableMemory{.bytes = available_, .bounded_by = "the test"}; },
      &std::chrono::steady_clock::now};
  std::unique_ptr<UdmabufHeap> heap_;
  std::unique_ptr<Buffer> buffer_;
};

TEST_F(UdmabufHeapTest, SaysWhatItCan) {
  const core::HeapProperties& properties = heap_->properties();
  EXPECT_EQ(properties.heap.type, "linux.sysmem.heap.HEAP_TYPE.UDMABUF");
  EXPECT_TRUE(properties.cpu_domain && properties.ram_domain && properties.inaccessible_domain);
  EXPECT_FALSE(properties.need_clear || properties.reduces_rights);
  EXPECT_TRUE(properties.tells_holders_apart && properties.reports_end);
}

TEST_F(UdmabufHeapTest, MakesADmaBufOfTheSizeAskedForFullOfZeroes) {
  const std::unique_ptr<Buffer> buffer = Allocate(*heap_, 3 * kPage);
  const HandedOut hand_out = *buffer->HandOut(Access::kReadWrite);
  EXPECT_EQ(DmaBufReferences(hand_out.fd), 2u);
  ASSERT_EQ(::lseek(hand_out.fd.get(), 0, SEEK_END), static_cast<off_t>(3 * kPage));
  void* const memory = ::mmap(nullptr, 3 * kPage, PROT_READ, MAP_SHARED, hand_out.fd.get(), 0);
  ASSERT_NE(memory, MAP_FAILED);
  EXPECT_THAT(std::string(static_cast<char*>(memory), 3 * kPage), ::testing::Each('\0'));
  ::munmap(memory, 3 * kPage);
}

TEST_F(UdmabufHeapTest, IsTheSameMemoryForWeakAndStrongHolders) {
  const HandedOut strong = HandOut();
  const HandedOut weak = HandOutWeak();
  OneByte theirs(strong.fd);
  OneByte ours(weak.fd);
  *theirs = 'a';
  EXPECT_EQ(*ours, 'a');
  *ours = 'b';
  EXPECT_EQ(*theirs, 'b');
}

TEST_F(UdmabufHeapTest, IsOneDmaBufToAllStrongHoldersAndDevices) {
  const HandedOut first = HandOut();
  const HandedOut second = HandOut();
  EXPECT_EQ(*IdentityOf(first.fd), buffer_->identity());
  EXPECT_EQ(*IdentityOf(second.fd), buffer_->identity());
  EXPECT_FALSE(first.identity || second.identity);
}

TEST_F(UdmabufHeapTest, SaysWhatAWeakHoldersDescriptorIsKnownBy) {
  const HandedOut weak = HandOutWeak();
  ASSERT_TRUE(weak.identity);
  EXPECT_EQ(*IdentityOf(weak.fd), *weak.identity);
  EXPECT_NE(*weak.identity, buffer_->identity());
}

TEST_F(UdmabufHeapTest, KnowsAHandOutByAnyOfItsDescriptors) {
  const HandedOut strong = HandOut();
  const HandedOut weak = HandOutWeak();
  const HandedOut other = HandOutWeak();
  EXPECT_TRUE(buffer_->IsHandOut(base::Dup(strong.fd), strong.mark));
  EXPECT_TRUE(buffer_->IsHandOut(base::Dup(weak.fd), weak.mark));
  EXPECT_FALSE(buffer_->IsHandOut(weak.fd, strong.mark));
  EXPECT_FALSE(buffer_->IsHandOut(weak.fd, other.mark));
  EXPECT_FALSE(buffer_->IsHandOut(strong.fd, weak.mark));
  EXPECT_FALSE(buffer_->IsHandOut(Allocate(*heap_)->HandOut(Access::kReadWrite)->fd, strong.mark));
}

TEST_F(UdmabufHeapTest, GivesDescriptorsBackWithTheWeakHoldersThatWereSeenToGo) {
  const uint64_t before = base::OwnDescriptorCount().value_or(0);
  HandedOut weak = HandOutWeak();
  EXPECT_EQ(base::OwnDescriptorCount().value_or(0), before + 2);
  weak.fd.reset();
  EXPECT_FALSE(buffer_->MayLive(weak.mark));
  EXPECT_EQ(base::OwnDescriptorCount().value_or(0), before);
  EXPECT_FALSE(buffer_->MayLive(weak.mark)) << "and it stays so";
}

TEST_F(UdmabufHeapTest, GivesWeakHoldersWhatTheStrongOnesHaveWhenDescriptorsAreShort) {
  const std::unique_ptr<UdmabufHeap> poor = Open({.further_descriptors = 2});
  buffer_ = Allocate(*poor);
  const HandedOut own = HandOutWeak();
  HandedOut shared = HandOutWeak();
  EXPECT_TRUE(own.identity);
  EXPECT_EQ(*IdentityOf(shared.fd), buffer_->identity());
  EXPECT_TRUE(buffer_->MayLive(shared.mark));
  shared.fd.reset();
  EXPECT_FALSE(buffer_->MayLive(shared.mark));
  EXPECT_TRUE(buffer_->MayLive(own.mark));
}

TEST_F(UdmabufHeapTest, RefusesBuffersBeyondItsDescriptors) {
  const std::unique_ptr<UdmabufHeap> poor = Open({.further_descriptors = 1});
  const std::unique_ptr<Buffer> only = Allocate(*poor);
  const absl::Status refused = poor->Allocate({.size_bytes = kPage, .name = "test:1"}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("the 1 descriptors for memfds"));
}

TEST_F(UdmabufHeapTest, NamesTheLimitOfTheModuleThatForbidsABuffer) {
  constexpr char kLimit[] = "/sys/module/udmabuf/parameters/size_limit_mb";
  uint64_t limit_mib = 0;
  std::ifstream(kLimit) >> limit_mib;
  ASSERT_GT(limit_mib, 0u);
  const absl::Status refused =
      heap_->Allocate({.size_bytes = (limit_mib << 20) + kPage, .name = "test:0"}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("udmabuf makes no buffer of more than " + std::to_string(limit_mib) +
                        " MiB (limit " + kLimit + ")"));
  EXPECT_TRUE(Allocate(*heap_, limit_mib << 20)) << "the limit itself is allowed";
}

TEST_F(UdmabufHeapTest, RefusesWithTheFiguresBeforeTheKernelKills) {
  available_ = 50 * kMiB;
  const absl::Status refused =
      heap_->Allocate({.size_bytes = 50 * kMiB, .name = "test:0"}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("no memory for 52428800 bytes"));
}

TEST_F(UdmabufHeapTest, FreesThePagesWhenItIsDiscarded) {
  const HandedOut hand_out = HandOut();
  OneByte before(hand_out.fd);
  *before = 'x';
  buffer_->Discard();
  OneByte after(HandOutWeak().fd);  // a dma-buf made anew of what is left
  EXPECT_EQ(*after, '\0');
}

TEST_F(UdmabufHeapTest, LetsABufferOutliveItsHeap) {
  heap_.reset();
  EXPECT_TRUE(buffer_->HandOut(Access::kReadWrite).ok());
  EXPECT_TRUE(buffer_->HandOutWeak(Access::kReadWrite).ok());
  EXPECT_TRUE(buffer_->IsOnlyOurs());
}

// --- Each way of holding ---

class EachWayOfHoldingAUdmabuf : public UdmabufHeapTest,
                                 public ::testing::WithParamInterface<WayToHold> {};

INSTANTIATE_TEST_SUITE_P(, EachWayOfHoldingAUdmabuf, ::testing::ValuesIn(kWaysToHold),
                         [](const auto& tried) { return tried.param.name; });

TEST_P(EachWayOfHoldingAUdmabuf, KeepsTheStrongAliveApartFromTheWeak) {
  HandedOut weak = HandOutWeak();
  HandedOut strong = HandOut();
  const LetGo let_go = GetParam().hold(std::move(strong.fd));
  weak.fd.reset();
  EXPECT_FALSE(buffer_->MayLive(weak.mark));
  EXPECT_TRUE(buffer_->MayLive(strong.mark));
  EXPECT_FALSE(buffer_->IsOnlyOurs());
  let_go();
  EXPECT_TRUE(Eventually([&] { return !buffer_->MayLive(strong.mark); }));
  EXPECT_TRUE(Eventually([&] { return buffer_->IsOnlyOurs(); }));
}

TEST_P(EachWayOfHoldingAUdmabuf, KeepsTheWeakAliveApartFromTheStrongAndFromEachOther) {
  HandedOut strong = HandOut();
  HandedOut other = HandOutWeak();
  HandedOut weak = HandOutWeak();
  const LetGo let_go = GetParam().hold(std::move(weak.fd));
  strong.fd.reset();
  other.fd.reset();
  EXPECT_TRUE(Eventually([&] { return !buffer_->MayLive(strong.mark); }));
  EXPECT_FALSE(buffer_->MayLive(other.mark));
  EXPECT_TRUE(buffer_->MayLive(weak.mark));
  EXPECT_FALSE(buffer_->IsOnlyOurs());
  let_go();
  EXPECT_TRUE(Eventually([&] { return !buffer_->MayLive(weak.mark); }));
  EXPECT_TRUE(Eventually([&] { return buffer_->IsOnlyOurs(); }));
}

}  // namespace
}  // namespace sysmem::heaps
