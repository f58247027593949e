// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with this installation, and what to do about it: the way to the daemon, its heaps
// and limits, and what the kernel offers.
#pragma once

#include <string>
#include <vector>

#include "tools/sysmemctl/daemon_view.h"

namespace sysmem::ctl {

enum class Verdict {
  kGood,
  kAdvice,   // works, but could be better
  kProblem,  // something does not work
};

struct Finding {
  Verdict verdict = Verdict::kGood;
  std::string what;
  std::string advice;  // one line; empty if there is nothing to do
};

// Of the kernel, by what lies below `root` ("" for this machine).
std::vector<Finding> ExamineKernel(const std::string& root);
// Of a daemon that answers: GetStatus, and the heaps of ListHeaps. `own_version` is this program's.
std::vector<Finding> ExamineDaemon(const Json& status, const Json& heaps,
                                   const std::string& own_version);
// Why the daemon at `path` could not be reached; `path` empty: at none of the paths that the
// library tries there is a socket.
std::vector<Finding> ExamineSocket(const std::string& path, const Failure& failure);

std::string DescribeFindings(const std::vector<Finding>& findings, bool colour);
Json FindingsForPrograms(const std::vector<Finding>& findings);

// How the program is to end: 1 if there is a problem, 3 if no daemon was reached, 6 if one is there
// that does not let this user in. `socket` empty: where the library looks by itself.
int RunDoctor(const std::string& socket, bool json);

}  // namespace sysmem::ctl
