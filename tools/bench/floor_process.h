// SPDX-License-Identifier: Apache-2.0
//
// The floor, as seen by the benchmark: a process that makes empty calls when told to.
#pragma once

#include <cstdio>
#include <memory>
#include <vector>

#include "tools/demo/child_process.h"
#include "tools/demo/workspace.h"

namespace sysmem::bench {

class FloorProcess {
 public:
  static Result<std::unique_ptr<FloorProcess>> Start(demo::Workspace& workspace);

  // Durations of `count` empty unary round trips, in nanoseconds.
  Result<std::vector<int64_t>> Measure(unsigned count);

 private:
  FloorProcess(demo::ChildProcess process, std::FILE* commands, std::FILE* answers)
      : process_(std::move(process)), commands_(commands), answers_(answers) {}

  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  demo::ChildProcess process_;
  std::unique_ptr<std::FILE, Close> commands_;
  std::unique_ptr<std::FILE, Close> answers_;
};

}  // namespace sysmem::bench
