// SPDX-License-Identifier: Apache-2.0
//
// Providers whose memory is dma-bufs: a GPU's, say. The kernel's udmabuf stands for theirs.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "heaps/dma_buf.h"
#include "heaps/udmabuf_heap.h"
#include "server/internals.h"
#include "tests/server/engine/provider_harness.h"
#include "tests/support/eventually.h"
#include "tests/support/users.h"

namespace sysmem::server {
namespace {

using ::sysmem::testing::Eventually;

constexpr Handle kFirst = 1;
constexpr Handle kSecond = 2;
constexpr uid_t kStranger = 61'234;
constexpr char kUdmabuf[] = "/dev/udmabuf";

class DmaBufProviders : public ::testing::Test {
 protected:
  static const OperationResult& Serve(TestProvider& provider, bool need_clear = false) {
    const OperationResult& registered = provider.Register();
    if (!IsOk(registered)) return registered;
    return provider.client().Do(op::OnRegister{kRegistration, CpuMemory(need_clear), "", true});
  }

  TestEngine engine_;
  TestProvider provider_{engine_};
  TestClient client_{engine_};
};

TEST_F(DmaBufProviders, AreOfferedNothingAndMayGiveNothingElse) {
  ASSERT_OK(Serve(provider_));
  auto wait = WantBuffers(client_, kFirst, Provided());
  const TakenCall call = provider_.NextCall();
  EXPECT_FALSE(call.fd) << "nobody makes a dma-buf of a memfd that is offered";
  ASSERT_OK(provider_.Give(call.id, Memfd(kPage)));
  ExpectNoMemory(*wait, "another kind than a dma-buf: memfd");
}

TEST_F(DmaBufProviders, OfOtherUsersAreRefused_EXT_1) {
  if (!testing::IsRoot()) GTEST_SKIP() << "the daemon's own user is trusted";
  TestEngine engine(LimitsFor(1024), [](TestEngine::Heap heap) { return heap; }, {}, {kStranger});
  TestProvider provider(engine, kStranger);
  const OperationResult& refused = Serve(provider);
  const core::Failure* failure = AsFailure(refused);
  ASSERT_NE(failure, nullptr);
  EXPECT_EQ(failure->error, core::Error::kHandleAccessDenied);
  EXPECT_EQ(failure->field, "properties.gives_dma_bufs");
  ASSERT_OK(provider.SayProperties(CpuMemory())) << "memfds are another matter";
}

// Those that need the kernel's udmabuf.
class DmaBufsOfProviders : public DmaBufProviders {
 protected:
  void SetUp() override {
    base::UniqueFd node(::open(kUdmabuf, O_RDONLY | O_CLOEXEC));
    if (!node) {
      GTEST_SKIP() << ::testing::UnitTest::GetInstance()->current_test_info()->name()
                   << ": this process cannot open " << kUdmabuf;
    }
    auto heap = heaps::UdmabufHeap::Open(std::move(node), gate_, {});
    ASSERT_TRUE(heap.ok()) << heap.status();
    maker_ = *std::move(heap);
  }
  // With `first_byte` in it. What made it is gone; it lives by its descriptor alone.
  base::UniqueFd DmaBuf(uint64_t size_bytes = kPage, char first_byte = 0) {
    auto buffer = maker_->Allocate({.size_bytes = size_bytes, .name = "provided"});
    EXPECT_TRUE(buffer.ok()) << buffer.status();
    base::UniqueFd fd = std::move((*buffer)->HandOut(heaps::Access::kReadWrite)->fd);
    void* const memory = ::mmap(nullptr, kPage, PROT_WRITE, MAP_SHARED, fd.get(), 0);
    EXPECT_NE(memory, MAP_FAILED);
    *static_cast<char*>(memory) = first_byte;
    ::munmap(memory, kPage);
    return fd;
  }
  static char FirstByte(const base::UniqueFd& fd) {
    void* const memory = ::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, fd.get(), 0);
    EXPECT_NE(memory, MAP_FAILED);
    const char byte = *static_cast<const char*>(memory);
    ::munmap(memory, kPage);
    return byte;
  }

  heaps::ReservationGate gate_{
      5, [] { return base::AvailableMemory{.bytes = uint64_t{1} << 30, .bounded_by = "the test"}; },
      &std::chrono::steady_clock::now};
  std::unique_ptr<heaps::UdmabufHeap> maker_;
};

TEST_F(DmaBufsOfProviders, GoToClientsAndBackOnceNobodyHoldsThem_EXT_7) {
  ASSERT_OK(Serve(provider_));
  auto wait = WantBuffers(client_, kFirst, Provided());
  ASSERT_OK(provider_.Give(provider_.NextCall().id, DmaBuf(kPage, 'x')));
  base::UniqueFd held = FirstBuffer(client_, *wait);
  ASSERT_TRUE(held);
  EXPECT_EQ(FirstByte(held), 'x') << "the provider's memory itself";
  auto deletion = provider_.AskForCall();
  client_.Send({op::CloseHandle{kFirst}});
  ASSERT_OK(client_.Do(op::AllocateNonSharedCollection{kSecond}));
  EXPECT_FALSE(deletion->answered()) << "a descriptor is left";
  held.reset();
  const std::optional<TakenCall> back = provider_.Taken(*deletion);
  ASSERT_TRUE(back && back->is_deletion());
  EXPECT_EQ(heaps::DmaBufReferences(back->fd), 1u) << "the last one anywhere";
  ASSERT_OK(provider_.Say(back->id));
  const BufferLedger& ledger = *engine_.engine().internals().ledger;
  EXPECT_TRUE(Eventually([&] { return ledger.totals().buffers == 0; }));
}

TEST_F(DmaBufsOfProviders, AreClearedWhereTheySaySo_BUF_4) {
  ASSERT_OK(Serve(provider_, /*need_clear=*/true));
  auto wait = WantBuffers(client_, kFirst, Provided());
  ASSERT_OK(provider_.Give(provider_.NextCall().id, DmaBuf(kPage, 'x')));
  const base::UniqueFd held = FirstBuffer(client_, *wait);
  ASSERT_TRUE(held);
  EXPECT_EQ(FirstByte(held), 0);
}

TEST_F(DmaBufsOfProviders, OfAnotherSizeOrGivenTwiceAreFoundOut) {
  ASSERT_OK(Serve(provider_));
  auto wait = WantBuffers(client_, kFirst, Provided());
  ASSERT_OK(provider_.Give(provider_.NextCall().id, DmaBuf(2 * kPage)));
  ExpectNoMemory(*wait, "8192 bytes instead of 4096");
  EXPECT_TRUE(provider_.NextCall().is_deletion());

  wait = WantBuffers(client_, kSecond, Provided(2));
  const TakenCall first = provider_.NextCall();
  const TakenCall second = provider_.NextCall();
  const base::UniqueFd memory = DmaBuf();
  ASSERT_OK(provider_.Give(first.id, base::Dup(memory)));
  ASSERT_OK(provider_.Give(second.id, base::Dup(memory)));
  ExpectNoMemory(*wait, "the same memory twice");
  EXPECT_TRUE(provider_.NextCall().is_deletion());
  EXPECT_TRUE(provider_.NextCall().is_deletion());
}

TEST_F(DmaBufsOfProviders, AreKnownAsWhatTheyAreWhenTheyAreUsedAgain_VMO_2) {
  const BufferLedger& ledger = *engine_.engine().internals().ledger;
  ASSERT_OK(Serve(provider_));
  auto wait = WantBuffers(client_, kFirst, Provided(2));
  const std::array calls{provider_.NextCall().id, provider_.NextCall().id};
  for (const uint64_t call : calls) ASSERT_OK(provider_.Give(call, DmaBuf()));
  const GrantedBuffers* granted = Granted(*wait);
  ASSERT_NE(granted, nullptr);
  std::array held{client_.Take(granted->descriptors[0]), client_.Take(granted->descriptors[1])};
  client_.Send({op::CloseHandle{kFirst}});
  const auto give_back = [&](base::UniqueFd& buffer) {
    auto deletion = provider_.AskForCall();
    buffer.reset();
    std::optional<TakenCall> back = provider_.Taken(*deletion);
    EXPECT_TRUE(back && back->is_deletion());
    if (!back) return base::UniqueFd();
    EXPECT_OK(provider_.Say(back->id));
    return std::move(back->fd);
  };
  base::UniqueFd again = give_back(held[0]);
  wait = WantBuffers(client_, kSecond, Provided());
  ASSERT_OK(provider_.Give(provider_.NextCall().id, std::move(again)));
  const base::UniqueFd used = FirstBuffer(client_, *wait);
  ASSERT_TRUE(used);
  give_back(held[1]).reset();
  ASSERT_TRUE(Eventually([&] { return engine_.engine().internals().Collections().size() == 1; }));
  EXPECT_NE(ledger.Find(*heaps::IdentityOf(used)), nullptr);
}

TEST_F(DmaBufsOfProviders, AreRefusedFromHeapsThatPromisedMemfds) {
  provider_.Serve();
  auto wait = WantBuffers(client_, kFirst, Provided());
  ASSERT_OK(provider_.Give(provider_.NextCall().id, DmaBuf()));
  ExpectNoMemory(*wait, "another kind than a memfd: dma-buf");
}

}  // namespace
}  // namespace sysmem::server
