// SPDX-License-Identifier: Apache-2.0
//
// Callbacks and event loops.
#include <dirent.h>
#include <gmock/gmock.h>
#include <poll.h>

#include <fstream>

#include "tests/client/session_fixture.h"

namespace sysmem::client {
namespace {

bool Readable(int fd, std::chrono::milliseconds timeout = 0ms) {
  pollfd polled{fd, POLLIN, 0};
  return ::poll(&polled, 1, static_cast<int>(timeout.count())) == 1;
}

class DispatchTest : public SessionTest {
 protected:
  DispatchTest() : collection_(MakeCollection()) {
    EXPECT_TRUE(client_->Flush().ok());
    const FakeDaemon::Call call = daemon_.NextCall();
    handle_ = call.run.operations(0).allocate_non_shared_collection().collection_handle();
    daemon_.Reply(call, 2);
    AnswerEverything(nullptr, 4);  // 3 is for an event
  }
  ~DispatchTest() override {
    if (!sent_) CloseNode();
  }
  void CloseNode(const std::string& reason = "gone") {
    sent_ = true;
    daemon_.SendNodeClosed(3, handle_, reason);
  }
  void EndSession() {
    sent_ = true;
    daemon_.EndSession("enough");
  }
  std::optional<Collection> collection_;
  uint64_t handle_ = 0;
  bool sent_ = false;
};

TEST_F(DispatchTest, ClosureMakesTheDescriptorReadableAndCallsBackInDispatchOnly) {
  std::optional<Failure> seen;
  collection_->SetListener({.closed = [&](const Failure& why) { seen = why; }});
  EXPECT_FALSE(Readable(client_->fd()));
  CloseNode("gone away");
  EXPECT_TRUE(Readable(client_->fd(), 10s));
  EXPECT_FALSE(seen);
  // (A reply that was sent before may still be on its way, so this waits.)
  EXPECT_EQ(*client_->Dispatch(10s), 1u);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->status, Status::kClosed);
  EXPECT_EQ(seen->message, "gone away");
  EXPECT_EQ(*client_->Dispatch(), 0u) << "told once";
  EXPECT_FALSE(Readable(client_->fd()));
}

TEST_F(DispatchTest, WaitsForACallbackUntilTheDeadline) {
  EXPECT_EQ(*client_->Dispatch(1ms), 0u);
  bool closed = false;
  collection_->SetListener({.closed = [&](const Failure&) { closed = true; }});
  auto dispatched = Async([&] { return *client_->Dispatch(10s); });
  CloseNode();
  EXPECT_EQ(dispatched.get(), 1u);
  EXPECT_TRUE(closed);
}

TEST_F(DispatchTest, TellsAListenerWhatHappenedBeforeItCame) {
  CloseNode();
  EXPECT_TRUE(client_->Roundtrip().ok());
  EXPECT_EQ(*client_->Dispatch(), 0u);
  bool closed = false;
  collection_->SetListener({.closed = [&](const Failure&) { closed = true; }});
  EXPECT_EQ(*client_->Dispatch(), 1u);
  EXPECT_TRUE(closed);
}

TEST_F(DispatchTest, TellsAListenerOfRefusedCalls) {
  FakeDaemon daemon;
  auto client = Client::Connect({.path = daemon.path()});
  ASSERT_TRUE(client.ok());
  auto token = client->CreateToken();
  ASSERT_TRUE(token.ok());
  std::vector<std::string> refused;
  token->SetListener({.refused = [&](const Failure& why) { refused.push_back(why.message); }});
  EXPECT_TRUE(token->SetDispensable().ok());
  EXPECT_TRUE(client->Flush().ok());
  daemon.Reply(daemon.NextCall(), 1, Failing(2, sysmem2::OUTCOME_UNIMPLEMENTED, "not yet"));
  EXPECT_EQ(*client->Dispatch(10s), 1u);
  EXPECT_THAT(refused, testing::ElementsAre("not yet"));
  daemon.AnswerEverything(nullptr, 2);
}

TEST_F(DispatchTest, ACallbackMayDestroyItsObject) {
  auto witness = std::make_shared<int>(1);
  const std::weak_ptr<int> freed = witness;
  collection_->SetListener({.closed = [this, witness](const Failure&) {
    collection_.reset();
    EXPECT_EQ(*witness, 1) << "the callback's own data lives until it returns";
  }});
  witness.reset();
  CloseNode();
  EXPECT_EQ(*client_->Dispatch(10s), 1u);
  EXPECT_FALSE(collection_);
  EXPECT_TRUE(freed.expired());
}

TEST_F(DispatchTest, ACallbackMayCallTheLibraryAndWaitForIt) {
  bool synced = false;
  Token token = MakeToken();
  collection_->SetListener({.closed = [&](const Failure&) { synced = token.Sync().ok(); }});
  CloseNode();
  EXPECT_EQ(*client_->Dispatch(10s), 1u);
  EXPECT_TRUE(synced);
}

TEST_F(DispatchTest, ACallbackMayDestroyTheClient) {
  collection_->SetListener({.closed = [this](const Failure&) { client_.reset(); }});
  CloseNode();
  EXPECT_EQ(*client_->Dispatch(10s), 1u);
  EXPECT_FALSE(client_);
}

TEST_F(DispatchTest, NothingIsToldOfANodeThatWasLeft) {
  collection_->SetListener({.closed = [](const Failure&) { FAIL(); }});
  CloseNode();
  EXPECT_TRUE(client_->Roundtrip().ok());
  collection_.reset();
  EXPECT_TRUE(client_->Dispatch().ok());
}

TEST_F(DispatchTest, AListenersDataIsFreedWhenItIsReplaced) {
  auto witness = std::make_shared<int>(1);
  const std::weak_ptr<int> freed = witness;
  collection_->SetListener({.closed = [witness](const Failure&) {}});
  witness.reset();
  EXPECT_FALSE(freed.expired());
  collection_->SetListener({});
  EXPECT_TRUE(freed.expired());
}

TEST_F(DispatchTest, TheEndOfTheSessionIsToldLast) {
  std::vector<std::string> told;
  client_->OnEnded([&](const Failure& why) { told.push_back("ended: " + why.message); });
  collection_->SetListener({.closed = [&](const Failure& why) {
    EXPECT_EQ(why.status, Status::kDisconnected);
    told.push_back("closed");
  }});
  EndSession();
  EXPECT_TRUE(Readable(client_->fd(), 10s));
  EXPECT_EQ(*client_->Dispatch(), 2u);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0], "closed");
  EXPECT_THAT(told[1], testing::HasSubstr("ended: "));
  EXPECT_THAT(told[1], testing::HasSubstr("enough"));
  EXPECT_EQ(client_->Dispatch().failure().status, Status::kDisconnected);
  EXPECT_TRUE(Readable(client_->fd())) << "for good";
}

TEST_F(DispatchTest, AnEventfdTellsOfClosureWithoutDispatch) {
  auto closed = collection_->ClosedFd();
  ASSERT_TRUE(closed.ok());
  EXPECT_FALSE(Readable(closed->get()));
  CloseNode();
  EXPECT_TRUE(Readable(closed->get(), 10s));
  auto again = collection_->ClosedFd();
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(Readable(again->get())) << "it is closed already";
}

TEST_F(DispatchTest, AnEventfdTellsOfTheEndOfTheSession) {
  auto closed = collection_->ClosedFd();
  ASSERT_TRUE(closed.ok());
  EndSession();
  EXPECT_TRUE(Readable(closed->get(), 10s));
}

TEST_F(DispatchTest, ThreadsOfTheLibraryLeaveSignalsToTheProgram) {
  auto closed = collection_->ClosedFd();                  // starts sysmem-events
  auto wait = collection_->StartWait(Deadline::Never());  // starts sysmem-replies
  ASSERT_TRUE(closed.ok() && wait.ok());
  int found = 0;
  DIR* tasks = ::opendir("/proc/self/task");
  while (const dirent* entry = ::readdir(tasks)) {
    std::ifstream status(std::string("/proc/self/task/") + entry->d_name + "/status");
    std::string line, name;
    while (std::getline(status, line)) {
      if (line.starts_with("Name:")) name = line.substr(6);
      if (!line.starts_with("SigBlk:") || !name.starts_with("sysmem-")) continue;
      ++found;
      // All but KILL, STOP and the two that the C library keeps for itself.
      constexpr uint64_t kAll = 0xfffffffe7ffbfeff;
      EXPECT_EQ(std::stoull(line.substr(8), nullptr, 16) & kAll, kAll) << name;
    }
  }
  ::closedir(tasks);
  EXPECT_EQ(found, 2);
}

}  // namespace
}  // namespace sysmem::client
