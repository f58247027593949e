// SPDX-License-Identifier: Apache-2.0
//
// Starting a program with exactly the descriptors, the user and the limits it is meant to have.
//
//   Result<ChildProcess> child = ChildProcess::Start({.program = path, .arguments = {"--help"}});
//   ... poll child->pidfd() ...
//   if (std::optional<Ending> ending = child->TakeEnding()) ...
//
// A child gets: the descriptors named and no others, the default signals, a process group of its
// own (Ctrl-C reaches the launcher only), RLIMIT_NOFILE 1024, "/" as its folder, none of the
// variables by which daemon and library are configured, and dies with the launcher.
//
// Thread-safety: for a process with one thread.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tools/demo/sentence.h"

namespace sysmem::demo {

struct ChildSpec {
  std::string program;  // path
  std::vector<std::string> arguments;
  // Ours, and the number it has in the child. What is not named of 0, 1 and 2 is: 0 /dev/null, 1
  // and 2 our standard error.
  std::vector<std::pair<int, int>> descriptors;
  std::optional<uid_t> user;  // and group; unset: ours
};

// How a process ended.
struct Ending {
  bool by_signal = false;
  int code = 0;  // of exit, or the signal
  bool is_clean() const { return !by_signal && code == 0; }
};
// "was killed by signal 9 (Killed)", "ended with exit code 1"
std::string Describe(const Ending& ending);

class ChildProcess {
 public:
  static Result<ChildProcess> Start(const ChildSpec& spec);
  ChildProcess(ChildProcess&&) = default;
  ChildProcess& operator=(ChildProcess&&) = delete;
  // Kills what still runs.
  ~ChildProcess();

  pid_t pid() const { return pid_; }
  // Readable once the process has ended; belongs to this object.
  int pidfd() const { return pidfd_.get(); }
  bool is_running() const { return pidfd_ && !ending_; }
  // Looks, without waiting. The same answer again later.
  std::optional<Ending> TakeEnding();
  // Waits for the end, as long as it takes or `milliseconds`.
  std::optional<Ending> WaitForEnding(int milliseconds = -1);
  void Signal(int signal);

 private:
  ChildProcess(pid_t pid, UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}

  pid_t pid_;
  UniqueFd pidfd_;  // empty: moved from
  std::optional<Ending> ending_;
};

}  // namespace sysmem::demo
