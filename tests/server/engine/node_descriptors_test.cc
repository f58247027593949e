// SPDX-License-Identifier: Apache-2.0
//
// What stands for a node outside of the daemon: references, tracking ends, and the ways to ask
// whether a token is known.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/unix_socket.h"
#include "gtest/gtest.h"
#include "tests/server/engine/engine_harness.h"

namespace sysmem::server {
namespace {

using core::Error;

constexpr Handle kRoot = 1;
constexpr Handle kGroup = 2;
constexpr Handle kFirst = 3;
constexpr Handle kSecond = 4;

AnyOperation GetNodeRef(Handle handle) { return Message<core::event::GetNodeRef>(handle); }
AnyOperation IsAlternateFor(Handle handle, std::optional<DescriptorNumber> node_ref) {
  return Message<core::event::IsAlternateFor>(handle, {}, node_ref);
}
AnyOperation Track(Handle handle, std::optional<DescriptorNumber> server_end) {
  return Message<core::event::AttachNodeTracking>(handle, {}, server_end);
}
op::BindSharedCollection BindInPlace(Handle token) {
  return op::BindSharedCollection{token, std::nullopt, token};
}

// A root with two children, or with a group of two.
void MakeChildren(TestClient& client) {
  ASSERT_OK(client.Do(op::AllocateSharedCollection{kRoot, false}));
  ASSERT_OK(client.Do(op::Duplicate{kRoot, core::kSameRights, kFirst, false}));
  ASSERT_OK(client.Do(op::Duplicate{kRoot, core::kSameRights, kSecond, false}));
}
void MakeAlternatives(TestClient& client) {
  ASSERT_OK(client.Do(op::AllocateSharedCollection{kRoot, false}));
  ASSERT_OK(client.Do(op::CreateTokenGroup{kRoot, kGroup, false}));
  ASSERT_OK(client.Do(op::CreateChild{kGroup, std::nullopt, kFirst, false}));
  ASSERT_OK(client.Do(op::CreateChild{kGroup, std::nullopt, kSecond, false}));
}

base::UniqueFd ReferenceOf(TestClient& client, Handle handle) {
  const OperationResult& result = client.Do(GetNodeRef(handle));
  const auto* reference = std::get_if<NodeReference>(&result);
  if (reference == nullptr) {
    ADD_FAILURE() << AsFailure(result)->message;
    return {};
  }
  return client.Take(reference->descriptor);
}

std::optional<bool> Alternate(TestClient& client, Handle handle, base::BorrowedFd node_ref) {
  const OperationResult& result =
      client.Do(IsAlternateFor(handle, client.Push(base::Dup(node_ref))));
  const auto* answer = std::get_if<IsAlternate>(&result);
  return answer == nullptr ? std::nullopt : std::optional(answer->is_alternate);
}

base::UniqueFd Memory() { return base::UniqueFd(::memfd_create("memory", MFD_CLOEXEC)); }

// --- References

TEST(NodeReferences, TellAlternativesFromCompanions) {
  TestEngine engine;
  TestClient companions(engine);
  MakeChildren(companions);
  EXPECT_EQ(Alternate(companions, kFirst, ReferenceOf(companions, kSecond)), false);
  TestClient alternatives(engine);
  MakeAlternatives(alternatives);
  const base::UniqueFd second = ReferenceOf(alternatives, kSecond);
  EXPECT_EQ(Alternate(alternatives, kFirst, second), true);
  EXPECT_EQ(Alternate(alternatives, kRoot, second), false);
  EXPECT_EQ(Alternate(alternatives, kGroup, second), true);
}

TEST(NodeReferences, AreOneSocketHoweverOftenTheyAreAskedFor) {
  TestEngine engine;
  TestClient client(engine);
  MakeChildren(client);
  const base::UniqueFd one = ReferenceOf(client, kFirst);
  const base::UniqueFd same = ReferenceOf(client, kFirst);
  const base::UniqueFd other = ReferenceOf(client, kSecond);
  EXPECT_EQ(*base::SocketCookie(one), *base::SocketCookie(same));
  EXPECT_NE(*base::SocketCookie(one), *base::SocketCookie(other));
}

TEST(NodeReferences, WorkInAnotherSessionAndGiveNoPowerThere) {
  TestEngine engine;
  TestClient maker(engine);
  TestClient other(engine, 1001);
  MakeAlternatives(maker);
  const base::UniqueFd first = ReferenceOf(maker, kFirst);
  const OperationResult& exported = maker.Do(op::Export{kSecond});
  ASSERT_OK(exported);
  base::UniqueFd end = maker.Take(std::get<ExportedNodes>(exported).descriptors.at(0));
  ASSERT_OK(other.Do(op::Import{other.Push(std::move(end)), kSecond, {}}));
  EXPECT_EQ(Alternate(other, kSecond, first), true);
  const OperationResult& imported =
      other.Do(op::Import{other.Push(base::Dup(first)), Handle{9}, {}});
  ASSERT_NE(AsFailure(imported), nullptr);
  EXPECT_EQ(AsFailure(imported)->error, Error::kNotFound);
}

TEST(NodeReferences, CarryNothing) {
  TestEngine engine;
  TestClient client(engine);
  MakeChildren(client);
  const base::UniqueFd reference = ReferenceOf(client, kFirst);
  char byte = 0;
  EXPECT_LE(::recv(reference.get(), &byte, 1, MSG_DONTWAIT), 0);
  // Bound to a name it can be found by others, who still cannot put anything into it.
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  ASSERT_EQ(::bind(reference.get(), reinterpret_cast<sockaddr*>(&name), sizeof(sa_family_t)), 0);
  socklen_t size = sizeof(name);
  ASSERT_EQ(::getsockname(reference.get(), reinterpret_cast<sockaddr*>(&name), &size), 0);
  const base::UniqueFd sender(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(
      ::sendto(sender.get(), &byte, 1, MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&name), size), -1);
}

// MSG-H1: errors that harm nobody, with the names that the protocol documents.
TEST(NodeReferences, OfNothingAreErrorsByNameAndHarmNobody_MSG_H1) {
  TestEngine engine;
  TestClient client(engine);
  TestClient stranger(engine);
  MakeChildren(client);
  MakeChildren(stranger);
  auto pair = base::SocketPair(SOCK_SEQPACKET);
  ASSERT_TRUE(pair.ok());
  int pipe_ends[2];
  ASSERT_EQ(::pipe2(pipe_ends, O_CLOEXEC), 0);
  const base::UniqueFd pipe_read(pipe_ends[0]);
  struct {
    const char* what;
    base::UniqueFd fd;
    Error error;
  } bad[] = {{"any socket", std::move(pair->first), Error::kNotFound},
             {"another collection's node", ReferenceOf(stranger, kFirst), Error::kNotFound},
             {"memory", Memory(), Error::kProtocolDeviation},
             {"a pipe", base::UniqueFd(pipe_ends[1]), Error::kProtocolDeviation}};
  for (auto& each : bad) {
    SCOPED_TRACE(each.what);
    const OperationResult& result =
        client.Do(IsAlternateFor(kFirst, client.Push(std::move(each.fd))));
    ASSERT_NE(AsFailure(result), nullptr);
    EXPECT_EQ(AsFailure(result)->outcome, core::Outcome::kError);
    EXPECT_EQ(AsFailure(result)->error, each.error);
    EXPECT_EQ(AsFailure(result)->field, "node_ref");
  }
  EXPECT_OK(client.Do(Sync(kFirst)));
  pollfd poller{pipe_read.get(), 0, 0};
  EXPECT_EQ(::poll(&poller, 1, static_cast<int>(kPatience.count()) * 1000), 1)
      << "what the message named is used up";
}

TEST(NodeReferences, ThatWereNeverSentFailTheNode) {
  for (const std::optional<DescriptorNumber> number :
       {std::optional<DescriptorNumber>(), std::optional<DescriptorNumber>(77)}) {
    TestEngine engine;
    TestClient client(engine);
    MakeChildren(client);
    const OperationResult& result = client.Do(IsAlternateFor(kFirst, number));
    ASSERT_NE(AsFailure(result), nullptr);
    EXPECT_EQ(AsFailure(result)->outcome, core::Outcome::kRefused);
    EXPECT_EQ(AsFailure(result)->error, number ? Error::kNotFound : Error::kProtocolDeviation);
    EXPECT_EQ(AsFailure(result)->field, "node_ref");
    EXPECT_TRUE(client.NextClosed());
    EXPECT_OK(client.Do(op::Ping{}));
  }
}

TEST(NodeReferences, EndWithTheirNodeAndGiveTheBudgetBack) {
  EngineLimits limits = LimitsFor(1024);
  limits.held_descriptors = 2;  // one for this user
  TestEngine engine(limits);
  TestClient client(engine);
  for (int round = 0; round < 3; ++round) {
    MakeChildren(client);
    const base::UniqueFd first = ReferenceOf(client, kFirst);
    EXPECT_TRUE(ReferenceOf(client, kFirst)) << "a copy costs nothing";
    const OperationResult& second = client.Do(GetNodeRef(kSecond));
    ASSERT_NE(AsFailure(second), nullptr);
    EXPECT_EQ(AsFailure(second)->rule, "LIMIT-HELD");
    EXPECT_EQ(AsFailure(second)->error, Error::kNoMemory);
    EXPECT_OK(client.Do(Sync(kSecond)));
    for (const Handle handle : {kRoot, kFirst, kSecond}) client.Do(op::CloseHandle{handle});
  }
}

// --- Tracking

struct Pipe {
  base::UniqueFd read;
  base::UniqueFd write;
};
Pipe MakePipe() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  return {base::UniqueFd(ends[0]), base::UniqueFd(ends[1])};
}
bool HangsUp(const base::UniqueFd& fd, std::chrono::milliseconds patience = kPatience) {
  pollfd poller{fd.get(), 0, 0};
  return ::poll(&poller, 1, static_cast<int>(patience.count())) == 1 &&
         (poller.revents & POLLHUP) != 0;
}
// Whether it is open after everything that happened to this client has been carried out.
bool StillOpen(TestClient& client, const base::UniqueFd& fd) {
  EXPECT_OK(client.Do(op::Ping{}));
  return !HangsUp(fd, std::chrono::milliseconds(0));
}

TEST(NodeTracking, SurvivesBindReleaseAndCloseOfItsNode_TRK_1) {
  TestEngine engine;
  TestClient client(engine);
  MakeChildren(client);
  Pipe tracked = MakePipe();
  Pipe silent = MakePipe();
  ASSERT_OK(client.Do(Track(kRoot, client.Push(std::move(tracked.write)))));
  ASSERT_OK(client.Do(Track(kSecond, client.Push(std::move(silent.write)))));
  ASSERT_OK(client.Do(BindInPlace(kRoot)));
  ASSERT_OK(client.Do(SetConstraints(kRoot, CpuConstraints())));
  for (const Handle handle : {kRoot, kSecond}) {
    ASSERT_OK(client.Do(Release(handle)));
    ASSERT_OK(client.Do(op::CloseHandle{handle}));
  }
  EXPECT_TRUE(StillOpen(client, tracked.read));
  EXPECT_TRUE(StillOpen(client, silent.read)) << "a token that never said anything";
  client.Do(op::CloseHandle{kFirst});
  EXPECT_TRUE(HangsUp(tracked.read));
  EXPECT_TRUE(HangsUp(silent.read));
}

TEST(NodeTracking, OutlivesTheSessionThatAskedForIt) {
  TestEngine engine;
  TestClient maker(engine);
  MakeChildren(maker);
  const OperationResult& exported = maker.Do(op::Export{kFirst});
  ASSERT_OK(exported);
  base::UniqueFd end = maker.Take(std::get<ExportedNodes>(exported).descriptors.at(0));
  Pipe tracked = MakePipe();
  {
    TestClient user(engine);
    ASSERT_OK(user.Do(op::Import{user.Push(std::move(end)), kFirst, {}}));
    ASSERT_OK(user.Do(Track(kFirst, user.Push(std::move(tracked.write)))));
    ASSERT_OK(user.Do(Release(kFirst)));
    ASSERT_OK(user.Do(op::CloseHandle{kFirst}));
  }
  EXPECT_TRUE(StillOpen(maker, tracked.read));
  maker.Do(op::CloseHandle{kRoot});
  EXPECT_TRUE(HangsUp(tracked.read));
}

TEST(NodeTracking, TakesASocketToo) {
  TestEngine engine;
  TestClient client(engine);
  MakeChildren(client);
  auto pair = base::SocketPair(SOCK_STREAM);
  ASSERT_TRUE(pair.ok());
  ASSERT_OK(client.Do(Track(kFirst, client.Push(std::move(pair->first)))));
  EXPECT_TRUE(StillOpen(client, pair->second));
  client.Do(op::CloseHandle{kFirst});
  EXPECT_TRUE(HangsUp(pair->second));
}

TEST(NodeTracking, The257thFailsTheNodeAndSignalsAll_row_46) {
  TestEngine engine(LimitsFor(65536));
  TestClient client(engine);
  MakeChildren(client);
  std::vector<base::UniqueFd> reads;
  for (int i = 0; i < 256; ++i) {
    Pipe pipe = MakePipe();
    ASSERT_OK(client.Do(Track(kFirst, client.Push(std::move(pipe.write)))));
    reads.push_back(std::move(pipe.read));
  }
  Pipe last = MakePipe();
  const OperationResult& result = client.Do(Track(kFirst, client.Push(std::move(last.write))));
  ASSERT_NE(AsFailure(result), nullptr);
  EXPECT_EQ(AsFailure(result)->field, "server_end");
  EXPECT_EQ(AsFailure(result)->rule, "2.4");
  EXPECT_TRUE(HangsUp(last.read));
  for (const base::UniqueFd& read : reads) EXPECT_TRUE(HangsUp(read));
}

TEST(NodeTracking, WithoutAnythingToCloseFailsTheNodeByTheField) {
  const struct {
    const char* what;
    Error error;
  } cases[] = {{"missing", Error::kProtocolDeviation},
               {"never sent", Error::kNotFound},
               {"memory", Error::kProtocolDeviation}};
  for (const auto& each : cases) {
    SCOPED_TRACE(each.what);
    TestEngine engine;
    TestClient client(engine);
    MakeChildren(client);
    std::optional<DescriptorNumber> number;
    if (each.error == Error::kNotFound) number = 77;
    if (std::string(each.what) == "memory") number = client.Push(Memory());
    const OperationResult& result = client.Do(Track(kFirst, number));
    ASSERT_NE(AsFailure(result), nullptr);
    EXPECT_EQ(AsFailure(result)->outcome, core::Outcome::kRefused);
    EXPECT_EQ(AsFailure(result)->error, each.error);
    EXPECT_EQ(AsFailure(result)->field, "server_end");
    EXPECT_TRUE(client.NextClosed());
  }
}

TEST(NodeTracking, OnNoNodeUsesItsEndUp) {
  TestEngine engine;
  TestClient client(engine);
  Pipe pipe = MakePipe();
  const OperationResult& result = client.Do(Track(77, client.Push(std::move(pipe.write))));
  ASSERT_NE(AsFailure(result), nullptr);
  EXPECT_EQ(AsFailure(result)->field, "handle");
  EXPECT_TRUE(HangsUp(pipe.read));
}

TEST(NodeTracking, OfAClosedNodeSignalsAtOnceAndKeepsNothing) {
  TestEngine engine;
  TestClient client(engine);
  MakeChildren(client);
  client.Do(op::CloseHandle{kRoot});
  ASSERT_TRUE(client.NextClosed());
  Pipe pipe = MakePipe();
  const OperationResult& result = client.Do(Track(kFirst, client.Push(std::move(pipe.write))));
  ASSERT_NE(AsFailure(result), nullptr);
  EXPECT_EQ(AsFailure(result)->outcome, core::Outcome::kClosed);
  EXPECT_TRUE(HangsUp(pipe.read));
}

TEST(NodeTracking, BeyondTheBudgetIsRefusedAndTheNodeLivesOn) {
  EngineLimits limits = LimitsFor(1024);
  limits.held_descriptors = 4;
  TestEngine engine(limits);
  TestClient greedy(engine, 1000);
  TestClient modest(engine, 1001);
  MakeChildren(greedy);
  MakeChildren(modest);
  std::vector<base::UniqueFd> reads;
  for (int i = 0; i < 3; ++i) {
    Pipe pipe = MakePipe();
    const OperationResult& result = greedy.Do(Track(kFirst, greedy.Push(std::move(pipe.write))));
    reads.push_back(std::move(pipe.read));
    if (i < 2) {
      EXPECT_OK(result);
      continue;
    }
    ASSERT_NE(AsFailure(result), nullptr);
    EXPECT_EQ(AsFailure(result)->rule, "LIMIT-HELD");
  }
  EXPECT_TRUE(HangsUp(reads[2]));
  EXPECT_TRUE(StillOpen(greedy, reads[0]));
  EXPECT_OK(greedy.Do(Sync(kFirst)));
  Pipe pipe = MakePipe();
  EXPECT_OK(modest.Do(Track(kFirst, modest.Push(std::move(pipe.write)))))
      << "another user has half";
}

// --- Asking for tokens

bool IsKnown(TestClient& client, op::ValidateToken what) {
  const OperationResult& result = client.Do(std::move(what));
  const auto* known = std::get_if<TokenKnown>(&result);
  EXPECT_NE(known, nullptr) << AsFailure(result)->message;
  return known != nullptr && known->is_known;
}

// The ids of the nodes of the collection that `handle` belongs to, root first.
std::vector<core::NodeId> NodeIds(TestClient& client, Handle handle) {
  const OperationResult& id = client.Do(Message<core::event::GetBufferCollectionId>(handle));
  const OperationResult& detail = client.Do(op::InspectCollection{std::get<uint64_t>(id)});
  std::vector<core::NodeId> ids;
  for (const auto& node : std::get<CollectionDetail>(detail).snapshot.nodes) ids.push_back(node.id);
  return ids;
}

TEST(ValidateToken, ByIdKnowsTokensWhereverTheyAreHeldAndNothingElse) {
  TestEngine engine;
  TestClient client(engine);
  TestClient stranger(engine, 1001);
  MakeAlternatives(client);
  const std::vector<core::NodeId> ids = NodeIds(client, kRoot);  // root, group, first, second
  ASSERT_EQ(ids.size(), 4u);
  const auto known = [&](core::NodeId id) {
    return IsKnown(stranger, {.koid = {}, .node_id = id, .descriptor = {}});
  };
  EXPECT_TRUE(known(ids[0]));
  EXPECT_FALSE(known(ids[1])) << "a group";
  EXPECT_TRUE(known(ids[2]));
  const OperationResult& exported = client.Do(op::Export{kFirst});
  ASSERT_OK(exported);
  const base::UniqueFd end = client.Take(std::get<ExportedNodes>(exported).descriptors.at(0));
  EXPECT_TRUE(known(ids[2])) << "while it travels";
  ASSERT_OK(client.Do(BindInPlace(kSecond)));
  EXPECT_FALSE(known(ids[3])) << "it is a collection now";
  EXPECT_FALSE(known(9999));
  EXPECT_FALSE(known(0));
}

TEST(ValidateToken, ByDescriptorLooksAtACopyAndTheTokenTravelsOn) {
  TestEngine engine;
  TestClient client(engine);
  MakeChildren(client);
  const OperationResult& exported = client.Do(op::Export{kFirst});
  ASSERT_OK(exported);
  base::UniqueFd end = client.Take(std::get<ExportedNodes>(exported).descriptors.at(0));
  const uint64_t koid = *base::SocketCookie(end);
  EXPECT_TRUE(
      IsKnown(client, {.koid = {}, .node_id = {}, .descriptor = client.Push(base::Dup(end))}));
  EXPECT_TRUE(IsKnown(client, {.koid = koid, .node_id = {}, .descriptor = {}}));
  ASSERT_OK(client.Do(op::Import{client.Push(std::move(end)), kFirst, {}}));
  EXPECT_FALSE(IsKnown(client, {.koid = koid, .node_id = {}, .descriptor = {}}))
      << "the end means nothing any more";
}

TEST(ValidateToken, KnowsNothingOfWhatIsNoToken) {
  TestEngine engine;
  TestClient client(engine);
  MakeAlternatives(client);
  const OperationResult& exported = client.Do(op::Export{kGroup});
  ASSERT_OK(exported);
  base::UniqueFd group = client.Take(std::get<ExportedNodes>(exported).descriptors.at(0));
  EXPECT_FALSE(IsKnown(client, {.koid = {}, .node_id = {}, .descriptor = client.Push(Memory())}));
  EXPECT_FALSE(
      IsKnown(client, {.koid = {}, .node_id = {}, .descriptor = client.Push(base::Dup(group))}));
  const OperationResult& never_sent = client.Do(op::ValidateToken{{}, {}, DescriptorNumber{77}});
  ASSERT_NE(AsFailure(never_sent), nullptr);
  EXPECT_EQ(AsFailure(never_sent)->field, "token_descriptor");
}

TEST(TokensThatShowUpLate, AreExplainedInTheLogWhenTheyComeAndWhenTheyAreNamed_DBG_4) {
  TestEngine engine;
  TestClient client(engine);
  client.Do(op::BindSharedCollection{Handle{5}, std::nullopt, Handle{8}});
  EXPECT_EQ(engine.Logged("BindSharedCollection found no token").size(), 1u);
  ASSERT_OK(client.Do(op::AllocateSharedCollection{4, false}));
  EXPECT_TRUE(engine.Logged("DBG-4").empty());
  ASSERT_OK(client.Do(op::Duplicate{4, core::kSameRights, 5, false}));
  EXPECT_EQ(engine.Logged("DBG-4").size(), 1u);
  ASSERT_OK(client.Do(Message<core::event::SetDebugClientInfo>(5, {0, 0, "camera", 1})));
  ASSERT_EQ(engine.Logged("DBG-4").size(), 2u);
  EXPECT_NE(engine.Logged("DBG-4").back().find("camera"), std::string::npos);
  ASSERT_OK(client.Do(Message<core::event::SetDebugClientInfo>(5, {0, 0, "again", 1})));
  EXPECT_EQ(engine.Logged("DBG-4").size(), 2u);
}

TEST(TokensThatShowUpLate, AreForgottenBeyondTheLastEight_CONV_3) {
  TestEngine engine;
  TestClient client(engine);
  for (Handle token = 1; token <= 9; ++token) {
    client.Do(op::BindSharedCollection{token, std::nullopt, Handle{100 + token}});
  }
  ASSERT_OK(client.Do(op::AllocateSharedCollection{1, false}));
  EXPECT_TRUE(engine.Logged("DBG-4").empty()) << "the oldest was dropped";
  ASSERT_OK(client.Do(op::AllocateSharedCollection{2, false}));
  EXPECT_EQ(engine.Logged("DBG-4").size(), 1u);
}

}  // namespace
}  // namespace sysmem::server
