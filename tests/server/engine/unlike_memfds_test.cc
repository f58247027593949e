// SPDX-License-Identifier: Apache-2.0
//
// Heaps that tell of holders in other ways than memfds do, and what the engine makes of it. Method:
// the real heap of memfds, dressed as one of these.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/internals.h"
#include "tests/server/engine/engine_harness.h"
#include "tests/support/eventually.h"

namespace sysmem::server {
namespace {

using heaps::Access;
using heaps::HandedOut;
using heaps::Mark;
using sysmem::testing::Eventually;

constexpr Handle kOne = 1;

// --- Dresses ---

// All hand-outs are one: no marks, and everybody may write.
class OneForAll final : public heaps::Buffer {
 public:
  explicit OneForAll(std::unique_ptr<heaps::Buffer> real)
      : real_(std::move(real)), shared_(std::move(real_->HandOut(Access::kReadWrite)->fd)) {}

  absl::StatusOr<HandedOut> HandOut(Access) const override {
    return HandedOut{.fd = base::Dup(shared_)};
  }
  heaps::BufferIdentity identity() const override { return real_->identity(); }
  uint64_t size_bytes() const override { return real_->size_bytes(); }
  const std::string& name() const override { return real_->name(); }

 private:
  const std::unique_ptr<heaps::Buffer> real_;
  const base::UniqueFd shared_;
};

// A weak holder gets something that is known by another identity: here, a memfd of its own.
class OwnForWeak final : public heaps::Buffer {
 public:
  OwnForWeak(std::unique_ptr<heaps::Buffer> real, std::unique_ptr<heaps::Buffer> for_weak)
      : real_(std::move(real)), for_weak_(std::move(for_weak)) {}

  absl::StatusOr<HandedOut> HandOut(Access access) const override { return real_->HandOut(access); }
  absl::StatusOr<HandedOut> HandOutWeak(Access access) const override {
    absl::StatusOr<HandedOut> made = for_weak_->HandOut(access);
    if (made.ok()) made->identity = for_weak_->identity();
    return made;
  }
  bool MayLive(Mark mark) const override {
    return real_->MayLive(mark) || for_weak_->MayLive(mark);
  }
  bool IsHandOut(base::BorrowedFd fd, Mark mark) const override {
    return real_->IsHandOut(fd, mark) || for_weak_->IsHandOut(fd, mark);
  }
  bool IsOnlyOurs() const override { return real_->IsOnlyOurs() && for_weak_->IsOnlyOurs(); }
  heaps::BufferIdentity identity() const override { return real_->identity(); }
  uint64_t size_bytes() const override { return real_->size_bytes(); }
  const std::string& name() const override { return real_->name(); }

 private:
  const std::unique_ptr<heaps::Buffer> real_;
  const std::unique_ptr<heaps::Buffer> for_weak_;
};

template <typename Dress>
class DressedHeap final : public heaps::Heap {
 public:
  DressedHeap(std::shared_ptr<heaps::Heap> real, bool tells_holders_apart, Dress dress)
      : real_(std::move(real)), properties_(real_->properties()), dress_(std::move(dress)) {
    properties_.tells_holders_apart = tells_holders_apart;
  }
  const core::HeapProperties& properties() const override { return properties_; }
  absl::StatusOr<std::unique_ptr<heaps::Buffer>> Allocate(
      const heaps::AllocateRequest& request) override {
    return dress_(*real_, request);
  }

 private:
  const std::shared_ptr<heaps::Heap> real_;
  core::HeapProperties properties_;
  const Dress dress_;
};

template <typename Dress>
TestEngine::Heap DressAs(TestEngine::Heap real, bool tells_holders_apart, Dress dress) {
  return std::make_shared<DressedHeap<Dress>>(std::move(real), tells_holders_apart,
                                              std::move(dress));
}

TestEngine::Heap AllAlike(TestEngine::Heap real) {
  return DressAs(std::move(real), false,
                 [](heaps::Heap& heap, const heaps::AllocateRequest& request) {
                   return std::make_unique<OneForAll>(*heap.Allocate(request));
                 });
}

TestEngine::Heap ApartForWeak(TestEngine::Heap real) {
  return DressAs(
      std::move(real), true, [](heaps::Heap& heap, const heaps::AllocateRequest& request) {
        return std::make_unique<OwnForWeak>(*heap.Allocate(request), *heap.Allocate(request));
      });
}

// --- What a client does ---

std::vector<base::UniqueFd> BuffersOf(TestClient& client, Handle handle) {
  const OperationResult& result = client.Do(Wait(handle));
  std::vector<base::UniqueFd> all;
  EXPECT_OK(result);
  if (const auto* granted = std::get_if<GrantedBuffers>(&result)) {
    for (DescriptorNumber number : granted->descriptors) all.push_back(client.Take(number));
  }
  return all;
}

VmoInfoResult InfoOf(TestClient& client, const base::UniqueFd& vmo, bool need_weak) {
  op::GetVmoInfo ask;
  ask.vmo = client.Push(base::Dup(vmo));
  ask.need_weak = need_weak;
  const OperationResult& result = client.Do(std::move(ask));
  EXPECT_OK(result);
  const auto* info = std::get_if<VmoInfoResult>(&result);
  return info == nullptr ? VmoInfoResult{} : *info;
}

TEST(UnlikeMemfds, WhereHoldersCannotBeToldApartEverybodyIsStrong) {
  TestEngine engine(LimitsFor(1024), AllAlike);
  TestClient client(engine);
  MakeBuffers(client, kOne, 1);
  const auto buffers = BuffersOf(client, kOne);
  ASSERT_EQ(buffers.size(), 1u);
  const VmoInfoResult info = InfoOf(client, buffers[0], /*need_weak=*/false);
  EXPECT_NE(info.buffer_collection_id, 0u);
  EXPECT_EQ(info.close_weak_asap, 0u) << "there is nothing to close for a strong one";
}

TEST(UnlikeMemfds, AWeakHoldersOwnDescriptorIsKnownUntilItHasGone) {
  TestEngine engine(LimitsFor(1024), ApartForWeak);
  TestClient client(engine);
  MakeBuffers(client, kOne, 1);
  const auto buffers = BuffersOf(client, kOne);
  ASSERT_EQ(buffers.size(), 1u);
  const VmoInfoResult strong = InfoOf(client, buffers[0], /*need_weak=*/true);
  base::UniqueFd weak = client.Take(strong.weak_vmo);
  client.Take(strong.close_weak_asap);
  const auto own = *heaps::IdentityOf(weak);
  EXPECT_NE(own, *heaps::IdentityOf(buffers[0]));

  const VmoInfoResult same = InfoOf(client, weak, /*need_weak=*/false);
  EXPECT_EQ(same.buffer_collection_id, strong.buffer_collection_id);
  EXPECT_NE(same.close_weak_asap, 0u) << "it is weak";
  client.Take(same.close_weak_asap);

  weak.reset();
  client.Send({Release(kOne), op::CloseHandle{kOne}});
  const BufferLedger& ledger = *engine.engine().internals().ledger;
  EXPECT_TRUE(ledger.Find(*heaps::IdentityOf(buffers[0])));
  EXPECT_TRUE(Eventually([&] {
    client.Do(op::Ping{});
    return !ledger.Find(own);
  }));
}

}  // namespace
}  // namespace sysmem::server
