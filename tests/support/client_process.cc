// SPDX-License-Identifier: Apache-2.0
#include "tests/support/client_process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

#include "gtest/gtest.h"

namespace sysmem::testing {
namespace {

constexpr int kControlNumber = 3;
constexpr int kFailed = 1;

// Keeps the standard descriptors and the control channel.
base::UniqueFd KeepOnly(const base::UniqueFd& control) {
  if (control.get() != kControlNumber) ::dup3(control.get(), kControlNumber, O_CLOEXEC);
  ::syscall(SYS_close_range, kControlNumber + 1, ~0U, 0);
  return base::UniqueFd(kControlNumber);
}

[[noreturn]] void RunBody(const base::UniqueFd& control, uid_t uid,
                          const std::vector<gid_t>& groups, const ClientProcess::Body& body) {
  ControlChannel test(KeepOnly(control), ControlChannel::Side::kChild);
  if (IsRoot() && !BecomeUser(uid, groups)) ADD_FAILURE() << "setuid: " << std::strerror(errno);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // after the change of uid, which clears it
  body(test);
  std::fflush(nullptr);
  ::_exit(::testing::Test::HasFailure() ? kFailed : 0);
}

}  // namespace

ClientProcess::ClientProcess(uid_t uid, const Body& body, const std::vector<gid_t>& groups) {
  auto [ours, theirs] = ControlChannel::Pair();
  std::fflush(nullptr);  // what is not written yet would be written twice
  const pid_t child = ::fork();
  if (child == 0) RunBody(theirs.socket(), uid, groups, body);
  EXPECT_GT(child, 0) << "fork: " << std::strerror(errno);
  control_ = std::move(ours);
  process_ = Process(child);
}

void ClientProcess::ExpectSuccess() {
  const std::optional<int> code = process_.WaitForExit();
  EXPECT_EQ(code, 0) << "a client process failed; what it says stands above";
}

}  // namespace sysmem::testing
