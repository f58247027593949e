// SPDX-License-Identifier: Apache-2.0
//
// Commands connected by pipes, as a shell would start them. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <optional>
#include <string>
#include <sysmem/sysmem.hpp>
#include <vector>

namespace sysmem::ctl {

struct PipelineCommand {
  std::vector<std::string> words;  // its name, looked for in $PATH, and its arguments; not empty
  UniqueFd token;                  // inherited as $SYSMEM_TOKEN_FD; empty: none
};

class Pipeline {
 public:
  // Starts all of them. The first one reads from standard input, the last one writes to standard
  // output. Each gets the environment of this process with `socket` as $SYSMEM_SOCKET, and `mask`
  // as its signal mask. What cannot be started is reported on standard error and has ended with
  // 127, or with 126 if it is there; its token is closed. Afterwards nobody but the commands has a
  // token.
  Pipeline(std::vector<PipelineCommand> commands, const std::string& socket, const sigset_t& mask);

  // Notes those that have ended; does not wait.
  void Reap();
  // To all that have not ended.
  void Signal(int number) const;
  bool is_over() const;
  // As a shell with pipefail: of the last command that did not end with 0; 128 and the signal of
  // one that was killed. REQUIRES: is_over().
  int ExitStatus() const;
  // "consumer ended with 3", "decoder was killed by signal 11", one line each, of those that did
  // not end with 0.
  std::string DescribeTrouble() const;

 private:
  struct Process {
    std::string name;
    pid_t pid = -1;
    std::optional<int> status;  // as ExitStatus() counts
    int signal = 0;             // that killed it
  };
  std::vector<Process> processes_;
};

// What stands between "|": {"a", "x", "|", "b"} is {{"a", "x"}, {"b"}}. Nothing if a command has no
// words.
std::optional<std::vector<std::vector<std::string>>> SplitPipeline(
    const std::vector<std::string>& words);

}  // namespace sysmem::ctl
