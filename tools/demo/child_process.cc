// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/child_process.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

namespace sysmem::demo {
namespace {

constexpr rlim_t kMostDescriptors = 1024;
constexpr int kAboveAllNumbers = 64;  // where descriptors wait until their numbers are free
constexpr int kExecFailed = 127;

// Variables that would configure the daemon or the library, or bind a child to our own service
// manager.
bool IsOurBusinessOnly(std::string_view variable) {
  for (std::string_view prefix : {"SYSMEM", "NOTIFY_SOCKET=", "LISTEN_", "WATCHDOG_"}) {
    if (variable.substr(0, prefix.size()) == prefix) return true;
  }
  return false;
}

std::vector<char*> Environment() {
  std::vector<char*> kept;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!IsOurBusinessOnly(*variable)) kept.push_back(*variable);
  }
  kept.push_back(nullptr);
  return kept;
}

// ---- In the child, between fork and exec. False: errno says why. ----

// `placed`: descriptors by the number they are to have; the last one is closed by exec.
bool PlaceDescriptors(std::vector<std::pair<int, int>> placed, int* report) {
  for (auto& [from, to] : placed) {
    from = ::fcntl(from, F_DUPFD_CLOEXEC, kAboveAllNumbers);
    if (from < 0) return false;
  }
  const int moved_report = ::fcntl(*report, F_DUPFD_CLOEXEC, kAboveAllNumbers);
  if (moved_report < 0) return false;
  int next = 0;
  for (const auto& [from, to] : placed) {
    if (::dup2(from, to) < 0) return false;
    next = std::max(next, to + 1);
  }
  if (::dup2(moved_report, next) < 0 || ::fcntl(next, F_SETFD, FD_CLOEXEC) < 0) return false;
  *report = next;
  return ::syscall(SYS_close_range, static_cast<unsigned>(next) + 1, ~0u, 0) == 0;
}

bool BecomeUser(uid_t user) {
  return ::setgroups(0, nullptr) == 0 && ::setresgid(user, user, user) == 0 &&
         ::setresuid(user, user, user) == 0;
}

bool Confine(const ChildSpec& spec, pid_t parent) {
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::setpgid(0, 0);
  ::umask(022);
  rlimit descriptors{};
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) != 0) return false;
  descriptors.rlim_max = std::min(descriptors.rlim_max, kMostDescriptors);
  descriptors.rlim_cur = descriptors.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &descriptors) != 0 || ::chdir("/") != 0) return false;
  if (spec.user && !BecomeUser(*spec.user)) return false;
  // Both last: a change of user takes them back.
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return false;
  return ::getppid() == parent;
}

[[noreturn]] void RunChild(const ChildSpec& spec, const std::vector<std::pair<int, int>>& placed,
                           pid_t parent, int report) {
  if (PlaceDescriptors(placed, &report) && Confine(spec, parent)) {
    std::vector<char*> arguments = {const_cast<char*>(spec.program.c_str())};
    for (const std::string& argument : spec.arguments) {
      arguments.push_back(const_cast<char*>(argument.c_str()));
    }
    arguments.push_back(nullptr);
    ::execve(spec.program.c_str(), arguments.data(), Environment().data());
  }
  const int error = errno;
  static_cast<void>(!::write(report, &error, sizeof(error)));
  ::_exit(kExecFailed);
}

bool IsNamed(const ChildSpec& spec, int number) {
  return std::any_of(spec.descriptors.begin(), spec.descriptors.end(),
                     [&](const auto& pair) { return pair.second == number; });
}

}  // namespace

std::string Describe(const Ending& ending) {
  if (!ending.by_signal) return "ended with exit code " + std::to_string(ending.code);
  return "was killed by signal " + std::to_string(ending.code) + " (" + ::strsignal(ending.code) +
         ")";
}

Result<ChildProcess> ChildProcess::Start(const ChildSpec& spec) {
  const UniqueFd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  int report[2];
  if (!nothing || ::pipe2(report, O_CLOEXEC) != 0) return ErrnoSentence("cannot start a process");
  const UniqueFd reader(report[0]);
  UniqueFd writer(report[1]);
  std::vector<std::pair<int, int>> placed = spec.descriptors;
  if (!IsNamed(spec, 0)) placed.emplace_back(nothing.get(), 0);
  if (!IsNamed(spec, 1)) placed.emplace_back(STDERR_FILENO, 1);
  if (!IsNamed(spec, 2)) placed.emplace_back(STDERR_FILENO, 2);

  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return ErrnoSentence("cannot start a process");
  if (pid == 0) RunChild(spec, placed, parent, writer.get());
  writer.reset();
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) {
    const Failure failure = ErrnoSentence("cannot watch a process");
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return failure;
  }
  ChildProcess child(pid, std::move(pidfd));
  int error = 0;
  if (::read(reader.get(), &error, sizeof(error)) == sizeof(error)) {
    child.WaitForEnding();
    errno = error;
    return ErrnoSentence("cannot start " + spec.program);
  }
  return child;
}

ChildProcess::~ChildProcess() {
  if (!is_running()) return;
  Signal(SIGKILL);
  WaitForEnding();
}

std::optional<Ending> ChildProcess::TakeEnding() {
  if (ending_ || !pidfd_) return ending_;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  if (WIFSIGNALED(status)) {
    ending_ = Ending{.by_signal = true, .code = WTERMSIG(status)};
  } else {
    ending_ = Ending{.by_signal = false, .code = WEXITSTATUS(status)};
  }
  return ending_;
}

std::optional<Ending> ChildProcess::WaitForEnding(int milliseconds) {
  pollfd ended{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  while (is_running() && ::poll(&ended, 1, milliseconds) < 0 && errno == EINTR) {
  }
  return TakeEnding();
}

void ChildProcess::Signal(int signal) {
  if (is_running()) ::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
}

}  // namespace sysmem::demo
