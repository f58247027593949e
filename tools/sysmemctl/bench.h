// SPDX-License-Identifier: Apache-2.0
//
// The quick figures of this machine, each beside what the kernel alone needs for the same: measured
// in the same run, in turn. The benchmarks proper (tools/bench) start daemons of their own.
#pragma once

#include <string>

namespace sysmem::ctl {

struct BenchOptions {
  unsigned rounds = 10;  // of everything; one more, before the others, warms up
  bool json = false;
};

// How the program is to end. REQUIRES: the process has one thread.
int RunBench(const std::string& socket, const BenchOptions& options);

}  // namespace sysmem::ctl
