// SPDX-License-Identifier: Apache-2.0
//
// One client object and many threads, one client object and a fork.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/end_to_end/library_fixture.h"

namespace sysmem::testing {
namespace {

constexpr size_t kThreads = 8;
constexpr int kRounds = 40;

class Threads : public LibraryTest {};
class Fork : public LibraryTest {};

void RunOnThreads(const std::function<void(size_t index)>& body) {
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kThreads; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

TEST_F(Threads, UseOneClientAtTheSameTime) {
  RunOnThreads([&](size_t) {
    for (int round = 0; round < kRounds; ++round) ExpectServed(client());
  });
}

TEST_F(Threads, NegotiateWithEachOtherThroughOneClient) {
  auto root = client().CreateToken();
  SYSMEM_ASSERT_OK(root);
  std::vector<std::optional<sysmem::Token>> tokens(kThreads);
  for (auto& token : tokens) {
    auto child = root->Duplicate();
    SYSMEM_ASSERT_OK(child);
    token.emplace(*std::move(child));
  }
  root->Reset();
  std::array<std::string, kThreads> memory;
  RunOnThreads([&](size_t index) {
    auto joined = std::move(*tokens[index]).Join(WriterNeeds(1, 4096), Patience());
    SYSMEM_ASSERT_OK(joined);
    EXPECT_EQ(joined->buffers.count(), kThreads);
    memory[index] = NameMemory(joined->buffers);
  });
  for (const std::string& each : memory) EXPECT_EQ(each, memory[0]);
}

TEST_F(Threads, SeeTheirOwnCallsCarriedOutInTheirOrder) {
  auto root = client().CreateToken();
  SYSMEM_ASSERT_OK(root);
  RunOnThreads([&](size_t) {
    for (int round = 0; round < kRounds; ++round) {
      auto child = root->Duplicate();
      SYSMEM_ASSERT_OK(child);
      auto grandchild = child->Duplicate();
      SYSMEM_ASSERT_OK(grandchild);
      child->Reset();
      SYSMEM_EXPECT_OK(grandchild->Sync());
    }
  });
  SYSMEM_EXPECT_OK(root->Sync());
}

// Waits that are taken back by their deadline while others go on.
TEST_F(Threads, GiveUpWaitingAtTheirDeadlinesAndLoseNothing) {
  auto root = client().CreateToken();
  SYSMEM_ASSERT_OK(root);
  auto child = root->Duplicate();
  SYSMEM_ASSERT_OK(child);
  auto collection = std::move(*child).Bind();
  SYSMEM_ASSERT_OK(collection);
  SYSMEM_EXPECT_OK(collection->SetConstraints(WriterNeeds(1, 4096)));
  RunOnThreads([&](size_t) {
    for (int round = 0; round < kRounds; ++round) {
      auto outcome = collection->Wait(std::chrono::milliseconds(1));
      ASSERT_FALSE(outcome.ok());
      EXPECT_EQ(outcome.failure().status, sysmem::Status::kTimeout) << outcome.failure().text;
    }
  });
  root->Reset();
  SYSMEM_EXPECT_OK(collection->Wait(Patience()));
}

// Releases and closes go out together, ten thousand times; the collection never notices.
TEST_F(Threads, ReleaseAndCloseTenThousandTokensWithoutHarm) {
  auto root = client().CreateToken();
  SYSMEM_ASSERT_OK(root);
  RunOnThreads([&](size_t) {
    for (size_t i = 0; i < 10000 / kThreads; ++i) {
      auto child = root->Duplicate();
      SYSMEM_ASSERT_OK(child);
      SYSMEM_EXPECT_OK(child->Release());
      child->Close();
    }
  });
  auto joined = std::move(*root).Join(WriterNeeds(1, 4096), Patience());
  SYSMEM_EXPECT_OK(joined);
}

class ShuffledThreads : public LibraryTest {
 protected:
  ShuffledThreads() : LibraryTest({.arguments = {"--test-shuffle-calls", "11"}}) {}
};

TEST_F(ShuffledThreads, NoticeNothingWhenTheDaemonReceivesTheirCallsOutOfOrder) {
  auto root = client().CreateToken();
  SYSMEM_ASSERT_OK(root);
  RunOnThreads([&](size_t) {
    for (int round = 0; round < kRounds / 4; ++round) {
      auto child = root->Duplicate();
      SYSMEM_ASSERT_OK(child);
      SYSMEM_EXPECT_OK(client().Flush());
      SYSMEM_EXPECT_OK(child->Release());
      SYSMEM_EXPECT_OK(client().Flush());
      child->Close();
      ExpectServed(client());
    }
  });
  SYSMEM_EXPECT_OK(root->Sync());
}

// ---- fork()
// ----------------------------------------------------------------------------------------

// What a forked child may find: runs `body` there and expects that it likes what it sees.
void ExpectInChild(const std::function<bool()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body() ? 0 : 1);
  ASSERT_GT(child, 0);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
      << "the child ended with status " << status;
}

template <typename Outcome>
bool IsDisconnected(const Outcome& outcome) {
  if (!outcome.ok() && outcome.failure().status == sysmem::Status::kDisconnected) return true;
  ::dprintf(2, "not disconnected: %s\n", outcome.ok() ? "ok" : outcome.failure().text.c_str());
  return false;
}

TEST_F(Fork, LeavesTheChildDisconnectedAndTheParentUntouched) {
  auto token = client().CreateToken();
  SYSMEM_ASSERT_OK(token);
  auto child_token = token->Duplicate();
  SYSMEM_ASSERT_OK(child_token);
  auto collection = std::move(*child_token).Bind();
  SYSMEM_ASSERT_OK(collection);
  SYSMEM_EXPECT_OK(collection->SetConstraints(WriterNeeds(1, 4096)));
  auto wait = collection->StartWait(Patience());
  SYSMEM_ASSERT_OK(wait);
  SYSMEM_EXPECT_OK(client().Roundtrip());
  SYSMEM_EXPECT_OK(token->SetName(1, "queued, not sent"));
  ExpectInChild([&] {
    bool good = !client().is_connected() && client().fd() == -1;
    good &= IsDisconnected(client().CreateToken());
    good &= IsDisconnected(client().Roundtrip());
    good &= IsDisconnected(client().Dispatch());
    good &= IsDisconnected(token->Sync());
    good &= IsDisconnected(token->Duplicate());
    good &= IsDisconnected(token->DuplicateExported());
    good &= IsDisconnected(collection->Check());
    good &= IsDisconnected(collection->Wait(Patience()));
    good &= IsDisconnected(wait->Finish(Patience()));
    // Freeing is allowed, and must not tell the daemon anything.
    token->Reset();
    collection->Close();
    return good;
  });
  SYSMEM_EXPECT_OK(token->Sync());
  auto joined = std::move(*token).Join(ReaderNeeds(), Patience());
  SYSMEM_EXPECT_OK(joined);
  SYSMEM_EXPECT_OK(wait->Finish(Patience()));
}

TEST_F(Fork, LeavesBuffersToTheChild) {
  auto collection = client().CreateNonSharedCollection();
  SYSMEM_ASSERT_OK(collection);
  SYSMEM_EXPECT_OK(collection->SetConstraints(WriterNeeds(1, 4096)));
  auto buffers = collection->Wait(Patience());
  SYSMEM_ASSERT_OK(buffers);
  ExpectInChild([&] {
    WritePattern(*buffers, 0, 77);
    return HasPattern(*buffers, 0, 77);
  });
  EXPECT_TRUE(HasPattern(*buffers, 0, 77)) << "the child wrote somewhere else";
}

TEST_F(Fork, MayHappenWhileOtherThreadsUseTheClient) {
  std::atomic<bool> done = false;
  std::thread busy([&] {
    while (!done) ExpectServed(client());
  });
  for (int i = 0; i < 20; ++i) {
    ExpectInChild([&] { return IsDisconnected(client().CreateToken()); });
  }
  done = true;
  busy.join();
}

// Descriptors that a program started by this one would inherit.
std::set<int> InheritableDescriptors() {
  std::set<int> inheritable;
  for (int fd = 3; fd < 1024; ++fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags != -1 && (flags & FD_CLOEXEC) == 0) inheritable.insert(fd);
  }
  return inheritable;
}
// As this process found them, before it used the library.
const std::set<int> given_descriptors = InheritableDescriptors();

TEST_F(Fork, AndExecLeavesNoDescriptorOfTheLibraryOpen) {
  auto token = client().CreateToken();
  SYSMEM_ASSERT_OK(token);
  auto exported = token->DuplicateExported();
  SYSMEM_ASSERT_OK(exported);
  auto closed = token->ClosedFd();
  SYSMEM_ASSERT_OK(closed);
  auto collection = client().CreateNonSharedCollection();
  SYSMEM_EXPECT_OK(collection->SetConstraints(WriterNeeds(2, 4096)));
  auto buffers = collection->Wait(Patience());
  SYSMEM_ASSERT_OK(buffers);
  EXPECT_EQ(InheritableDescriptors(), given_descriptors);
}

}  // namespace
}  // namespace sysmem::testing
