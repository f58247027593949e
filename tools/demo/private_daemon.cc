// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/private_daemon.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <utility>

#include "tools/demo/identity.h"

namespace sysmem::demo {
namespace {

constexpr int kStartMayTakeMs = 15'000;
constexpr int kStopMayTakeMs = 5'000;
constexpr int kReadyNumber = 3;
constexpr size_t kLastWordsLength = 2'000;
constexpr mode_t kLogMode = 0600;

}  // namespace

Result<std::unique_ptr<PrivateDaemon>> PrivateDaemon::Start(
    Workspace& workspace, const std::vector<std::string>& arguments) {
  Result<std::string> program = workspace.Program("sysmemd");
  if (!program.ok()) return program.failure();
  const std::string log_path = workspace.daemon_log();
  const UniqueFd log(::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kLogMode));
  std::array<int, 2> ready{};
  if (!log || ::pipe2(ready.data(), O_CLOEXEC) != 0) return ErrnoSentence("cannot start a daemon");
  const UniqueFd reader(ready[0]);
  UniqueFd writer(ready[1]);
  std::vector<std::string> all_arguments = {"--socket",      workspace.socket_path(),
                                            "--socket-mode", HasSeparateUsers() ? "666" : "600",
                                            "--config",      workspace.empty_file(),
                                            "--log-level",   "info",
                                            "--ready-fd",    std::to_string(kReadyNumber)};
  all_arguments.insert(all_arguments.end(), arguments.begin(), arguments.end());
  Result<ChildProcess> process = ChildProcess::Start(
      {.program = *program,
       .arguments = std::move(all_arguments),
       .descriptors = {{log.get(), 1}, {log.get(), 2}, {writer.get(), kReadyNumber}},
       .user = UserOfDaemon()});
  if (!process.ok()) return process.failure();
  writer.reset();
  std::unique_ptr<PrivateDaemon> daemon(new PrivateDaemon(std::move(*process), log_path));
  if (Result<void> is_ready = daemon->WaitUntilReady(reader); !is_ready.ok()) {
    return is_ready.failure();
  }
  return daemon;
}

Result<void> PrivateDaemon::WaitUntilReady(const UniqueFd& ready) {
  pollfd source{.fd = ready.get(), .events = POLLIN, .revents = 0};
  int count = 0;
  do {
    count = ::poll(&source, 1, kStartMayTakeMs);
  } while (count < 0 && errno == EINTR);
  char byte = 0;
  if (count == 1 && ::read(ready.get(), &byte, 1) == 1) return {};
  if (count == 1) return Sentence("sysmemd could not start. Its log:\n" + LastWords());
  return Sentence("sysmemd was not ready in time. Its log:\n" + LastWords());
}

PrivateDaemon::~PrivateDaemon() {
  process_.Signal(SIGTERM);
  process_.WaitForEnding(kStopMayTakeMs);
}

std::string PrivateDaemon::LastWords() const {
  std::ifstream file(log_);
  std::ostringstream text;
  text << file.rdbuf();
  std::string words = text.str();
  if (words.size() > kLastWordsLength) words.erase(0, words.size() - kLastWordsLength);
  return words;
}

}  // namespace sysmem::demo
