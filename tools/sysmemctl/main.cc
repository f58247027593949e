// SPDX-License-Identifier: Apache-2.0
//
// sysmemctl: look into a running sysmemd, or negotiate without one. See sysmemctl(1).
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sysmem_version.h"
#include "tools/sysmemctl/alloc.h"
#include "tools/sysmemctl/bench.h"
#include "tools/sysmemctl/commands.h"
#include "tools/sysmemctl/doctor.h"
#include "tools/sysmemctl/exit_code.h"
#include "tools/sysmemctl/holders.h"
#include "tools/sysmemctl/metrics.h"
#include "tools/sysmemctl/record.h"
#include "tools/sysmemctl/replay.h"
#include "tools/sysmemctl/run.h"
#include "tools/sysmemctl/simulate.h"
#include "tools/sysmemctl/top.h"
#include "tools/sysmemctl/tree.h"
#include "tools/sysmemctl/watch.h"
#include "tools/sysmemctl/why.h"

namespace sysmem::ctl {
namespace {

struct AllocCommand : AllocOptions {
  bool dry_run = false;
  double patience_s = 10;
};

void AddAllocOptions(CLI::App& alloc, AllocCommand& to) {
  alloc.add_option("FILE", to.file, "A scenario in TOML or JSON; see sysmemctl(1)")->required();
  alloc.add_flag("--dry-run", to.dry_run,
                 "Only tell whether it would work with the daemon's heaps");
  alloc.add_flag("--hold", to.hold, "Keep everything until a signal comes");
  alloc
      .add_option("--then", to.then,
                  "For the shell, while everything is kept; $ID is the collection")
      ->type_name("COMMAND");
  alloc.add_option("--fill", to.fill, "A byte that those who may write fill the buffers with")
      ->type_name("BYTE");
  alloc.add_option("--dump", to.dump, "Write each buffer to FOLDER/INDEX.bin")
      ->type_name("FOLDER")
      ->check(CLI::ExistingDirectory);
  alloc.add_option("--timeout", to.patience_s, "Seconds for everybody to answer")
      ->check(CLI::Range(0.0, 86400.0))
      ->capture_default_str();
  const auto fault = [&](const char* name, std::set<std::string>& who, const char* what) {
    alloc.add_option(name, who, what)->type_name("NAME")->allow_extra_args(false);
  };
  fault("--unbound", to.faults.unbound, "This participant never binds its token");
  fault("--silent", to.faults.silent, "This participant never says what it needs");
  fault("--leaving", to.faults.leaving, "This participant goes when it has its buffers");
}

void AddRunOptions(CLI::App& run, RunOptions& to) {
  run.add_option("COMMAND", to.words,
                 "Commands and arguments, behind --; '|' between two commands");
  run.add_option("--share", to.sharing, "Only these commands get a token, from 1 (default: all)")
      ->type_name("NUMBER,...")
      ->delimiter(',')
      ->allow_extra_args(false);
  run.add_flag("--verbose", to.verbose, "Tell who keeps the others waiting, and how they ended");
}

// What follows "run ... --" is for other programs, word for word; the parser would take some of it
// for lists.
std::optional<std::vector<std::string>> TakeWordsOfCommands(int& argc, char** argv) {
  char** const end = argv + argc;
  const auto is = [](const char* word) {
    return [word](const char* argument) { return std::string_view(argument) == word; };
  };
  char** const dashes = std::find_if(argv, end, is("--"));
  if (dashes == end || std::find_if(argv, dashes, is("run")) == dashes) return std::nullopt;
  argc = static_cast<int>(dashes - argv);
  return std::vector<std::string>(dashes + 1, end);
}

int RunRunCommand(const std::string& socket, RunOptions& options,
                  std::optional<std::vector<std::string>> words) {
  if (!words || !options.words.empty()) {
    std::cerr << "sysmemctl: run: -- is missing before the command\n";
    return kUsage;
  }
  options.words = *std::move(words);
  return RunCommands(socket, options);
}

int RunAllocCommand(const std::string& socket, AllocCommand& command) {
  command.patience = std::chrono::milliseconds(std::lround(command.patience_s * 1000));
  return command.dry_run ? RunAllocDry(socket, command) : RunAlloc(socket, command);
}

int Main(int argc, char** argv) {
  CLI::App app{"Looks into a running sysmemd: who shares which memory, and why."};
  app.name("sysmemctl");
  app.set_version_flag("--version", "sysmemctl " SYSMEM_VERSION_STRING);
  app.require_subcommand(1);
  app.fallthrough();
  std::string socket;
  bool json = false;
  app.add_option("--socket", socket,
                 "The daemon's socket (default: $SYSMEM_SOCKET, the user's own, the system's)");
  app.add_flag("--json", json, "Print one JSON document instead of text");
  app.footer(
      "Exit status: 0 ok, 1 failed, 2 usage, 3 daemon unreachable, 4 not found, 5 constraints\n"
      "unsatisfiable, 6 permission or quota.");

  auto* status = app.add_subcommand("status", "The daemon in figures, and its limits");
  auto* heaps = app.add_subcommand("heaps", "Heaps, and why some cannot be used");
  bool figures = false;
  heaps->add_flag("--figures", figures, "Also what heaps count");
  auto* list = app.add_subcommand("list", "Collections and sessions");
  auto* show = app.add_subcommand("show", "One collection or session in full");
  uint64_t id = 0;
  show->add_option("ID", id, "Id of a collection or session, as `list` prints it")->required();
  auto* why = app.add_subcommand(
      "why", "Why nothing happens in a collection, why it failed, or why this result won");
  why->add_option("ID", id, "Id of a collection or session")->required();
  auto* tree = app.add_subcommand("tree", "Who came from whom in a collection, drawn");
  tree->add_option("ID", id, "Id of a collection")->required();
  bool dot = false;
  tree->add_flag("--dot", dot, "For graphviz: sysmemctl tree --dot ID | dot -Tsvg");
  auto* holders = app.add_subcommand("holders", "Which process keeps which buffer alive");
  std::optional<uint64_t> whose;
  holders->add_option("ID", whose, "Id of a collection, or a pid; default: all");
  auto* metrics = app.add_subcommand("metrics", "All figures in Prometheus' text format");
  auto* doctor = app.add_subcommand("doctor", "What is wrong here, and what to do about it");
  auto* top = app.add_subcommand("top", "A live view: collections, bytes, clients, rates");
  double interval_s = 1;
  top->add_option("--interval", interval_s, "Seconds between two looks")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  auto* watch = app.add_subcommand("watch", "What happens in the daemon, as it happens");
  WatchOptions watching;
  watch->add_option("ID", watching.id, "Id of a collection; default: everything");
  watch->add_option("--count", watching.count, "End after so many events")
      ->type_name("NUMBER")
      ->check(CLI::PositiveNumber);
  auto* simulate = app.add_subcommand("simulate", "Negotiate what files say, without a daemon");
  SimulateOptions scenarios;
  simulate->add_option("FILE", scenarios.files, "Scenarios in TOML or JSON; see sysmemctl(1)")
      ->required();
  simulate->add_option("--record", scenarios.record, "Write what is said and answered, for replay")
      ->type_name("OUT");
  auto* alloc = app.add_subcommand("alloc", "Negotiate for real, as the participants of a file");
  AllocCommand allocation;
  AddAllocOptions(*alloc, allocation);
  auto* record = app.add_subcommand("record", "A collection as a scenario, for simulate");
  record->add_option("ID", id, "Id of a collection")->required();
  std::string output;
  record->add_option("--output", output, "Write to this file, not to standard output")
      ->type_name("FILE");
  auto* run = app.add_subcommand("run", "Start commands that share buffers, connected by pipes");
  RunOptions pipeline;
  AddRunOptions(*run, pipeline);
  auto* bench = app.add_subcommand("bench", "The quick figures of this machine");
  BenchOptions benchmark;
  bench->add_option("--rounds", benchmark.rounds, "How often everything is measured")
      ->check(CLI::Range(1u, 100'000u))
      ->capture_default_str();
  auto* replay = app.add_subcommand("replay", "Play what a daemon recorded, and compare");
  std::string recording;
  replay->add_option("FILE", recording, "What sysmemd --record wrote")->required();

  auto words = TakeWordsOfCommands(argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  scenarios.json = json;
  allocation.json = json;
  if (*alloc) return RunAllocCommand(socket, allocation);
  benchmark.json = json;
  if (*bench) return RunBench(socket, benchmark);
  if (*run) return RunRunCommand(socket, pipeline, std::move(words));
  if (*simulate) return SimulateFiles(scenarios);
  if (*replay) return ReplayFile(recording, json);
  if (*doctor) return RunDoctor(socket, json);

  Result<DaemonView> daemon = DaemonView::Open(socket);
  if (!daemon.ok()) return Complain(daemon.failure());
  Result<void> done;
  if (*status) done = PrintStatus(*daemon, json);
  if (*heaps) done = PrintHeaps(*daemon, json, figures);
  if (*list) done = PrintList(*daemon, json);
  if (*show) done = PrintOne(*daemon, id, json);
  if (*why) done = PrintWhy(*daemon, id, json);
  if (*tree) {
    done = PrintTree(*daemon, id, json ? TreeForm::kJson : dot ? TreeForm::kDot : TreeForm::kText);
  }
  if (*holders) done = PrintHolders(*daemon, whose, json);
  if (*top) done = RunTop(*daemon, std::chrono::milliseconds(std::lround(interval_s * 1000)));
  if (*metrics) done = PrintMetrics(*daemon);
  if (*watch) {
    watching.json = json;
    const Result<ExitCode> watched = RunWatch(*daemon, watching);
    if (watched.ok()) return *watched;
    done = watched.failure();
  }
  if (*record) {
    const Result<ExitCode> recorded = RunRecord(*daemon, id, output);
    if (recorded.ok()) return *recorded;
    done = recorded.failure();
  }
  if (!done.ok()) return Complain(done.failure());
  return std::cout.flush() ? kOk : kFailed;
}

}  // namespace
}  // namespace sysmem::ctl

int main(int argc, char** argv) { return sysmem::ctl::Main(argc, argv); }
