// SPDX-License-Identifier: Apache-2.0
//
// After fork(): the child's handles are dead, and the parent's session does not notice the child.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/client/session_fixture.h"
#include "tests/support/sanitizers.h"

namespace sysmem::client {
namespace {

// For what takes milliseconds.
constexpr unsigned kChildSeconds = 10;

class ForkTest : public SessionTest {
 protected:
  // Runs `function` in a child; its result is the child's exit code, 0 if all was well.
  template <typename Function>
  static int InChild(Function function) {
    // The allocator of a sanitizer, unlike the C library's, cannot be forked while another thread
    // is inside: such a child hangs in its first malloc or free. It is ended, and another one
    // tried.
    constexpr int kTries =
        sysmem::testing::kAddressSanitizer || sysmem::testing::kThreadSanitizer ? 5 : 1;
    int result = 0;
    for (int i = 0; i < kTries; ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        ::alarm(kChildSeconds);
        ::_exit(function());
      }
      int status = 0;
      EXPECT_EQ(::waitpid(child, &status, 0), child);
      result = WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
      if (result != 100 + SIGALRM) break;
    }
    return result;
  }
  template <typename T>
  static bool IsDead(const Result<T>& result) {
    return !result.ok() && result.failure().status == Status::kDisconnected &&
           result.failure().message.find("fork") != std::string::npos;
  }
};

TEST_F(ForkTest, EveryCallOfTheChildAnswersDisconnected) {
  Token token = MakeToken();
  Collection collection = MakeCollection();
  auto wait = collection.StartWait(Deadline::Never());
  const int step = InChild([&] {
    if (!IsDead(token.Sync())) return 1;
    if (!IsDead(token.SetName(1, "x"))) return 2;
    if (!IsDead(client_->CreateToken())) return 3;
    if (!IsDead(client_->Flush())) return 4;
    if (!IsDead(client_->Roundtrip())) return 5;
    if (!IsDead(client_->Dispatch(1s))) return 6;
    if (!IsDead(client_->GetServerInfo())) return 7;
    if (!IsDead(client_->Inspect("GetStatus"))) return 8;
    if (!IsDead(wait->Finish(1s))) return 9;
    if (!IsDead(collection.StartWait(1s))) return 10;
    if (!IsDead(collection.ClosedFd())) return 11;
    if (!IsDead(token.Duplicate())) return 12;
    if (client_->fd() != -1) return 13;
    if (client_->is_connected()) return 14;
    if (!token.is_closed()) return 15;
    return 0;
  });
  EXPECT_EQ(step, 0);
}

TEST_F(ForkTest, ObjectsCanBeFreedInTheChildAndTheParentGoesOn) {
  std::optional<Token> token = MakeToken();
  auto wait = MakeCollection().StartWait(Deadline::Never());
  std::optional<PendingWait> pending(std::move(*wait));
  EXPECT_TRUE(client_->Flush().ok());
  const size_t sent_before = daemon_.waiting_calls();
  EXPECT_EQ(InChild([&] {
              pending.reset();
              token.reset();
              client_.reset();
              return 0;
            }),
            0);
  AnswerEverything();
  EXPECT_TRUE(token->Sync().ok());
  EXPECT_TRUE(client_->Roundtrip().ok());
  static_cast<void>(sent_before);
}

TEST_F(ForkTest, TheParentsEndIsSeenAlthoughAChildLivesOn) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    char byte;
    ::close(pipe[1]);
    ::_exit(static_cast<int>(::read(pipe[0], &byte, 1)));  // until the test lets it go
  }
  AnswerEverything();
  client_.reset();
  EXPECT_TRUE(daemon_.SeesHangUp());
  ::close(pipe[1]);
  ::close(pipe[0]);
  ::waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace sysmem::client
