// SPDX-License-Identifier: Apache-2.0
#include "client/connect.h"

#include <errno.h>  // also for program_invocation_short_name

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "base/handle_channel.h"
#include "base/unix_socket.h"
#include "client/clock.h"
#include "client/text.h"
#include "sysmem_version.h"

namespace sysmem::client {
namespace {

constexpr char kSystemSocket[] = "/run/sysmemd/socket";
constexpr char kUserSocket[] = "/sysmemd/socket";

// An empty variable counts as unset.
const char* Environment(const char* name) {
  const char* value = ::secure_getenv(name);
  return value == nullptr || *value == '\0' ? nullptr : value;
}

std::chrono::milliseconds TimeLeft(int64_t deadline_ns) {
  const int timeout = PollTimeout(deadline_ns);
  return std::chrono::milliseconds(timeout < 0 ? INT32_MAX : timeout);
}

std::string HelloBody() {
  sysmem2::Hello hello;
  hello.set_library("libsysmem " SYSMEM_VERSION_STRING);
  hello.set_command(ValidUtf8(program_invocation_short_name));
  return hello.SerializeAsString();
}

// Says hello on a connected socket and waits for the welcome.
Outcome<Greeting> SayHello(const std::string& path, base::UniqueFd socket, int64_t deadline_ns) {
  const auto sent =
      base::SendHandleMessage(socket, base::HelloMessage(HelloBody()), base::Wait::kNo);
  if (!sent.ok()) return FromStatus(SYSMEM_UNREACHABLE, sent.status());
  const auto readable = base::WaitReadable(socket, TimeLeft(deadline_ns));
  if (!readable.ok()) return FromStatus(SYSMEM_UNREACHABLE, readable.status());
  if (!*readable) return TimedOut("the daemon at " + path + " did not answer in time");

  auto received = base::ReceiveHandleMessage(socket, base::HandleMessageSender::kDaemon);
  if (!received.ok()) return FromStatus(SYSMEM_UNREACHABLE, received.status());
  if (received->outcome != base::ReceiveOutcome::kMessage) {
    return Failure{.status = SYSMEM_UNREACHABLE,
                   .message = "the daemon at " + path + " hung up without a word"};
  }
  base::HandleMessage& message = received->message;
  if (message.kind == base::HandleMessageKind::kSessionEnded) {
    return FromSessionEnded("the daemon at " + path + " refuses this client", message.body);
  }
  if (message.kind != base::HandleMessageKind::kWelcome) {
    return Failure{.status = SYSMEM_UNREACHABLE,
                   .message = "what listens at " + path + " is no sysmemd"};
  }
  return Greeting{.path = path,
                  .handle_channel = std::move(socket),
                  .call_channel = std::move(message.descriptors.front())};
}

// What connect() met, of that which callers tell apart; else 0.
int ErrnoOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kPermissionDenied:
      return EACCES;
    case absl::StatusCode::kNotFound:
      return ENOENT;
    case absl::StatusCode::kUnavailable:
      return ECONNREFUSED;
    default:
      return 0;
  }
}

// Of several paths that did not answer, what helps most: somebody may be there who is out of reach;
// somebody was there; it is unknown; nobody ever was.
int MoreTelling(int one, int other) {
  for (const int error : {EACCES, ECONNREFUSED, 0}) {
    if (one == error || other == error) return error;
  }
  return one;
}

Outcome<Greeting> GreetAt(const std::string& path, int64_t deadline_ns) {
  auto socket = base::ConnectSeqpacket(path, TimeLeft(deadline_ns));
  if (!socket.ok()) {
    const bool late = socket.status().code() == absl::StatusCode::kDeadlineExceeded;
    Failure failure = FromStatus(late ? SYSMEM_TIMEOUT : SYSMEM_UNREACHABLE, socket.status());
    failure.system_errno = ErrnoOf(socket.status());
    return failure;
  }
  return SayHello(path, *std::move(socket), deadline_ns);
}

}  // namespace

std::vector<std::string> SocketPaths() {
  if (const char* path = Environment("SYSMEM_SOCKET")) return {path};
  std::vector<std::string> paths;
  if (const char* runtime = Environment("XDG_RUNTIME_DIR")) {
    paths.push_back(std::string(runtime) + kUserSocket);
  }
  paths.emplace_back(kSystemSocket);
  return paths;
}

Outcome<Greeting> Greet(const GreetOptions& options) {
  const std::vector<std::string> paths =
      options.path ? std::vector<std::string>{*options.path} : SocketPaths();
  std::string tried;
  int system_errno = ENOENT;
  for (const std::string& path : paths) {
    auto greeting = GreetAt(path, options.deadline_ns);
    // Only where nobody answers the search goes on.
    if (greeting.ok() || greeting.failure().status != SYSMEM_UNREACHABLE) return greeting;
    tried += (tried.empty() ? "" : "; ") + greeting.failure().message;
    system_errno = MoreTelling(system_errno, greeting.failure().system_errno);
  }
  return Failure{.status = SYSMEM_UNREACHABLE,
                 .message = "no sysmemd answers: " + tried,
                 .system_errno = system_errno};
}

}  // namespace sysmem::client
