// SPDX-License-Identifier: Apache-2.0
//
// sysmem-last-close-bench: how long after the last holder of a buffer has let go the end of its
// lifetime hangs up, in times of what the kernel takes to tell one process of another's close.
//
// The floor is a pipe: a process closes the write end, another wakes from poll(). Ours is the same
// with the daemon between: a process closes the buffer, the daemon notices and closes the tracking
// end, another process wakes from poll(). Both are measured in turn in the same run, block by
// block, from just before the close to just after poll(). Daemon and clients have a processor each
// (processors.h). With --check it fails when the ratio of the medians is above its bound.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <sysmem/sysmem.hpp>
#include <utility>

#include "tools/bench/closer.h"
#include "tools/bench/durations.h"
#include "tools/bench/processors.h"
#include "tools/demo/private_daemon.h"

namespace sysmem::bench {
namespace {

constexpr double kBound = 8.0;

constexpr int kWidth = 52;

// True if the ratio is within its bound.
Result<bool> Run(unsigned rounds, unsigned block) {
  Result<std::unique_ptr<demo::Workspace>> workspace = demo::Workspace::Create();
  if (!workspace.ok()) return workspace.failure();
  Result<std::unique_ptr<Closer>> closer = Closer::Start();
  if (!closer.ok()) return closer.failure();
  StayOn(Side::kServer);  // the daemon inherits it
  Result<std::unique_ptr<demo::PrivateDaemon>> daemon = demo::PrivateDaemon::Start(**workspace);
  if (!daemon.ok()) return daemon.failure();
  StayOn(Side::kClient);
  Result<Client> client = Client::Connect({.path = (*workspace)->socket_path()});
  if (!client.ok()) return client.failure();

  Durations floor;
  Durations ours;
  // The first block of each warms up and is not counted.
  for (unsigned done = 0; done <= rounds; done += block) {
    for (const bool is_floor : {true, false}) {
      for (unsigned i = 0; i < block; ++i) {
        Result<int64_t> ns = is_floor ? TimePipe(**closer) : TimeBuffer(*client, **closer);
        if (!ns.ok()) return ns.failure();
        if (done > 0) (is_floor ? floor : ours).push_back(*ns);
      }
    }
  }
  std::printf("%zu of each, %u at a time in turn\n%-*s %8s %8s %8s\n", floor.size(), block, kWidth,
              "", "p50 us", "p90 us", "p99 us");
  PrintRow("a pipe's other end hangs up (the floor)", kWidth, floor, {0.5, 0.9, 0.99});
  PrintRow("a buffer's lifetime end hangs up after the last close", kWidth, ours, {0.5, 0.9, 0.99});
  const double median =
      static_cast<double>(Percentile(ours, 0.5)) / static_cast<double>(Percentile(floor, 0.5));
  const double tail =
      static_cast<double>(Percentile(ours, 0.99)) / static_cast<double>(Percentile(floor, 0.99));
  std::printf("p50/floor %.2f (bound %.1f%s), p99/floor %.2f\n", median, kBound,
              median > kBound ? ", ABOVE" : "", tail);
  return median <= kBound;
}

int Main(int argc, char** argv) {
  CLI::App app{"Measures how soon the end of a buffer is told after its last close."};
  unsigned rounds = 2000;
  unsigned block = 100;
  bool check = false;
  app.add_option("--rounds", rounds, "How many of each (default 2000)")->check(CLI::PositiveNumber);
  app.add_option("--block", block, "How many of one kind in a row (default 100)")
      ->check(CLI::PositiveNumber);
  app.add_flag("--check", check, "Fail when the ratio of the medians is above its bound");
  CLI11_PARSE(app, argc, argv);
  Result<bool> good = Run(rounds, block);
  if (!good.ok()) {
    std::cerr << "sysmem-last-close-bench: " << good.failure().ToString() << "\n";
    return 1;
  }
  return check && !*good ? 1 : 0;
}

}  // namespace
}  // namespace sysmem::bench

int main(int argc, char** argv) { return sysmem::bench::Main(argc, argv); }
