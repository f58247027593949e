// SPDX-License-Identifier: Apache-2.0
#include "server/listener.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/handle_channel.h"
#include "base/unique_fd.h"
#include "base/unix_socket.h"
#include "tests/server/loop_runner.h"

namespace sysmem::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::StartsWith;

constexpr int64_t kNever = 3'600'000'000'000;

struct Heard {
  PeerInfo peer;
  base::UniqueFd connection;
  std::string hello;
};

// A listener on the test's own loop, and clients that connect to it.
class ListenerTest : public testing::Test {
 protected:
  ListenerTest() {
    std::string pattern = testing::TempDir() + "listener.XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    path_ = directory_ + "/socket";
    options_.hello_ns = kNever;
    options_.encode_end = [](const SessionEnd& end) {
      return std::string(EndReasonName(end.reason)) + ": " + end.message;
    };
    options_.on_hello = [this](PeerInfo peer, base::UniqueFd connection, const std::string& hello) {
      heard_.push_back({std::move(peer), std::move(connection), hello});
    };
  }
  ~ListenerTest() override {
    listener_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Start() {
    base::ListeningSocket socket = std::move(base::ListeningSocket::Bind(path_, 0600)).value();
    listener_ =
        std::move(Listener::Start(std::move(socket), runner_.loop(), closer_, options_)).value();
  }

  base::UniqueFd Connect() {
    return base::ConnectSeqpacket(path_, std::chrono::seconds(10)).value();
  }
  base::UniqueFd ConnectSilently(size_t expected_unheard) {
    base::UniqueFd client = Connect();
    runner_.RunUntil([&] { return listener_->unheard() == expected_unheard; });
    return client;
  }
  static void Send(const base::UniqueFd& client, const base::HandleMessage& message) {
    EXPECT_EQ(base::SendHandleMessage(client, message).value(), base::SendOutcome::kSent);
  }
  void RunUntilHeard(size_t count) {
    runner_.RunUntil([&] { return heard_.size() >= count; });
  }

  // The text of the SESSION_ENDED message that `client` has got or gets next, after which its
  // connection must have ended.
  std::string Goodbye(const base::UniqueFd& client) {
    const auto receive = [&] {
      return base::ReceiveHandleMessage(client, base::HandleMessageSender::kDaemon).value();
    };
    base::ReceivedHandleMessage received;
    runner_.RunUntil([&] {
      received = receive();
      return received.outcome != base::ReceiveOutcome::kWouldBlock;
    });
    if (received.outcome != base::ReceiveOutcome::kMessage) return "(closed without a word)";
    EXPECT_EQ(received.message.kind, base::HandleMessageKind::kSessionEnded);
    runner_.RunUntil([&] { return receive().outcome == base::ReceiveOutcome::kPeerGone; });
    return received.message.body;
  }

  std::string directory_;
  std::string path_;
  ListenerOptions options_;
  LoopRunner runner_;
  Closer closer_;
  std::vector<Heard> heard_;
  std::unique_ptr<Listener> listener_;
};

TEST_F(ListenerTest, HandsOverAClientThatSaidHello) {
  Start();
  const base::UniqueFd client = Connect();
  Send(client, base::HelloMessage("hello there"));
  RunUntilHeard(1);
  ASSERT_EQ(heard_.size(), 1U);
  EXPECT_EQ(heard_[0].hello, "hello there");
  EXPECT_EQ(heard_[0].peer.uid, ::getuid());
  EXPECT_EQ(heard_[0].peer.pid, ::getpid());
  EXPECT_EQ(heard_[0].peer.command, "server_test");
  EXPECT_EQ(listener_->unheard(), 0U);

  // The connection is the client's.
  Send(heard_[0].connection, base::SessionEndedMessage("x"));
  EXPECT_TRUE(base::WaitReadable(client, std::chrono::seconds(10)).value());
}

TEST_F(ListenerTest, HearsAClientThatTakesItsTime) {
  Start();
  const base::UniqueFd client = ConnectSilently(1);
  runner_.RunRounds(3);
  EXPECT_THAT(heard_, IsEmpty());
  Send(client, base::HelloMessage("late"));
  RunUntilHeard(1);
  EXPECT_EQ(listener_->unheard(), 0U);
}

TEST_F(ListenerTest, EndsAConnectionThatSaysNothing) {
  options_.hello_ns = 2'000'000;
  Start();
  const base::UniqueFd client = Connect();
  EXPECT_EQ(Goodbye(client), "NO_HELLO: no hello within 2 ms after connecting");
  EXPECT_EQ(listener_->unheard(), 0U);
  EXPECT_THAT(heard_, IsEmpty());
}

TEST_F(ListenerTest, ForgetsTheDeadlineOfAClientThatSpoke) {
  options_.hello_ns = 2'000'000;
  Start();
  const base::UniqueFd client = Connect();
  Send(client, base::HelloMessage("hi"));
  RunUntilHeard(1);
  bool deadline_passed = false;
  runner_.loop().RunAt(EventLoop::NowNs() + 4'000'000, [&] { deadline_passed = true; });
  runner_.RunUntil([&] { return deadline_passed; });
  EXPECT_FALSE(base::WaitReadable(client, std::chrono::milliseconds(0)).value());
}

TEST_F(ListenerTest, RefusesDescriptorsInPlaceOfAHelloAndTheyEnd) {
  Start();
  const base::UniqueFd client = Connect();
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const base::UniqueFd reader(ends[0]);
  std::vector<base::UniqueFd> descriptors;
  descriptors.emplace_back(ends[1]);
  Send(client, base::DescriptorsMessage(1, std::move(descriptors)));
  EXPECT_THAT(Goodbye(client), StartsWith("FORBIDDEN_DESCRIPTOR: the first message must be HELLO"));
  EXPECT_TRUE(base::WaitReadable(reader, std::chrono::seconds(10)).value());
  EXPECT_THAT(heard_, IsEmpty());
}

TEST_F(ListenerTest, RefusesAMessageThatIsNone) {
  Start();
  const base::UniqueFd client = Connect();
  ASSERT_EQ(::send(client.get(), "GET / HTTP/1.0", 14, 0), 14);
  EXPECT_THAT(Goodbye(client), StartsWith("BAD_MESSAGE: the first message must be HELLO: "));
  EXPECT_THAT(heard_, IsEmpty());
}

TEST_F(ListenerTest, RefusesAMessageThatOnlyTheDaemonSends) {
  Start();
  const base::UniqueFd client = Connect();
  Send(client, base::SessionEndedMessage("you, not me"));
  EXPECT_THAT(Goodbye(client), StartsWith("BAD_MESSAGE: the first message must be HELLO: "));
  EXPECT_THAT(heard_, IsEmpty());
}

TEST_F(ListenerTest, ForgetsAClientThatLeavesBeforeSayingHello) {
  Start();
  base::UniqueFd client = ConnectSilently(1);
  client.reset();
  runner_.RunUntil([&] { return listener_->unheard() == 0; });
  EXPECT_THAT(heard_, IsEmpty());
}

TEST_F(ListenerTest, EndsTheOldestSilentConnectionOfAUserWhoHasTooMany) {
  options_.unheard_per_uid = 2;
  Start();
  const base::UniqueFd first = ConnectSilently(1);
  const base::UniqueFd second = ConnectSilently(2);
  const base::UniqueFd third = Connect();
  EXPECT_THAT(Goodbye(first), StartsWith("NO_HELLO: more than 2 connections of uid"));
  EXPECT_EQ(listener_->unheard(), 2U);
  for (const base::UniqueFd* client : {&second, &third}) {
    Send(*client, base::HelloMessage("still here"));
  }
  RunUntilHeard(2);
}

TEST_F(ListenerTest, EndsTheOldestSilentConnectionWhenThereAreTooManyInAll) {
  options_.unheard = 1;
  Start();
  const base::UniqueFd first = ConnectSilently(1);
  const base::UniqueFd second = Connect();
  EXPECT_THAT(Goodbye(first), StartsWith("NO_HELLO: more than 1 connections have not"));
}

TEST_F(ListenerTest, HearsEverybodyWhoSpeaksAtOnceHoweverManyAreSilent) {
  options_.unheard_per_uid = 1;
  Start();
  const base::UniqueFd silent = ConnectSilently(1);
  std::vector<base::UniqueFd> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(Connect());
    Send(clients.back(), base::HelloMessage("hi"));
  }
  RunUntilHeard(40);
  EXPECT_EQ(listener_->unheard(), 1U);
  Send(silent, base::HelloMessage("me too"));
  RunUntilHeard(41);
}

TEST_F(ListenerTest, SparesAClientThatSpokeBeforeItsPlaceWasNeeded) {
  options_.unheard_per_uid = 1;
  Start();
  const base::UniqueFd first = ConnectSilently(1);
  const base::UniqueFd second = Connect();
  Send(first, base::HelloMessage("just in time"));  // Nobody has looked at it yet.
  runner_.RunUntil([&] { return heard_.size() == 1 && listener_->unheard() == 1; });
  EXPECT_EQ(heard_[0].hello, "just in time");
}

TEST_F(ListenerTest, EndsWithTheConnectionsThatStillWait) {
  Start();
  const base::UniqueFd client = ConnectSilently(1);
  listener_.reset();
  EXPECT_EQ(Goodbye(client), "SHUTDOWN: the daemon ends");
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ListenerTest, IsNotPushedAsideByASecondOneOnItsPath) {
  Start();
  const absl::Status refused = base::ListeningSocket::Bind(path_, 0600).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(refused.message(), "another daemon listens on " + path_);
  const base::UniqueFd client = Connect();
  Send(client, base::HelloMessage("hi"));
  RunUntilHeard(1);
}

TEST_F(ListenerTest, TakesOverAPathOnWhichNobodyListens) {
  {
    const base::UniqueFd dead(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    const sockaddr_un address = base::SocketAddress(path_).value();
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  ASSERT_TRUE(std::filesystem::exists(path_));
  Start();
  const base::UniqueFd client = Connect();
  Send(client, base::HelloMessage("hi"));
  RunUntilHeard(1);
}

// Uses up every descriptor of the process until its end.
class DescriptorShortage {
 public:
  DescriptorShortage() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit low{.rlim_cur = 256, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &low);
    while (true) {
      base::UniqueFd filler(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      if (!filler) break;
      fillers_.push_back(std::move(filler));
    }
  }
  ~DescriptorShortage() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
  std::vector<base::UniqueFd> fillers_;
};

TEST_F(ListenerTest, TellsAClientThatDescriptorsAreShortAndHearsTheNextOneWhenTheyAreNot) {
  options_.backoff_ns = 1'000'000;
  Start();
  const base::UniqueFd refused = Connect();
  std::optional<DescriptorShortage> shortage(std::in_place);
  EXPECT_THAT(Goodbye(refused), StartsWith("LIMIT: accept on "));

  shortage.reset();
  const base::UniqueFd next = Connect();
  Send(next, base::HelloMessage("patient"));
  RunUntilHeard(1);
}

TEST_F(ListenerTest, PausesWhileDescriptorsAreShort) {
  options_.backoff_ns = kNever;
  Start();
  const base::UniqueFd first = Connect();
  const base::UniqueFd second = Connect();
  const DescriptorShortage shortage;
  EXPECT_THAT(Goodbye(first), StartsWith("LIMIT: "));
  runner_.RunRounds(10);  // The second one is still in the queue, and nobody spins over it.
  EXPECT_FALSE(base::WaitReadable(second, std::chrono::milliseconds(0)).value());
}

}  // namespace
}  // namespace sysmem::server
