// SPDX-License-Identifier: Apache-2.0
//
// sysmem-bench: what joining a collection costs, in empty round trips.
//
// Starts a private daemon and the floor, measures all in turn, block by block in the same run, so
// that whatever else the machine does weighs on all alike, and prints ratios of medians. Clients
// and servers, the floor's as well as ours, have a processor each (processors.h). With --check it
// fails when a ratio is above its bound.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "tools/bench/durations.h"
#include "tools/bench/floor_process.h"
#include "tools/bench/joins.h"
#include "tools/bench/processors.h"
#include "tools/demo/private_daemon.h"

namespace sysmem::bench {
namespace {

struct Series {
  std::string name;
  const char* what;
  double bound;  // of the ratio to the floor; 0: none
  std::function<Result<Durations>(unsigned count)> measure;
  Durations durations = {};

  void Add(const Durations& more) { durations.insert(durations.end(), more.begin(), more.end()); }
};

// True if every ratio is within its bound.
bool Print(std::vector<Series>& all) {
  const auto floor = static_cast<double>(Percentile(all.front().durations, 0.5));
  std::printf("%-62s %8s %8s %8s %7s %6s\n", "", "p50 us", "p90 us", "p99 us", "p50/floor",
              "bound");
  bool good = true;
  for (Series& one : all) {
    const double ratio = static_cast<double>(Percentile(one.durations, 0.5)) / floor;
    std::printf("%-62s %8.1f %8.1f %8.1f %9.2f ", one.what,
                static_cast<double>(Percentile(one.durations, 0.5)) / 1e3,
                static_cast<double>(Percentile(one.durations, 0.9)) / 1e3,
                static_cast<double>(Percentile(one.durations, 0.99)) / 1e3, ratio);
    if (one.bound > 0) {
      std::printf("%6.1f%s", one.bound, ratio > one.bound ? "  ABOVE" : "");
      good = good && ratio <= one.bound;
    }
    std::printf("\n");
  }
  return good;
}

Result<bool> Run(unsigned rounds, unsigned block, const std::string& only) {
  Result<std::unique_ptr<demo::Workspace>> workspace = demo::Workspace::Create();
  if (!workspace.ok()) return workspace.failure();
  Result<std::unique_ptr<FloorProcess>> floor = FloorProcess::Start(**workspace);
  if (!floor.ok()) return floor.failure();
  StayOn(Side::kServer);  // the daemon inherits it
  Result<std::unique_ptr<demo::PrivateDaemon>> daemon = demo::PrivateDaemon::Start(**workspace);
  if (!daemon.ok()) return daemon.failure();
  StayOn(Side::kClient);
  ConnectOptions options;
  options.path = (*workspace)->socket_path();
  options.debug_name = "sysmem-bench";
  Result<Client> client = Client::Connect(options);
  if (!client.ok()) return client.failure();
  Result<Joiner> joiner = Joiner::Prepare(*client);
  if (!joiner.ok()) return joiner.failure();

  using Count = unsigned;
  std::vector<Series> all = {
      {"floor", "an empty unary gRPC call (the floor)", 0,
       [&](Count count) { return (*floor)->Measure(count); }},
      {"roundtrip", "an empty round trip of libsysmem", 0,
       [&](Count count) { return MeasureRoundtrips(*client, count); }},
      {"join", "bind + SetConstraints + wait, five buffers exist", 1.4,
       [&](Count count) { return joiner->Measure(count); }},
      {"allocation", "bind + SetConstraints + wait, allocates 5 x 4 KiB", 2.0,
       [&](Count count) { return MeasureAllocations(*client, count); }},
  };
  std::erase_if(all, [&](const Series& series) {
    return !only.empty() && only != series.name && all.front().name != series.name;
  });
  // The first block of each warms up and is not counted.
  for (unsigned done = 0; done <= rounds; done += block) {
    for (Series& series : all) {
      Result<std::vector<int64_t>> measured = series.measure(block);
      if (!measured.ok()) return measured.failure();
      if (done > 0) series.Add(*measured);
    }
  }
  std::printf("%zu of each, %u at a time in turn\n", all.front().durations.size(), block);
  return Print(all);
}

int Main(int argc, char** argv) {
  CLI::App app{"Measures what joining a collection costs, in empty round trips."};
  unsigned rounds = 3000;
  unsigned block = 100;
  bool check = false;
  std::string only;
  app.add_option("--rounds", rounds, "How many of each (default 3000)")->check(CLI::PositiveNumber);
  app.add_option("--block", block, "How many of one kind in a row (default 100)")
      ->check(CLI::PositiveNumber);
  app.add_option("--only", only, "Measure only this and the floor, for profiling")
      ->check(CLI::IsMember({"floor", "roundtrip", "join", "allocation"}));
  app.add_flag("--check", check, "Fail when a ratio is above its bound");
  CLI11_PARSE(app, argc, argv);
  Result<bool> good = Run(rounds, block, only);
  if (!good.ok()) {
    std::cerr << "sysmem-bench: " << good.failure().ToString() << "\n";
    return 1;
  }
  return check && !*good ? 1 : 0;
}

}  // namespace
}  // namespace sysmem::bench

int main(int argc, char** argv) { return sysmem::bench::Main(argc, argv); }
