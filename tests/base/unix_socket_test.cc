// SPDX-License-Identifier: Apache-2.0
//
// Method: real sockets in a folder of the test's own; other daemons are bare sockets or children.
#include "base/unix_socket.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/listening_socket.h"
#include "base/seqpacket.h"
#include "tests/support/users.h"

namespace sysmem::base {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr milliseconds kSoon(5000);

class SocketFolder : public ::testing::Test {
 protected:
  SocketFolder() : folder_(::testing::TempDir() + "socket_XXXXXX") {
    EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
    path_ = folder_ + "/socket";
  }
  ~SocketFolder() override { std::filesystem::remove_all(folder_); }

  // A socket bound to path_ by somebody who knows nothing of the lock.
  UniqueFd BindStranger(int type, bool listens, int backlog = 8) {
    UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    const sockaddr_un address = SocketAddress(path_).value();
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
    EXPECT_TRUE(!listens || ::listen(socket.get(), backlog) == 0);
    return socket;
  }
  bool Exists(const std::string& path) const { return std::filesystem::exists(path); }
  std::string Refusal() {
    return std::string(ListeningSocket::Bind(path_, 0600).status().message());
  }

  std::string folder_;
  std::string path_;
};

using ListeningSocketTest = SocketFolder;

TEST_F(ListeningSocketTest, AcceptsAPeerAndSaysWhoItIs) {
  const absl::StatusOr<ListeningSocket> listener = ListeningSocket::Bind(path_, 0600);
  ASSERT_TRUE(listener.ok()) << listener.status();
  const absl::StatusOr<UniqueFd> client = ConnectSeqpacket(path_, kSoon);
  ASSERT_TRUE(client.ok()) << client.status();
  const absl::StatusOr<std::optional<Accepted>> accepted = listener->Accept();
  ASSERT_TRUE(accepted.ok() && accepted->has_value()) << accepted.status();
  const Accepted& peer = **accepted;
  EXPECT_EQ(peer.peer, (PeerCredentials{::getpid(), ::getuid(), ::getgid()}));
  EXPECT_EQ(::fcntl(peer.socket.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_NE(::fcntl(peer.socket.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(ListeningSocketTest, HasNothingToAcceptWhenNobodyConnects) {
  const absl::StatusOr<ListeningSocket> listener = ListeningSocket::Bind(path_, 0600);
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_EQ(listener->Accept()->has_value(), false);
}

TEST_F(ListeningSocketTest, HasExactlyTheModeAskedForWhateverTheUmask) {
  const mode_t before = ::umask(0077);
  const absl::StatusOr<ListeningSocket> listener = ListeningSocket::Bind(path_, 0666);
  ::umask(before);
  ASSERT_TRUE(listener.ok()) << listener.status();
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0666U);
}

TEST_F(ListeningSocketTest, RefusesAPathOnWhichAnotherDaemonListens) {
  const absl::StatusOr<ListeningSocket> first = ListeningSocket::Bind(path_, 0600);
  ASSERT_TRUE(first.ok()) << first.status();
  const absl::Status second = ListeningSocket::Bind(path_, 0600).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(second.message(), "another daemon listens on " + path_);
  EXPECT_TRUE(ConnectSeqpacket(path_, kSoon).ok());
}

TEST_F(ListeningSocketTest, HoldsItsPathEvenWhenItsSocketFileIsRemoved) {
  const absl::StatusOr<ListeningSocket> first = ListeningSocket::Bind(path_, 0600);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  EXPECT_THAT(Refusal(), HasSubstr("another daemon listens"));
}

TEST_F(ListeningSocketTest, RefusesAPathOnWhichAStrangerListens) {
  const UniqueFd stranger = BindStranger(SOCK_SEQPACKET, true);
  EXPECT_THAT(Refusal(), HasSubstr("another daemon listens"));
  EXPECT_TRUE(ConnectSeqpacket(path_, kSoon).ok());
}

TEST_F(ListeningSocketTest, RefusesAPathWithASocketOfAnotherType) {
  const UniqueFd stranger = BindStranger(SOCK_STREAM, true);
  EXPECT_THAT(Refusal(), HasSubstr("another daemon listens"));
  EXPECT_TRUE(Exists(path_));
}

TEST_F(ListeningSocketTest, RefusesAPathWhoseListenerIsTooBusyToAnswer) {
  const UniqueFd stranger = BindStranger(SOCK_SEQPACKET, true, 0);
  std::vector<UniqueFd> queued;
  absl::StatusOr<UniqueFd> next = ConnectSeqpacket(path_, milliseconds(1));
  while (next.ok()) {
    queued.push_back(*std::move(next));
    next = ConnectSeqpacket(path_, milliseconds(1));
  }
  ASSERT_EQ(next.status().code(), absl::StatusCode::kDeadlineExceeded) << next.status();
  EXPECT_THAT(Refusal(), HasSubstr("another daemon listens"));
}

TEST_F(ListeningSocketTest, TakesOverASocketOfADaemonThatDied) {
  BindStranger(SOCK_SEQPACKET, true).reset();  // closed without removing the file
  ASSERT_TRUE(Exists(path_));
  const absl::StatusOr<ListeningSocket> listener = ListeningSocket::Bind(path_, 0600);
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_TRUE(ConnectSeqpacket(path_, kSoon).ok());
}

TEST_F(ListeningSocketTest, TakesOverALockFileNobodyHolds) {
  UniqueFd(::open((path_ + ".lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)).reset();
  EXPECT_TRUE(ListeningSocket::Bind(path_, 0600).ok());
}

TEST_F(ListeningSocketTest, NeverRemovesAFileThatIsNotASocket) {
  UniqueFd(::open(path_.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)).reset();
  const absl::Status refused = ListeningSocket::Bind(path_, 0600).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("is not a socket"));
  EXPECT_TRUE(Exists(path_));
}

TEST_F(ListeningSocketTest, RemovesItsFilesAtItsEnd) {
  ASSERT_TRUE(ListeningSocket::Bind(path_, 0600).ok());
  EXPECT_FALSE(Exists(path_));
  EXPECT_FALSE(Exists(path_ + ".lock"));
}

TEST_F(ListeningSocketTest, LeavesASocketThatSomebodyPutInItsPlace) {
  UniqueFd stranger;
  {
    const absl::StatusOr<ListeningSocket> listener = ListeningSocket::Bind(path_, 0600);
    ASSERT_TRUE(listener.ok()) << listener.status();
    ASSERT_EQ(::unlink(path_.c_str()), 0);
    stranger = BindStranger(SOCK_SEQPACKET, true);
  }
  EXPECT_TRUE(Exists(path_));
}

TEST_F(ListeningSocketTest, KeepsItsFilesWhenItIsMoved) {
  absl::StatusOr<ListeningSocket> first = ListeningSocket::Bind(path_, 0600);
  ASSERT_TRUE(first.ok()) << first.status();
  const ListeningSocket second = *std::move(first);
  first = absl::CancelledError("gone");  // destroys what was moved from
  EXPECT_TRUE(ConnectSeqpacket(path_, kSoon).ok());
}

TEST_F(ListeningSocketTest, NamesAPathThatIsTooLong) {
  const absl::Status refused = ListeningSocket::Bind("/" + std::string(200, 'x'), 0600).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("201 bytes, at most 107"));
  EXPECT_EQ(ListeningSocket::Bind("", 0600).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ListeningSocketTest, NamesAFolderThatDoesNotExist) {
  const absl::Status refused = ListeningSocket::Bind(folder_ + "/no/socket", 0600).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(refused.message()), HasSubstr(folder_ + "/no/socket.lock"));
}

TEST_F(ListeningSocketTest, KeepsAConnectionWaitingWhileDescriptorsAreShort) {
  const absl::StatusOr<ListeningSocket> listener = ListeningSocket::Bind(path_, 0600);
  ASSERT_TRUE(listener.ok()) << listener.status();
  const absl::StatusOr<UniqueFd> client = ConnectSeqpacket(path_, kSoon);
  ASSERT_TRUE(client.ok()) << client.status();
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const absl::Status shortage = listener->Accept().status();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(shortage.code(), absl::StatusCode::kResourceExhausted) << shortage;
  EXPECT_TRUE(listener->Accept()->has_value());
}

TEST_F(ListeningSocketTest, AdoptsASocketThatListensAlreadyAndLeavesItsFile) {
  {
    const absl::StatusOr<ListeningSocket> listener =
        ListeningSocket::Adopt(BindStranger(SOCK_SEQPACKET, true));
    ASSERT_TRUE(listener.ok()) << listener.status();
    EXPECT_EQ(listener->path(), path_);
    EXPECT_FALSE(listener->Accept()->has_value());  // does not block
    const absl::StatusOr<UniqueFd> client = ConnectSeqpacket(path_, kSoon);
    EXPECT_TRUE(listener->Accept()->has_value());
  }
  EXPECT_TRUE(Exists(path_));
}

TEST_F(ListeningSocketTest, SaysWhyItCannotAdoptASocket) {
  const auto refusal = [](UniqueFd socket) {
    return std::string(ListeningSocket::Adopt(std::move(socket)).status().message());
  };
  EXPECT_THAT(refusal(BindStranger(SOCK_STREAM, true)), HasSubstr("ListenSequentialPacket"));
  EXPECT_THAT(refusal(UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))),
              HasSubstr("not a Unix socket"));
  EXPECT_THAT(refusal(UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0))),
              HasSubstr("does not listen"));
  EXPECT_THAT(refusal(UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC))), HasSubstr("ENOTSOCK"));
}

using ConnectSeqpacketTest = SocketFolder;

TEST_F(ConnectSeqpacketTest, TellsNoFileFromNobodyListening) {
  EXPECT_EQ(ConnectSeqpacket(path_, kSoon).status().code(), absl::StatusCode::kNotFound);
  BindStranger(SOCK_SEQPACKET, true).reset();
  const absl::Status refused = ConnectSeqpacket(path_, kSoon).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.message()), HasSubstr(path_));
}

TEST_F(ConnectSeqpacketTest, LimitsTheTimeOfConnectingOnly) {
  const UniqueFd listener = BindStranger(SOCK_SEQPACKET, true);
  const absl::StatusOr<UniqueFd> client = ConnectSeqpacket(path_, kSoon);
  ASSERT_TRUE(client.ok()) << client.status();
  timeval limit{.tv_sec = 1, .tv_usec = 1};
  socklen_t length = sizeof(limit);
  ASSERT_EQ(::getsockopt(client->get(), SOL_SOCKET, SO_SNDTIMEO, &limit, &length), 0);
  EXPECT_EQ(limit.tv_sec, 0);
  EXPECT_EQ(limit.tv_usec, 0);
}

TEST(SocketCookie, IsTheSameThroughEveryCopyAndOfNoOtherSocket) {
  const auto [here, there] = SocketPair(SOCK_SEQPACKET).value();
  const UniqueFd copy = Dup(here);
  EXPECT_EQ(*SocketCookie(here), *SocketCookie(copy));
  EXPECT_NE(*SocketCookie(here), *SocketCookie(there));
  EXPECT_NE(*SocketCookie(here), 0U);
  EXPECT_FALSE(SocketCookie(BorrowedFd(-1)).ok());
}

TEST(UnreadBytes, AreZeroExactlyWhenThePeerHasReadEverything) {
  const auto [here, there] = SocketPair(SOCK_SEQPACKET).value();
  const std::byte byte{1};
  std::byte into{};
  EXPECT_EQ(*UnreadBytes(here), 0U);
  ASSERT_TRUE(Send(here, std::span(&byte, 1)).ok());
  ASSERT_TRUE(Send(here, std::span(&byte, 1)).ok());
  EXPECT_GT(*UnreadBytes(here), 0U);
  ASSERT_TRUE(Receive(there, std::span(&into, 1)).ok());
  EXPECT_GT(*UnreadBytes(here), 0U);
  ASSERT_TRUE(Receive(there, std::span(&into, 1)).ok());
  EXPECT_EQ(*UnreadBytes(here), 0U);
}

TEST(WaitReadable, EndsWithItsTimeOrWithTheHangUp) {
  auto [here, there] = SocketPair(SOCK_SEQPACKET).value();
  EXPECT_FALSE(*WaitReadable(there, milliseconds(1)));
  EXPECT_FALSE(*WaitReadable(there, milliseconds(-1)));
  here.reset();
  EXPECT_TRUE(*WaitReadable(there, kSoon));
}

TEST(PeerOf, KnowsTheOtherEndOfAPair) {
  const auto [here, there] = SocketPair(SOCK_SEQPACKET).value();
  EXPECT_EQ(*PeerOf(here), (PeerCredentials{::getpid(), ::getuid(), ::getgid()}));
}

// In a child, because groups are those of a process. What it says of itself through a pair.
std::vector<gid_t> GroupsOfAPeerWith(const std::vector<gid_t>& groups) {
  std::vector<gid_t> told;
  auto [ours, theirs] = SocketPair(SOCK_STREAM).value();
  const pid_t child = ::fork();
  if (child == 0) {
    if (::syscall(SYS_setgroups, groups.size(), groups.data()) != 0) ::_exit(1);
    const auto [here, there] = SocketPair(SOCK_SEQPACKET).value();
    const std::vector<gid_t> seen = PeerGroups(here).value();
    const size_t bytes = seen.size() * sizeof(gid_t);
    ::_exit(::write(theirs.get(), seen.data(), bytes) == static_cast<ssize_t>(bytes) ? 0 : 1);
  }
  theirs.reset();
  gid_t group = 0;
  while (::recv(ours.get(), &group, sizeof(group), MSG_WAITALL) == sizeof(group)) {
    told.push_back(group);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  return told;
}

TEST(PeerGroups, AreThoseOfTheProcessAtTheOtherEnd) {
  const auto [here, there] = SocketPair(SOCK_SEQPACKET).value();
  std::vector<gid_t> own(static_cast<size_t>(::getgroups(0, nullptr)));
  ASSERT_EQ(::getgroups(static_cast<int>(own.size()), own.data()), static_cast<int>(own.size()));
  EXPECT_THAT(*PeerGroups(here), ::testing::UnorderedElementsAreArray(own));
  EXPECT_FALSE(PeerGroups(BorrowedFd(-1)).ok());
}

TEST(PeerGroups, AreAllOfThemHoweverManyThereAre) {
  SYSMEM_NEEDS_SEVERAL_UIDS();
  for (const size_t count : {0, 1, 32, 33, 5000}) {
    std::vector<gid_t> groups(count);
    std::iota(groups.begin(), groups.end(), gid_t{1000});
    EXPECT_EQ(GroupsOfAPeerWith(groups), groups) << count;
  }
}

}  // namespace
}  // namespace sysmem::base
