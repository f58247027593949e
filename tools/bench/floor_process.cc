// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/floor_process.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

namespace sysmem::bench {

Result<std::unique_ptr<FloorProcess>> FloorProcess::Start(demo::Workspace& workspace) {
  Result<std::string> program = workspace.Program("sysmem-bench-floor");
  if (!program.ok()) return program.failure();
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) {
    return demo::Sentence("no pipe for the floor");
  }
  UniqueFd child_in(in[0]);
  UniqueFd child_out(out[1]);
  demo::ChildSpec spec;
  spec.program = *program;
  spec.descriptors = {{child_in.get(), 0}, {child_out.get(), 1}};
  Result<demo::ChildProcess> process = demo::ChildProcess::Start(spec);
  if (!process.ok()) return process.failure();
  return std::unique_ptr<FloorProcess>(
      new FloorProcess(*std::move(process), ::fdopen(in[1], "w"), ::fdopen(out[0], "r")));
}

Result<std::vector<int64_t>> FloorProcess::Measure(unsigned count) {
  std::fprintf(commands_.get(), "%u\n", count);
  std::fflush(commands_.get());
  std::vector<int64_t> durations;
  std::array<char, 64> line{};
  while (std::fgets(line.data(), line.size(), answers_.get()) != nullptr) {
    if (std::strcmp(line.data(), "end\n") == 0) return durations;
    durations.push_back(std::strtoll(line.data(), nullptr, 10));
  }
  return demo::Sentence("the floor ended early");
}

}  // namespace sysmem::bench
