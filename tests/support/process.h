// SPDX-License-Identifier: Apache-2.0
//
// Processes that tests start: programs under another uid with exactly the descriptors they are
// given, and what /proc tells about them.
//
//   Process daemon = Process::Start({.program = "/x/sysmemd", .uid = kDaemonUid});
//   ...
//   daemon.Signal(SIGTERM);
//   EXPECT_EQ(daemon.WaitForExit(), 0);
//
// A process that still runs when its object ends is killed. Not thread-safe.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace sysmem::testing {

struct ProgramOptions {
  std::string program;                    // path
  std::vector<std::string> arguments;     // without the name of the program
  std::vector<std::string> environment;   // "NAME=value"
  std::optional<uid_t> uid;               // needs root; the gid is the same number, no other groups
  std::optional<rlim_t> max_descriptors;  // RLIMIT_NOFILE, both limits
  // They are 3, 4, ... in the program, borrowed until Start returns. Nothing else is inherited but
  // what is given as standard input (/dev/null), output and error.
  std::vector<int> descriptors;
  int output = 2;  // standard output and error
};

// What the inotify instances of a process watch. 0 when /proc does not say.
uint64_t InotifyWatchCount(pid_t process);

class Process {
 public:
  Process() = default;
  // Takes charge of a child of this process.
  explicit Process(pid_t child);
  ~Process();
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;

  // May be called from a process with threads.
  static Process Start(const ProgramOptions& options);

  pid_t pid() const { return pid_; }
  bool started() const { return pid_ > 0; }
  bool running() const { return pid_ > 0 && !exit_code_; }
  // Readable when the process has ended.
  const base::UniqueFd& pidfd() const { return pidfd_; }

  void Signal(int number);
  // Waits, with kPatience. The exit code; minus the number of the signal that killed it; nothing,
  // with a test failure, when it did not end.
  std::optional<int> WaitForExit();
  // SIGKILL, and waits.
  void Kill();

  // Open descriptors, resident memory, and what its inotify instances watch. 0 when /proc does not
  // say.
  uint64_t DescriptorCount() const;
  uint64_t ResidentBytes() const;
  uint64_t InotifyWatchCount() const { return sysmem::testing::InotifyWatchCount(pid_); }

 private:
  pid_t pid_ = -1;
  base::UniqueFd pidfd_;
  std::optional<int> exit_code_;
};

// A program that does something and ends.
struct Ended {
  std::optional<int> exit_code;
  std::string output;  // standard output and error
};
// Runs it to its end; options.output is ignored.
Ended RunToEnd(ProgramOptions options);

// Everything that comes out of `pipe` until its last writer has gone.
std::string ReadAll(const base::UniqueFd& pipe);

// In a child between fork and exec (or instead of it): becomes `uid` for good. False if refused.
// Safe after fork in a process with threads. `groups`: those besides the one of the uid's number.
bool BecomeUser(uid_t uid, const std::vector<gid_t>& groups = {});

// The environment of this process without what could lead a program to another daemon, and with
// what sanitizers need to say clearly how a process ended.
std::vector<std::string> CleanEnvironment();

}  // namespace sysmem::testing
