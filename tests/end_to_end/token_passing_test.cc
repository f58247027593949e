// SPDX-License-Identifier: Apache-2.0
//
// How a token travels, and what is no token.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/end_to_end/observer.h"
#include "tests/end_to_end/participants.h"
#include "tests/support/programs.h"

namespace sysmem::testing {
namespace {

constexpr uint64_t kBytes = 8192;
constexpr int kFirstInherited = 3;

class TokenPassing : public ::testing::Test {
 protected:
  TokenPassing() : observer_(daemon_) { observer_.TakeBaseline(); }
  void TearDown() override { observer_.ExpectBackToBaseline(); }
  const std::string& path() const { return daemon_.socket_path(); }
  Observer& observer() { return observer_; }

 private:
  DaemonProcess daemon_;
  Observer observer_;
};

TEST_F(TokenPassing, ByInheritanceToAProgramThatIsStartedWorks) {
  const std::string program = ProgramPath("token_participant");
  ClientProcess parent(kClientUid, [&](ControlChannel&) {
    sysmem::Client client = ConnectOrDie(path());
    auto token = client.CreateToken();
    SYSMEM_ASSERT_OK(token);
    auto child_token = token->DuplicateExported();
    SYSMEM_ASSERT_OK(child_token);
    int output[2] = {-1, -1};
    ASSERT_EQ(::pipe2(output, O_CLOEXEC), 0);
    const base::UniqueFd from_child(output[0]);
    base::UniqueFd to_parent(output[1]);
    Process child = Process::Start({.program = program,
                                    .arguments = {path(), std::to_string(kFirstInherited)},
                                    .environment = CleanEnvironment(),
                                    .descriptors = {child_token->get()},
                                    .output = to_parent.get()});
    to_parent.reset();
    child_token->reset();
    auto joined = std::move(*token).Join(WriterNeeds(2, kBytes), Patience());
    SYSMEM_ASSERT_OK(joined);
    EXPECT_EQ(ReadAll(from_child), NameMemory(joined->buffers));
    EXPECT_EQ(child.WaitForExit(), 0);
  });
  parent.ExpectSuccess();
}

// From its maker to the test to another process that hands it to a third.
TEST_F(TokenPassing, OverSeveralSocketsWorks) {
  ClientProcess maker(kClientUid, [&](ControlChannel& test) {
    sysmem::Client client = ConnectOrDie(path());
    auto token = client.CreateToken();
    SYSMEM_ASSERT_OK(token);
    auto child = token->Duplicate();
    SYSMEM_ASSERT_OK(child);
    auto exported = std::move(*child).Export();  // the long way: a held token leaves
    SYSMEM_ASSERT_OK(exported);
    test.Send("token", FromLibrary(*std::move(exported)));
    auto joined = std::move(*token).Join(WriterNeeds(2, kBytes), Patience());
    SYSMEM_ASSERT_OK(joined);
    test.Send(NameMemory(joined->buffers));
    test.Expect("leave");
  });
  ClientProcess carrier(kOtherClientUid, [&](ControlChannel& test) {
    // Holds the token in a session of its own for a while, and lets it travel on.
    sysmem::Client client = ConnectOrDie(path());
    auto token = client.ImportToken(ForLibrary(test.Expect("token").TakeDescriptor()));
    SYSMEM_ASSERT_OK(token);
    SYSMEM_EXPECT_OK(token->SetName(7, "carried"));
    auto exported = std::move(*token).Export();
    SYSMEM_ASSERT_OK(exported);
    test.Send("token", FromLibrary(*std::move(exported)));
  });
  ClientProcess user(kOtherClientUid, [&](ControlChannel& test) {
    sysmem::Client client = ConnectOrDie(path());
    auto joined =
        client.Join(ForLibrary(test.Expect("token").TakeDescriptor()), ReaderNeeds(), Patience());
    SYSMEM_ASSERT_OK(joined);
    test.Send(NameMemory(joined->buffers));
  });
  carrier.control().Send("token", maker.control().Expect("token").TakeDescriptor());
  base::UniqueFd token = carrier.control().Expect("token").TakeDescriptor();
  carrier.ExpectSuccess();  // gone before the token is used
  user.control().Send("token", std::move(token));
  EXPECT_EQ(user.control().Receive().text, maker.control().Receive().text);
  user.ExpectSuccess();
  maker.control().Send("leave");
  maker.ExpectSuccess();
}

// Its maker may die: the token lives, because it travels.
TEST_F(TokenPassing, InFlightSurvivesTheEndOfTheSessionThatExportedIt) {
  ClientProcess maker(kClientUid, [&](ControlChannel& test) {
    sysmem::Client client = ConnectOrDie(path());
    auto token = client.CreateToken();
    SYSMEM_ASSERT_OK(token);
    auto exported = std::move(*token).Export();
    SYSMEM_ASSERT_OK(exported);
    test.Send("token", FromLibrary(*std::move(exported)));
  });
  base::UniqueFd token = maker.control().Expect("token").TakeDescriptor();
  maker.ExpectSuccess();
  ClientProcess user(kOtherClientUid, [&](ControlChannel& test) {
    sysmem::Client client = ConnectOrDie(path());
    SYSMEM_EXPECT_OK(client.Join(ForLibrary(test.Expect("token").TakeDescriptor()),
                                 WriterNeeds(1, kBytes), Patience()));
  });
  user.control().Send("token", std::move(token));
  user.ExpectSuccess();
}

// A token that somebody closes unused fails its collection, wherever it was on its way.
TEST_F(TokenPassing, ThatEndsUnusedIsAnEventForItsMaker) {
  ClientProcess maker(kClientUid, [&](ControlChannel& test) {
    sysmem::Client client = ConnectOrDie(path());
    auto token = client.CreateToken();
    SYSMEM_ASSERT_OK(token);
    auto child = token->DuplicateExported();
    SYSMEM_ASSERT_OK(child);
    auto closed = token->ClosedFd();
    SYSMEM_ASSERT_OK(closed);
    test.Send("token", FromLibrary(*std::move(child)));
    EXPECT_TRUE(AwaitReadable(closed->get()));
    EXPECT_TRUE(token->is_closed());
    SYSMEM_EXPECT_STATUS(token->Sync(), sysmem::Status::kClosed);
    ExpectServed(client);
  });
  base::UniqueFd token = maker.control().Expect("token").TakeDescriptor();
  // Twice in another socket's queue, which dies with them.
  int pair[2] = {-1, -1};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  ControlChannel one_end(base::UniqueFd(pair[0]), ControlChannel::Side::kTest);
  base::UniqueFd other_end(pair[1]);
  one_end.Send("token", base::Dup(token));
  one_end.Send("token", std::move(token));
  one_end.Close();
  other_end.reset();
  maker.ExpectSuccess();
}

// It comes too late, and that is what its receiver is told, also by what he makes of it.
TEST_F(TokenPassing, ToACollectionThatHasFailedMeanwhileSaysSo) {
  ClientProcess maker(kClientUid, [&](ControlChannel&) {
    sysmem::Client client = ConnectOrDie(path());
    auto token = client.CreateToken();
    SYSMEM_ASSERT_OK(token);
    auto late = token->DuplicateExported();
    SYSMEM_ASSERT_OK(late);
    token->Close();
    SYSMEM_EXPECT_OK(client.Roundtrip());
    auto imported = client.ImportToken(*std::move(late));
    SYSMEM_ASSERT_OK(imported);
    auto collection = std::move(*imported).Bind();
    SYSMEM_ASSERT_OK(collection);
    SYSMEM_EXPECT_OK(collection->SetConstraints(ReaderNeeds()));
    auto buffers = collection->Wait(Patience());
    ASSERT_FALSE(buffers.ok());
    EXPECT_EQ(buffers.failure().error, sysmem::Error::kNotFound) << buffers.failure().text;
    EXPECT_EQ(buffers.failure().field, "descriptor_number") << buffers.failure().text;
    EXPECT_TRUE(collection->is_closed());
  });
  maker.ExpectSuccess();
}

// Binds `fd` and expects that it is refused; the session is as good as before.
void ExpectNoToken(sysmem::Client& client, base::UniqueFd fd, const std::string& what) {
  SCOPED_TRACE(what);
  auto known = client.ValidateToken(fd.get());
  if (known.ok()) {
    EXPECT_FALSE(*known);
  }
  auto collection = client.BindToken(ForLibrary(std::move(fd)));
  if (!collection.ok()) {  // the library may see it by itself
    EXPECT_EQ(collection.failure().status, sysmem::Status::kInvalidArgument)
        << collection.failure().text;
    return;
  }
  auto closed = collection->ClosedFd();
  SYSMEM_ASSERT_OK(closed);
  SYSMEM_EXPECT_OK(collection->SetConstraints(ReaderNeeds()));
  auto buffers = collection->Wait(Patience());
  ASSERT_FALSE(buffers.ok());
  EXPECT_EQ(buffers.failure().status, sysmem::Status::kRefused) << buffers.failure().text;
  EXPECT_EQ(buffers.failure().error, sysmem::Error::kNotFound) << buffers.failure().text;
  EXPECT_EQ(buffers.failure().field, "token_descriptor") << buffers.failure().text;
  EXPECT_TRUE(AwaitReadable(closed->get()));
}

TEST_F(TokenPassing, DoesNotWorkWithAnythingElseAndHarmsNobody) {
  ClientProcess maker(kClientUid, [&](ControlChannel& test) {
    sysmem::Client client = ConnectOrDie(path());
    auto token = client.CreateToken();
    SYSMEM_ASSERT_OK(token);
    auto child = token->DuplicateExported();
    SYSMEM_ASSERT_OK(child);
    test.Send("token", FromLibrary(*std::move(child)));
    auto joined = std::move(*token).Join(WriterNeeds(2, kBytes), Patience());
    SYSMEM_ASSERT_OK(joined);
    test.Send(NameMemory(joined->buffers));
    test.Expect("leave");
  });
  ClientProcess forger(kOtherClientUid, [&](ControlChannel& test) {
    sysmem::Client client = ConnectOrDie(path());
    base::UniqueFd token = test.Expect("token").TakeDescriptor();
    auto known = client.ValidateToken(token.get());
    SYSMEM_ASSERT_OK(known);
    EXPECT_TRUE(*known);

    bool is_known = true;
    uint64_t id = 0;
    ASSERT_EQ(sysmem_token_fd_id(token.get(), &id, nullptr), SYSMEM_OK);
    for (const uint64_t made_up : {uint64_t{1}, id + 1, id - 1, UINT64_MAX}) {
      ASSERT_EQ(sysmem_validate_token(client.get(), made_up, Patience().ns(), &is_known, nullptr),
                SYSMEM_OK);
      EXPECT_FALSE(is_known) << made_up;
    }

    int pair[2] = {-1, -1};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    const base::UniqueFd other_end(pair[1]);
    ExpectNoToken(client, base::UniqueFd(pair[0]), "an unrelated socket");
    int pipe[2] = {-1, -1};
    ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
    const base::UniqueFd write_end(pipe[1]);
    ExpectNoToken(client, base::UniqueFd(pipe[0]), "a pipe");
    ExpectNoToken(client, base::UniqueFd(::memfd_create("token", MFD_CLOEXEC)), "a memfd");

    base::UniqueFd copy = base::Dup(token);
    base::UniqueFd another = base::Dup(token);
    auto collection = client.BindToken(ForLibrary(std::move(token)));
    SYSMEM_ASSERT_OK(collection);
    SYSMEM_EXPECT_OK(collection->Sync());
    ExpectNoToken(client, std::move(copy), "a copy of a bound token");
    SYSMEM_EXPECT_OK(collection->SetConstraints(ReaderNeeds()));
    auto buffers = collection->Wait(Patience());
    SYSMEM_ASSERT_OK(buffers);
    ExpectNoToken(client, std::move(another), "a copy, after the allocation");
    SYSMEM_EXPECT_OK(collection->Sync());
    test.Send(NameMemory(*buffers));
  });
  forger.control().Send("token", maker.control().Expect("token").TakeDescriptor());
  EXPECT_EQ(forger.control().Receive().text, maker.control().Receive().text);
  forger.ExpectSuccess();
  maker.control().Send("leave");
  maker.ExpectSuccess();
}

TEST_F(TokenPassing, OfDescriptorsThatNobodyMaySendEndsOnlyTheSenderWithAReason) {
  ClientProcess sender(kClientUid, [&](ControlChannel&) {
    sysmem::Client client = ConnectOrDie(path());
    auto collection = client.BindToken(sysmem::UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC)));
    if (!collection.ok()) {  // the library may see it by itself
      EXPECT_EQ(collection.failure().status, sysmem::Status::kInvalidArgument);
      return;
    }
    auto answer = collection->Sync();
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(answer.failure().status, sysmem::Status::kDisconnected) << answer.failure().text;
    EXPECT_NE(answer.failure().text.find("FORBIDDEN_DESCRIPTOR"), std::string::npos)
        << answer.failure().text;
  });
  sender.ExpectSuccess();
}

}  // namespace
}  // namespace sysmem::testing
