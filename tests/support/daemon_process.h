// SPDX-License-Identifier: Apache-2.0
//
// A real sysmemd, as a service runs it: an unprivileged uid of its own (when the test run is
// root's), at most 1024 descriptors, its socket in a directory of its own.
//
//   DaemonProcess daemon;
//   ASSERT_TRUE(daemon.ready());
//   ... connect to daemon.socket_path() ...
//
// Ready means that it said so (--ready-fd). At its end it is asked to stop and must exit with 0,
// which under a sanitizer also proves that it leaked nothing. What it logged is shown when the test
// has failed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/users.h"

namespace sysmem::testing {

struct DaemonOptions {
  std::vector<std::string> arguments;    // besides those that every test daemon gets
  std::vector<std::string> environment;  // likewise
  std::optional<uid_t> uid = As(kDaemonUid);
  rlim_t max_descriptors = 1024;
  std::string socket_path;  // empty: in the daemon's own directory
};

class DaemonProcess {
 public:
  explicit DaemonProcess(const DaemonOptions& options = {});
  ~DaemonProcess();

  // False when it ended instead of getting ready. No test failure: some tests want just that.
  bool ready() const { return ready_; }
  const std::string& socket_path() const { return socket_path_; }
  Process& process() { return process_; }
  std::string Log() const;
  // Waits for a line that contains `part`, and returns the first. Empty, with a test failure, when
  // none comes.
  std::string AwaitLogLine(const std::string& part) const;

  // Asks it to end, and expects that it does so in order.
  void Stop();
  // SIGKILL. The socket's file stays behind.
  void Kill();

 private:
  void AwaitReadiness(const base::UniqueFd& pipe);

  TempDir dir_;
  std::string socket_path_;
  std::string log_path_;
  Process process_;
  bool ready_ = false;
};

}  // namespace sysmem::testing
