// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/pipeline.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <string_view>
#include <utility>

#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {
namespace {

constexpr int kCannotRun = 126;
constexpr int kNotFound = 127;
constexpr int kKilled = 128;
constexpr char kSocketVariable[] = "SYSMEM_SOCKET";

bool Sets(const char* entry, std::string_view name) {
  return std::string_view(entry).starts_with(std::string(name) + "=");
}

std::vector<std::string> EnvironmentWith(const std::string& socket, int token) {
  std::vector<std::string> environment;
  for (char** entry = ::environ; *entry != nullptr; ++entry) {
    if (Sets(*entry, kSocketVariable) || Sets(*entry, SYSMEM_TOKEN_FD_VARIABLE)) continue;
    environment.emplace_back(*entry);
  }
  environment.push_back(std::string(kSocketVariable) + "=" + socket);
  if (token >= 0) {
    environment.push_back(std::string(SYSMEM_TOKEN_FD_VARIABLE) + "=" + std::to_string(token));
  }
  return environment;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Which descriptors a command has and which signals reach it.
class SpawnPlan {
 public:
  explicit SpawnPlan(const sigset_t& mask) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawnattr_setsigmask(&attributes_, &mask);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  // A descriptor onto itself: it is no longer close-on-exec there.
  void Give(const UniqueFd& fd, int as) {
    if (fd) ::posix_spawn_file_actions_adddup2(&actions_, fd.get(), as);
  }
  // errno, or 0.
  int Spawn(std::vector<std::string> words, std::vector<std::string> environment,
            pid_t& pid) const {
    return ::posix_spawnp(&pid, words[0].c_str(), &actions_, &attributes_, Pointers(words).data(),
                          Pointers(environment).data());
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

}  // namespace

Pipeline::Pipeline(std::vector<PipelineCommand> commands, const std::string& socket,
                   const sigset_t& mask) {
  UniqueFd input;
  for (size_t i = 0; i < commands.size(); ++i) {
    PipelineCommand& command = commands[i];
    Process process{.name = command.words[0]};
    UniqueFd output;
    UniqueFd next_input;
    std::array<int, 2> ends{-1, -1};
    int error = 0;
    if (i + 1 < commands.size()) {
      error = ::pipe2(ends.data(), O_CLOEXEC) == 0 ? 0 : errno;
      next_input = UniqueFd(ends[0]);
      output = UniqueFd(ends[1]);
    }
    if (error == 0) {
      SpawnPlan plan(mask);
      plan.Give(input, STDIN_FILENO);
      plan.Give(output, STDOUT_FILENO);
      plan.Give(command.token, command.token.get());
      const int token = command.token ? command.token.get() : -1;
      error = plan.Spawn(command.words, EnvironmentWith(socket, token), process.pid);
    }
    if (error != 0) {
      std::cerr << "sysmemctl: cannot run " << Safe(process.name) << ": " << std::strerror(error)
                << "\n";
      process.status = error == ENOENT ? kNotFound : kCannotRun;
    }
    processes_.push_back(std::move(process));
    command.token.reset();
    input = std::move(next_input);
  }
}

void Pipeline::Reap() {
  for (Process& process : processes_) {
    int status = 0;
    if (process.status || ::waitpid(process.pid, &status, WNOHANG) != process.pid) continue;
    process.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    process.status = process.signal != 0 ? kKilled + process.signal : WEXITSTATUS(status);
  }
}

void Pipeline::Signal(int number) const {
  for (const Process& process : processes_) {
    if (!process.status) ::kill(process.pid, number);
  }
}

bool Pipeline::is_over() const {
  return std::all_of(processes_.begin(), processes_.end(),
                     [](const Process& process) { return process.status.has_value(); });
}

int Pipeline::ExitStatus() const {
  for (auto process = processes_.rbegin(); process != processes_.rend(); ++process) {
    if (process->status != 0) return *process->status;
  }
  return 0;
}

std::string Pipeline::DescribeTrouble() const {
  std::string text;
  for (const Process& process : processes_) {
    const int status = process.status.value_or(0);
    if (status == 0) continue;
    text += Safe(process.name) +
            (process.signal != 0 ? " was killed by signal " + std::to_string(process.signal)
                                 : " ended with " + std::to_string(status)) +
            "\n";
  }
  return text;
}

std::optional<std::vector<std::vector<std::string>>> SplitPipeline(
    const std::vector<std::string>& words) {
  std::vector<std::vector<std::string>> commands(1);
  for (const std::string& word : words) {
    if (word == "|") {
      commands.emplace_back();
    } else {
      commands.back().push_back(word);
    }
  }
  const bool complete =
      std::none_of(commands.begin(), commands.end(), [](const auto& one) { return one.empty(); });
  return complete ? std::optional(std::move(commands)) : std::nullopt;
}

}  // namespace sysmem::ctl
