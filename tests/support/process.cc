// SPDX-License-Identifier: Apache-2.0
#include "tests/support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <utility>

#include "base/unix_socket.h"
#include "gtest/gtest.h"
#include "tests/support/patience.h"

namespace sysmem::testing {
namespace {

constexpr int kFirstInherited = 3;
constexpr int kOutOfTheWay = 200;  // above every number the program shall see
constexpr int kCannotStart = 127;

// Prepared before fork: after it, in a process with threads, nothing may allocate.
struct Prepared {
  std::vector<char*> arguments;
  std::vector<char*> environment;
};

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

[[noreturn]] void Complain(const char* what) {
  const char* const reason = strerrordesc_np(errno);
  for (const char* text : {"cannot start a program: ", what, ": ", reason, "\n"}) {
    if (text != nullptr) (void)!::write(STDERR_FILENO, text, std::strlen(text));
  }
  ::_exit(kCannotStart);
}

void ArrangeDescriptors(const ProgramOptions& options) {
  const int null = ::open("/dev/null", O_RDONLY);
  // First out of the way, so that no number is overwritten before it is read.
  int next = kOutOfTheWay;
  for (int fd : {null, options.output, options.output}) {
    if (::dup2(fd, next++) < 0) Complain("dup2");
  }
  for (int fd : options.descriptors) {
    if (::dup2(fd, next++) < 0) Complain("dup2");
  }
  const int count = kFirstInherited + static_cast<int>(options.descriptors.size());
  for (int i = 0; i < count; ++i) {
    if (::dup2(kOutOfTheWay + i, i) < 0) Complain("dup2");
  }
  if (::syscall(SYS_close_range, count, ~0U, 0) != 0) Complain("close_range");
}

[[noreturn]] void RunProgram(const ProgramOptions& options, const Prepared& prepared) {
  ArrangeDescriptors(options);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (options.max_descriptors) {
    const rlimit limit{*options.max_descriptors, *options.max_descriptors};
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) Complain("setrlimit");
  }
  if (options.uid && !BecomeUser(*options.uid)) Complain("become another user");
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::execve(options.program.c_str(), prepared.arguments.data(), prepared.environment.data());
  Complain(options.program.c_str());
}

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

}  // namespace

bool BecomeUser(uid_t uid, const std::vector<gid_t>& groups) {
  // Raw calls: those of the C library would stop all threads of the parent that are not here.
  return ::syscall(SYS_setgroups, groups.size(), groups.data()) == 0 &&
         ::syscall(SYS_setresgid, uid, uid, uid) == 0 &&
         ::syscall(SYS_setresuid, uid, uid, uid) == 0;
}

std::vector<std::string> CleanEnvironment() {
  std::vector<std::string> clean;
  std::string asan_options = "ASAN_OPTIONS=";
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable = *entry;
    if (StartsWith(variable, "ASAN_OPTIONS=")) asan_options = std::string(variable) + ":";
    const bool leads_astray =
        StartsWith(variable, "SYSMEM") || StartsWith(variable, "XDG_RUNTIME_DIR=") ||
        StartsWith(variable, "NOTIFY_SOCKET=") || StartsWith(variable, "LISTEN_") ||
        StartsWith(variable, "ASAN_OPTIONS=") || StartsWith(variable, "GTEST_");
    if (!leads_astray) clean.emplace_back(variable);
  }
  // Freed memory that is kept back would look like memory that is not given back.
  clean.push_back(asan_options + "quarantine_size_mb=1:thread_local_quarantine_size_kb=16");
  return clean;
}

uint64_t InotifyWatchCount(pid_t process) {
  std::error_code error;
  const std::filesystem::directory_iterator entries("/proc/" + std::to_string(process) + "/fdinfo",
                                                    error);
  uint64_t count = 0;
  for (const std::filesystem::directory_entry& descriptor : entries) {
    std::ifstream lines(descriptor.path());
    for (std::string line; std::getline(lines, line);) count += line.starts_with("inotify wd:");
  }
  return count;
}

Process::Process(pid_t child) : pid_(child) {
  if (child > 0) pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  EXPECT_TRUE(pidfd_) << "pidfd_open: " << std::strerror(errno);
}

Process::~Process() { Kill(); }

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      exit_code_(other.exit_code_) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this == &other) return *this;
  Kill();
  pid_ = std::exchange(other.pid_, -1);
  pidfd_ = std::move(other.pidfd_);
  exit_code_ = other.exit_code_;
  return *this;
}

Process Process::Start(const ProgramOptions& options) {
  std::vector<std::string> arguments = {options.program};
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  const Prepared prepared{Pointers(arguments), Pointers(options.environment)};
  const pid_t child = ::fork();
  if (child == 0) RunProgram(options, prepared);
  EXPECT_GT(child, 0) << "fork: " << std::strerror(errno);
  return Process(child);
}

std::string ReadAll(const base::UniqueFd& pipe) {
  std::string text;
  char chunk[4096];
  while (true) {
    auto readable = base::WaitReadable(pipe, kPatience);
    EXPECT_TRUE(readable.ok() && *readable) << "the other side says nothing more and stays open";
    if (!readable.ok() || !*readable) return text;
    const ssize_t size = ::read(pipe.get(), chunk, sizeof(chunk));
    if (size <= 0) return text;
    text.append(chunk, static_cast<size_t>(size));
  }
}

Ended RunToEnd(ProgramOptions options) {
  int ends[2] = {-1, -1};
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const base::UniqueFd read_end(ends[0]);
  base::UniqueFd write_end(ends[1]);
  options.output = write_end.get();
  Process process = Process::Start(options);
  write_end.reset();
  Ended ended{.output = ReadAll(read_end)};
  ended.exit_code = process.WaitForExit();
  return ended;
}

void Process::Signal(int number) {
  if (running()) ::kill(pid_, number);
}

std::optional<int> Process::WaitForExit() {
  if (pid_ <= 0) return std::nullopt;
  if (exit_code_) return exit_code_;
  pollfd ended{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  const auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(kPatience);
  int ready = 0;
  do {
    ready = ::poll(&ended, 1, static_cast<int>(patience.count()));
  } while (ready < 0 && errno == EINTR);
  if (ready != 1) {
    ADD_FAILURE() << "process " << pid_ << " does not end";
    return std::nullopt;
  }
  int status = 0;
  ::waitpid(pid_, &status, 0);
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return exit_code_;
}

void Process::Kill() {
  if (!running()) return;
  ::kill(pid_, SIGKILL);
  WaitForExit();
}

uint64_t Process::DescriptorCount() const {
  std::error_code error;
  const std::filesystem::directory_iterator entries("/proc/" + std::to_string(pid_) + "/fd", error);
  if (error) return 0;
  return static_cast<uint64_t>(std::distance(begin(entries), end(entries)));
}

uint64_t Process::ResidentBytes() const {
  std::ifstream statm("/proc/" + std::to_string(pid_) + "/statm");
  uint64_t total_pages = 0;
  uint64_t resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return resident_pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace sysmem::testing
