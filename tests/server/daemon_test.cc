// SPDX-License-Identifier: Apache-2.0
//
// The daemon's program from outside: how it starts, refuses to start, and ends.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/handle_channel.h"
#include "base/unique_fd.h"
#include "base/unix_socket.h"

namespace sysmem::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::chrono::seconds kPatience{50};
constexpr int kReadyFd = 9;
constexpr int kActivationFd = 3;  // sd_listen_fds(3)

std::string DaemonPath() {
  return std::filesystem::read_symlink("/proc/self/exe").replace_filename("sysmemd");
}

// A daemon that was started. Killed at the end if it still runs.
class Daemon {
 public:
  // `listening`, if given, is handed over as systemd does. What the daemon writes goes to `log`.
  Daemon(const std::string& socket_path, std::string log,
         const base::UniqueFd& listening = base::UniqueFd())
      : log_(std::move(log)) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    ready_.reset(ends[0]);
    const base::UniqueFd told(ends[1]);

    // Only the process itself knows the pid that systemd would have put there.
    std::vector<std::string> arguments = {"/bin/sh", "-c"};
    arguments.push_back(listening ? "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\""
                                  : "exec \"$0\" \"$@\"");
    arguments.insert(arguments.end(), {DaemonPath(), "--socket", socket_path, "--ready-fd",
                                       std::to_string(kReadyFd)});
    Spawn(arguments, told, listening);
  }
  ~Daemon() {
    if (pid_ == 0) return;
    Signal(SIGKILL);
    Wait();
  }

  // False when it ended instead.
  bool WaitUntilReady() const {
    char byte = 0;
    return base::WaitReadable(ready_, kPatience).value() && ::read(ready_.get(), &byte, 1) == 1;
  }
  void Signal(int number) const { ::kill(pid_, number); }
  // The exit code, or minus the signal that killed it.
  int Wait() {
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  std::string Log() const {
    std::ostringstream text;
    text << std::ifstream(log_).rdbuf();
    return text.str();
  }

 private:
  void Spawn(std::vector<std::string>& arguments, const base::UniqueFd& told,
             const base::UniqueFd& listening) {
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    // To high numbers first: a source may lie where another one goes.
    ::posix_spawn_file_actions_adddup2(&actions, told.get(), 100);
    if (listening) ::posix_spawn_file_actions_adddup2(&actions, listening.get(), 101);
    ::posix_spawn_file_actions_adddup2(&actions, 100, kReadyFd);
    if (listening) ::posix_spawn_file_actions_adddup2(&actions, 101, kActivationFd);
    ::posix_spawn_file_actions_addclose(&actions, 100);
    ::posix_spawn_file_actions_addclose(&actions, 101);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log_.c_str(),
                                       O_WRONLY | O_CREAT | O_APPEND, 0600);
    EXPECT_EQ(::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
  }

  const std::string log_;
  base::UniqueFd ready_;
  pid_t pid_ = 0;
};

class DaemonTest : public testing::Test {
 protected:
  DaemonTest() {
    std::string pattern = testing::TempDir() + "daemon_test.XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    path_ = directory_ + "/run/socket";  // The daemon makes the last directory.
  }
  ~DaemonTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Daemon> Start(const base::UniqueFd& listening = base::UniqueFd()) {
    const std::string log = directory_ + "/log" + std::to_string(++daemons_);
    return std::make_unique<Daemon>(path_, log, listening);
  }
  base::UniqueFd Connect() { return base::ConnectSeqpacket(path_, kPatience).value(); }

  // The next message for `client`; none when the connection has ended.
  static base::ReceivedHandleMessage Next(const base::UniqueFd& client) {
    EXPECT_TRUE(base::WaitReadable(client, kPatience).value());
    return base::ReceiveHandleMessage(client, base::HandleMessageSender::kDaemon).value();
  }
  // A client that has been welcomed.
  base::UniqueFd OpenSession() {
    base::UniqueFd client = Connect();
    EXPECT_TRUE(base::SendHandleMessage(client, base::HelloMessage("")).ok());
    base::ReceivedHandleMessage welcome = Next(client);
    EXPECT_EQ(welcome.message.kind, base::HandleMessageKind::kWelcome);
    // Its close would be the end of the session.
    for (base::UniqueFd& end : welcome.message.descriptors)
      call_channels_.push_back(std::move(end));
    return client;
  }
  base::UniqueFd Listen(int type) {
    base::UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    std::filesystem::create_directory(directory_ + "/run");
    const sockaddr_un address = base::SocketAddress(path_).value();
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
    EXPECT_EQ(::listen(socket.get(), 8), 0);
    return socket;
  }

  std::string directory_;
  std::string path_;
  std::vector<base::UniqueFd> call_channels_;
  int daemons_ = 0;
};

TEST_F(DaemonTest, SaysWhereItListensAndLeavesNothingBehind) {
  for (const int ending_signal : {SIGTERM, SIGINT}) {
    const auto daemon = Start();
    ASSERT_TRUE(daemon->WaitUntilReady()) << daemon->Log();
    EXPECT_THAT(daemon->Log(), HasSubstr(" listening on " + path_));
    daemon->Signal(ending_signal);
    EXPECT_EQ(daemon->Wait(), 0) << daemon->Log();
    EXPECT_TRUE(std::filesystem::is_empty(directory_ + "/run"));
  }
}

TEST_F(DaemonTest, SurvivesSignalsThatKillWhomTheyAreNotExpectedBy) {
  const auto daemon = Start();
  ASSERT_TRUE(daemon->WaitUntilReady()) << daemon->Log();
  daemon->Signal(SIGIO);
  daemon->Signal(SIGPIPE);
  OpenSession();
  daemon->Signal(SIGTERM);
  EXPECT_EQ(daemon->Wait(), 0);
}

TEST_F(DaemonTest, RefusesToStartOnAPathWhereAnotherOneListens) {
  const auto first = Start();
  ASSERT_TRUE(first->WaitUntilReady()) << first->Log();
  const auto second = Start();
  EXPECT_FALSE(second->WaitUntilReady());
  EXPECT_EQ(second->Wait(), 1);
  EXPECT_THAT(second->Log(), HasSubstr("another daemon listens on " + path_));
  OpenSession();  // The first one does not mind.
}

TEST_F(DaemonTest, TakesOverThePathOfOneThatWasKilled) {
  const auto first = Start();
  ASSERT_TRUE(first->WaitUntilReady()) << first->Log();
  first->Signal(SIGKILL);
  EXPECT_EQ(first->Wait(), -SIGKILL);
  ASSERT_TRUE(std::filesystem::exists(path_));
  const auto second = Start();
  ASSERT_TRUE(second->WaitUntilReady()) << second->Log();
  OpenSession();
}

TEST_F(DaemonTest, LeavesAFileThatIsNoSocketAlone) {
  std::filesystem::create_directory(directory_ + "/run");
  std::ofstream(path_) << "precious";
  const auto daemon = Start();
  EXPECT_FALSE(daemon->WaitUntilReady());
  EXPECT_EQ(daemon->Wait(), 1);
  EXPECT_THAT(daemon->Log(), HasSubstr("exists and is not a socket"));
  EXPECT_EQ(std::filesystem::file_size(path_), std::string_view("precious").size());
}

TEST_F(DaemonTest, UsesTheSocketThatItWasHandedAndLeavesItsFile) {
  const auto daemon = Start(Listen(SOCK_SEQPACKET));
  ASSERT_TRUE(daemon->WaitUntilReady()) << daemon->Log();
  EXPECT_THAT(daemon->Log(), HasSubstr(" listening on " + path_));
  OpenSession();
  daemon->Signal(SIGTERM);
  EXPECT_EQ(daemon->Wait(), 0);
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(DaemonTest, RefusesAHandedSocketOfAnotherType) {
  const auto daemon = Start(Listen(SOCK_STREAM));
  EXPECT_FALSE(daemon->WaitUntilReady());
  EXPECT_EQ(daemon->Wait(), 1);
  EXPECT_THAT(daemon->Log(), HasSubstr("is not of type SOCK_SEQPACKET"));
}

TEST_F(DaemonTest, TellsItsClientsThatItEnds) {
  const auto daemon = Start();
  ASSERT_TRUE(daemon->WaitUntilReady()) << daemon->Log();
  const base::UniqueFd client = OpenSession();
  const base::UniqueFd silent = Connect();
  daemon->Signal(SIGTERM);
  EXPECT_EQ(daemon->Wait(), 0) << daemon->Log();
  EXPECT_THAT(daemon->Log(), Not(HasSubstr("took too long")));
  const base::ReceivedHandleMessage last = Next(client);
  ASSERT_EQ(last.outcome, base::ReceiveOutcome::kMessage);
  EXPECT_EQ(last.message.kind, base::HandleMessageKind::kSessionEnded);
  EXPECT_EQ(Next(client).outcome, base::ReceiveOutcome::kPeerGone);
}

}  // namespace
}  // namespace sysmem::server
