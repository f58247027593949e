// SPDX-License-Identifier: Apache-2.0
#include "client/connect.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <sysmem/sysmem.hpp>

#include "base/unix_socket.h"
#include "tests/client/fake_daemon.h"

namespace sysmem::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

// Sets (or unsets) an environment variable for the length of a test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = ::getenv(name)) before_ = before;
    value == nullptr ? ::unsetenv(name) : ::setenv(name, value, 1);
  }
  ~Variable() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }

 private:
  const char* name_;
  std::optional<std::string> before_;
};

TEST(SocketPaths, AreThoseOfTheEnvironmentAndTheSystem) {
  const Variable socket("SYSMEM_SOCKET", nullptr);
  const Variable runtime("XDG_RUNTIME_DIR", "/run/user/7");
  EXPECT_THAT(SocketPaths(), ElementsAre("/run/user/7/sysmemd/socket", "/run/sysmemd/socket"));
}

TEST(SocketPaths, AreOneOnlyIfTheEnvironmentNamesIt) {
  const Variable socket("SYSMEM_SOCKET", "/a/socket");
  const Variable runtime("XDG_RUNTIME_DIR", "/run/user/7");
  EXPECT_THAT(SocketPaths(), ElementsAre("/a/socket"));
}

TEST(SocketPaths, IgnoreEmptyVariables) {
  const Variable socket("SYSMEM_SOCKET", "");
  const Variable runtime("XDG_RUNTIME_DIR", "");
  EXPECT_THAT(SocketPaths(), ElementsAre("/run/sysmemd/socket"));
}

TEST(Connect, TakesTheSocketThatTheEnvironmentNames) {
  FakeDaemon daemon;
  daemon.AnswerEverything();
  const Variable socket("SYSMEM_SOCKET", daemon.path().c_str());
  auto client = Client::Connect();
  ASSERT_TRUE(client.ok()) << client.failure().ToString();
  EXPECT_EQ(client->path(), daemon.path());
}

TEST(Connect, SaysWhoItIs) {
  FakeDaemon daemon;
  daemon.AnswerEverything();
  auto client = Client::Connect({.path = daemon.path(), .debug_name = "camera", .debug_id = 12});
  ASSERT_TRUE(client.ok());
  EXPECT_THAT(daemon.hello().library(), HasSubstr("libsysmem "));
  EXPECT_EQ(daemon.hello().command(), program_invocation_short_name);
}

TEST(Connect, NamesTheProgramInItsFirstMessage) {
  FakeDaemon daemon;
  auto client = Client::Connect({.path = daemon.path(), .debug_name = "camera", .debug_id = 12});
  ASSERT_TRUE(client.ok());
  ASSERT_TRUE(client->Flush().ok());
  const auto call = daemon.NextCall();
  EXPECT_EQ(call.number, 1u);
  const auto& first = call.run.operations(0).allocator_set_debug_client_info();
  EXPECT_EQ(first.name(), "camera");
  EXPECT_EQ(first.id(), 12u);
  daemon.Reply(call, 1);
  daemon.AnswerEverything(nullptr, 2);
}

TEST(Connect, NamesEveryPathThatDidNotAnswer) {
  const Variable socket("SYSMEM_SOCKET", nullptr);
  const Variable runtime("XDG_RUNTIME_DIR", "/nowhere");
  if (::access("/run/sysmemd/socket", F_OK) == 0) GTEST_SKIP() << "a daemon runs here";
  const auto client = Client::Connect();
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.failure().status, Status::kUnreachable);
  EXPECT_THAT(client.failure().message, HasSubstr("/nowhere/sysmemd/socket"));
  EXPECT_THAT(client.failure().message, HasSubstr("/run/sysmemd/socket"));
}

TEST(Connect, TellsASocketThatNobodyListensAtFromNone) {
  char directory[] = "/tmp/sysmem-connect-XXXXXX";
  ASSERT_NE(::mkdtemp(directory), nullptr);
  const std::string path = std::string(directory) + "/socket";
  EXPECT_EQ(Client::Connect({.path = path}).failure().system_errno, ENOENT);
  const UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const sockaddr_un address = *base::SocketAddress(path);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(Client::Connect({.path = path}).failure().system_errno, ECONNREFUSED);
  ::unlink(path.c_str());
  ::rmdir(directory);
}

TEST(Connect, PassesOnWhyTheDaemonRefuses) {
  FakeDaemon daemon;
  daemon.Greet(FakeDaemon::Greeting::kRefusal);
  const auto client = Client::Connect({.path = daemon.path()});
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.failure().status, Status::kDisconnected);
  EXPECT_EQ(client.failure().system_errno, EDQUOT);
  EXPECT_THAT(client.failure().message, HasSubstr("256 sessions of this user are open"));
}

TEST(Connect, DoesNotWaitForEverForASilentDaemon) {
  FakeDaemon daemon;
  daemon.Greet(FakeDaemon::Greeting::kSilence);
  const auto client = Client::Connect({.path = daemon.path(), .timeout = 5ms});
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.failure().status, Status::kTimeout);
}

TEST(Connect, TakesAListenerThatHangsUpForNoDaemon) {
  FakeDaemon daemon;
  daemon.Greet(FakeDaemon::Greeting::kHangUp);
  const auto client = Client::Connect({.path = daemon.path()});
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.failure().status, Status::kUnreachable);
}

TEST(Connect, RefusesANameThatCannotBeSent) {
  FakeDaemon daemon;
  const auto client = Client::Connect({.path = daemon.path(), .debug_name = std::string(257, 'x')});
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.failure().status, Status::kInvalidArgument);
}

}  // namespace
}  // namespace sysmem::client
