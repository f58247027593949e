// SPDX-License-Identifier: Apache-2.0
#include "tests/support/daemon_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

#include "base/unix_socket.h"
#include "gtest/gtest.h"
#include "tests/support/patience.h"
#include "tests/support/programs.h"

namespace sysmem::testing {
namespace {

constexpr char kReadyDescriptor[] = "3";  // the first that a program is given

}  // namespace

DaemonProcess::DaemonProcess(const DaemonOptions& options)
    : socket_path_(options.socket_path.empty() ? dir_.path() + "/socket" : options.socket_path),
      log_path_(dir_.path() + "/log") {
  if (options.uid && ::chown(dir_.path().c_str(), *options.uid, *options.uid) != 0) {
    ADD_FAILURE() << "chown: " << std::strerror(errno);
  }
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) ADD_FAILURE() << "pipe2: " << std::strerror(errno);
  const base::UniqueFd read_end(ends[0]);
  base::UniqueFd write_end(ends[1]);
  const base::UniqueFd log(
      ::open(log_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  ProgramOptions program{.program = ProgramPath("sysmemd"),
                         .arguments = {"--socket", socket_path_, "--socket-mode", "666",
                                       "--log-level", "debug", "--ready-fd", kReadyDescriptor},
                         .environment = CleanEnvironment(),
                         .uid = options.uid,
                         .max_descriptors = options.max_descriptors,
                         .descriptors = {write_end.get()},
                         .output = log.get()};
  program.arguments.insert(program.arguments.end(), options.arguments.begin(),
                           options.arguments.end());
  program.environment.insert(program.environment.end(), options.environment.begin(),
                             options.environment.end());
  process_ = Process::Start(program);
  write_end.reset();
  AwaitReadiness(read_end);
}

// One byte says that it is ready, the end of the pipe that it is not going to be.
void DaemonProcess::AwaitReadiness(const base::UniqueFd& pipe) {
  auto told = base::WaitReadable(pipe, kPatience);
  if (!told.ok() || !*told) {
    ADD_FAILURE() << "the daemon is neither ready nor does it end";
    return;
  }
  char byte = 0;
  ready_ = ::read(pipe.get(), &byte, sizeof(byte)) == 1;
}

DaemonProcess::~DaemonProcess() {
  Stop();
  if (::testing::Test::HasFailure()) {
    std::cerr << "--- the daemon's log ---\n" << Log() << "--- end of the daemon's log ---\n";
  }
}

std::string DaemonProcess::Log() const {
  std::ostringstream text;
  text << std::ifstream(log_path_).rdbuf();
  return text.str();
}

std::string DaemonProcess::AwaitLogLine(const std::string& part) const {
  // Watched before it is read: no line falls between.
  const base::UniqueFd changes(::inotify_init1(IN_CLOEXEC));
  EXPECT_GE(::inotify_add_watch(changes.get(), log_path_.c_str(), IN_MODIFY), 0);
  while (true) {
    std::istringstream lines(Log());
    for (std::string line; std::getline(lines, line);) {
      if (line.find(part) != std::string::npos) return line;
    }
    auto changed = base::WaitReadable(changes, kPatience);
    if (!changed.ok() || !*changed) break;
    char events[4096];
    if (::read(changes.get(), events, sizeof(events)) <= 0) break;
  }
  ADD_FAILURE() << "nothing in the daemon's log contains: " << part;
  return {};
}

void DaemonProcess::Stop() {
  if (!process_.running()) return;
  process_.Signal(SIGTERM);
  const std::optional<int> code = process_.WaitForExit();
  if (ready_) {
    EXPECT_EQ(code, 0) << "the daemon did not end in order";
  }
}

void DaemonProcess::Kill() { process_.Kill(); }

}  // namespace sysmem::testing
