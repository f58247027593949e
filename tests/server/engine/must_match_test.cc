// SPDX-License-Identifier: Apache-2.0
//
// must_match_vmo through sessions: which descriptor stands for which buffers (PART-3, VMO-2), and
// what becomes of a descriptor that stands for none.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "base/reopen.h"
#include "base/unix_socket.h"
#include "gtest/gtest.h"
#include "server/internals.h"
#include "tests/server/engine/engine_harness.h"
#include "tests/support/eventually.h"

namespace sysmem::server {
namespace {

using core::Error;

constexpr Handle kOld = 1;
constexpr Handle kNew = 2;

core::Constraints AtLeast(uint64_t bytes) { return CpuConstraints(1, bytes); }

AnyOperation SetConstraintsMatching(Handle handle, core::Constraints constraints,
                                    std::optional<DescriptorNumber> buffer) {
  return Message<core::event::SetConstraints>(handle, {0, 0, std::move(constraints)}, buffer,
                                              core::NodeKind::kCollection);
}

// The first buffer of a collection that was made under this handle.
base::UniqueFd Allocate(TestClient& client, Handle handle, const core::Constraints& constraints) {
  EXPECT_OK(client.Do(op::AllocateNonSharedCollection{handle}));
  EXPECT_OK(client.Do(SetConstraints(handle, constraints)));
  const OperationResult& result = client.Do(Wait(handle));
  const auto* granted = std::get_if<GrantedBuffers>(&result);
  if (granted == nullptr || granted->descriptors.empty()) {
    ADD_FAILURE() << "no buffers";
    return {};
  }
  base::UniqueFd first = client.Take(granted->descriptors.front());
  for (size_t i = 1; i < granted->descriptors.size(); ++i) client.Take(granted->descriptors[i]);
  return first;
}

// The size of a buffer of a new collection that matches `buffer`; 0 if there is none.
uint64_t SizeWhenMatching(TestClient& client, base::UniqueFd buffer,
                          const core::Constraints& constraints = AtLeast(1)) {
  EXPECT_OK(client.Do(op::AllocateNonSharedCollection{kNew}));
  client.Do(SetConstraintsMatching(kNew, constraints, client.Push(std::move(buffer))));
  const OperationResult& result = client.Do(Wait(kNew));
  client.Do(op::CloseHandle{kNew});
  const auto* granted = std::get_if<GrantedBuffers>(&result);
  if (granted == nullptr) return 0;
  for (const DescriptorNumber number : granted->descriptors) client.Take(number);
  return granted->plan.settings.buffer.size_bytes;
}

bool HangsUp(const base::UniqueFd& fd) {
  pollfd poller{fd.get(), 0, 0};
  return ::poll(&poller, 1, static_cast<int>(kPatience.count()) * 1000) == 1 &&
         (poller.revents & POLLHUP) != 0;
}

TEST(MustMatch, FollowsTheBufferWhoseDescriptorIsSent) {
  TestEngine engine;
  TestClient client(engine);
  const base::UniqueFd buffer = Allocate(client, kOld, AtLeast(12000));
  EXPECT_EQ(SizeWhenMatching(client, base::Dup(buffer)), 12000u);
  EXPECT_EQ(SizeWhenMatching(client, *base::Reopen(buffer, O_RDONLY)), 12000u)
      << "the memory counts, not the descriptor";
  EXPECT_EQ(SizeWhenMatching(client, base::Dup(buffer), AtLeast(12001)), 0u);
}

TEST(MustMatch, KnowsTheBuffersOfOtherSessionsAndUsers) {
  TestEngine engine;
  TestClient maker(engine, 1000);
  TestClient user(engine, 1001);
  const base::UniqueFd buffer = Allocate(maker, kOld, AtLeast(12000));
  EXPECT_EQ(SizeWhenMatching(user, base::Dup(buffer)), 12000u);
}

TEST(MustMatch, KnowsWhatReadersGet) {
  TestEngine engine;
  TestClient client(engine);
  core::Constraints reader = AtLeast(12000);
  reader.usage->cpu = core::kCpuUsageRead;
  EXPECT_EQ(SizeWhenMatching(client, Allocate(client, kOld, reader)), 12000u);
}

TEST(MustMatch, KnowsBuffersWhoseCollectionIsOver_PART_3) {
  TestEngine engine;
  TestClient client(engine);
  base::UniqueFd released = Allocate(client, kOld, AtLeast(12000));
  ASSERT_OK(client.Do(Release(kOld)));
  ASSERT_OK(client.Do(op::CloseHandle{kOld}));
  EXPECT_EQ(SizeWhenMatching(client, std::move(released)), 12000u);
  base::UniqueFd failed = Allocate(client, kOld, AtLeast(16000));
  ASSERT_OK(client.Do(op::CloseHandle{kOld}));
  EXPECT_EQ(SizeWhenMatching(client, std::move(failed)), 16000u);
}

TEST(MustMatch, ForgetsBuffersThatNobodyHasAnyMore) {
  TestEngine engine;
  TestClient client(engine);
  const BufferLedger& ledger = *engine.engine().internals().ledger;
  base::UniqueFd buffer = Allocate(client, kOld, AtLeast(8000));
  const auto identity = heaps::IdentityOf(buffer);
  ASSERT_TRUE(identity.ok()) << identity.status();
  ASSERT_OK(client.Do(op::CloseHandle{kOld}));
  EXPECT_EQ(SizeWhenMatching(client, base::Dup(buffer)), 8000u);
  buffer.reset();
  EXPECT_TRUE(testing::Eventually([&] { return ledger.Find(*identity) == nullptr; }));
  EXPECT_TRUE(testing::Eventually([&] { return ledger.descriptors() == 0; }));
}

// What is sent instead of a buffer, and what the answer says of it.
struct NoBuffer {
  const char* what;
  base::UniqueFd fd;
  std::string words;
};

TEST(MustMatch, WithAnythingElseFailsTheNodeByTheFieldAndHarmsNobodyElse_2_7) {
  TestEngine engine;
  TestClient client(engine);
  const base::UniqueFd buffer = Allocate(client, kOld, AtLeast(4096));
  int pipe_ends[2] = {-1, -1};
  ASSERT_EQ(::pipe2(pipe_ends, O_CLOEXEC), 0);
  const base::UniqueFd pipe_read(pipe_ends[0]);
  auto pair = base::SocketPair(SOCK_SEQPACKET);
  ASSERT_TRUE(pair.ok());
  // As large as the buffer, and called like it.
  base::UniqueFd memfd(::memfd_create("sysmem-pool", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(memfd.get(), 4096), 0);
  NoBuffer cases[] = {{"a pipe", base::UniqueFd(pipe_ends[1]), "a pipe"},
                      {"a socket", std::move(pair->first), "a unix socket"},
                      {"a memfd of its own", std::move(memfd), "a memfd that was made elsewhere"}};
  for (NoBuffer& each : cases) {
    SCOPED_TRACE(each.what);
    ASSERT_OK(client.Do(op::AllocateNonSharedCollection{kNew}));
    const DescriptorNumber number = client.Push(std::move(each.fd));
    const OperationResult& result = client.Do(SetConstraintsMatching(kNew, AtLeast(1), number));
    const core::Failure* failure = AsFailure(result);
    ASSERT_NE(failure, nullptr);
    EXPECT_EQ(failure->outcome, core::Outcome::kRefused);
    EXPECT_EQ(failure->error, Error::kProtocolDeviation);
    EXPECT_EQ(failure->rule, "2.7");
    EXPECT_EQ(failure->field, "must_match_vmo");
    EXPECT_NE(failure->message.find("descriptor " + std::to_string(number) + ", " + each.words),
              std::string::npos)
        << failure->message;
    const auto closed = client.NextClosed();
    ASSERT_TRUE(closed);
    EXPECT_EQ(closed->first, kNew);
    client.Do(op::CloseHandle{kNew});
  }
  EXPECT_OK(client.Do(Sync(kOld)));
  EXPECT_TRUE(HangsUp(pipe_read)) << "what the message named is used up";
}

TEST(MustMatch, WithADescriptorNeverSentFailsTheNode) {
  for (const DescriptorNumber number : {DescriptorNumber{0}, DescriptorNumber{77}}) {
    TestEngine engine;
    TestClient client(engine);
    ASSERT_OK(client.Do(op::AllocateNonSharedCollection{kNew}));
    const OperationResult& result = client.Do(SetConstraintsMatching(kNew, AtLeast(1), number));
    ASSERT_NE(AsFailure(result), nullptr);
    EXPECT_EQ(AsFailure(result)->outcome, core::Outcome::kRefused);
    EXPECT_EQ(AsFailure(result)->field, "must_match_vmo");
    EXPECT_TRUE(client.NextClosed());
    EXPECT_OK(client.Do(op::Ping{}));
  }
}

TEST(MustMatch, NamesADescriptorOnceOnly) {
  TestEngine engine;
  TestClient client(engine);
  const DescriptorNumber number = client.Push(Allocate(client, kOld, AtLeast(4096)));
  ASSERT_OK(client.Do(op::AllocateNonSharedCollection{kNew}));
  ASSERT_OK(client.Do(SetConstraintsMatching(kNew, AtLeast(1), number)));
  ASSERT_OK(client.Do(op::AllocateNonSharedCollection{3}));
  const OperationResult& again = client.Do(SetConstraintsMatching(3, AtLeast(1), number));
  ASSERT_NE(AsFailure(again), nullptr);
  EXPECT_EQ(AsFailure(again)->error, Error::kNotFound);
}

// --- Messages that are refused use up what they name, too (session.proto).

TEST(MustMatch, OnNoNodeUsesTheDescriptorUp) {
  TestEngine engine;
  TestClient client(engine);
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const base::UniqueFd read(ends[0]);
  const DescriptorNumber number = client.Push(base::UniqueFd(ends[1]));
  const OperationResult& result = client.Do(SetConstraintsMatching(77, AtLeast(1), number));
  ASSERT_NE(AsFailure(result), nullptr);
  EXPECT_EQ(AsFailure(result)->field, "handle");
  EXPECT_TRUE(HangsUp(read));
}

TEST(MustMatch, InAMessageThatBreaksABoundUsesTheDescriptorUp) {
  TestEngine engine;
  TestClient client(engine);
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const base::UniqueFd read(ends[0]);
  ASSERT_OK(client.Do(op::AllocateNonSharedCollection{kNew}));
  const AnyOperation message = Message<core::event::BadMessage>(
      kNew, {0, 0, core::Refused(Error::kProtocolDeviation, "WIRE-BOUND", "constraints", "no")},
      client.Push(base::UniqueFd(ends[1])));
  const OperationResult& result = client.Do(message);
  ASSERT_NE(AsFailure(result), nullptr);
  EXPECT_EQ(AsFailure(result)->rule, "WIRE-BOUND");
  EXPECT_TRUE(HangsUp(read));
  EXPECT_TRUE(client.NextClosed());
}

TEST(Import, UnderAHandleInUseUsesTheDescriptorUp) {
  TestEngine engine;
  TestClient client(engine);
  ASSERT_OK(client.Do(op::AllocateSharedCollection{kOld, false}));
  for (const std::optional<Handle> bad : {std::optional<Handle>(kOld), std::optional<Handle>()}) {
    int ends[2] = {-1, -1};
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const base::UniqueFd read(ends[0]);
    const OperationResult& result =
        client.Do(op::Import{client.Push(base::UniqueFd(ends[1])), bad, std::nullopt});
    ASSERT_NE(AsFailure(result), nullptr);
    EXPECT_EQ(AsFailure(result)->field, "handle");
    EXPECT_TRUE(HangsUp(read));
  }
}

}  // namespace
}  // namespace sysmem::server
