// SPDX-License-Identifier: Apache-2.0
//
// What the daemon is told at start: on the command line, else in the environment, else in the
// configuration file, else the default.
//
//   ParsedCommandLine parsed = ParseCommandLine(argc, argv, ::getenv);
//   if (!parsed.options) return parsed.Print();
//
// Each setting has one name in each of these places (the table is on top of options.cc; --help
// prints it) and one reader of its value, whose complaint names the place.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/settings.h"
#include "heaps/warm_pool.h"
#include "server/heap_policy.h"
#include "server/log.h"
#include "server/pool_settings.h"

namespace sysmem::server {

struct Options {
  std::string socket_path;    // never empty once parsed
  mode_t socket_mode = 0660;  // who may connect: owner and group
  LogLevel log_level = LogLevel::kInfo;
  // Members of this group see all objects in the inspector, as root and the daemon's uid do.
  std::optional<gid_t> admin_gid;
  // Users who may serve heaps, besides root and the daemon's own.
  std::set<uid_t> heap_providers;
  // Of buffers made ahead of time, at most; 0: none.
  uint64_t warm_pool_bytes = heaps::WarmPoolOptions{}.bytes;
  unsigned memory_reserve_percent = 5;  // of the available memory, which allocations leave alone
  // What one buffer may hold at most, padding not counted (core::Limits::allocation_bytes).
  uint64_t max_buffer_bytes = core::Limits{}.allocation_bytes;
  // Types of heaps to take first where several would do (core::Settings::preferred_heaps).
  std::vector<std::string> preferred_heaps;
  HeapPolicies heap_policies;  // who may use which heap, and how much of it
  // Which of several possible image formats is chosen (COST-1). Of equal entries the later holds.
  std::vector<core::FormatCost> format_costs;
  std::vector<std::string> format_cost_files;  // are in format_costs already
  PoolSettings pools;
  std::string record_file;      // gets what happens to collections; empty: nothing does
  std::optional<int> ready_fd;  // gets one byte when clients can connect, then is closed
  // For tests of the order of calls: they reach the sessions shuffled, by this seed.
  std::optional<uint64_t> test_shuffle_calls;
  // For tests of heaps that come and go: where devices are looked for instead of /dev.
  std::string test_devices;
};

struct ParsedCommandLine {
  std::optional<Options> options;  // empty: there is nothing to run, only something to say
  std::string text;
  int exit_code = 0;  // 2: the usage or a setting is wrong

  // Prints the text, to standard output or error as fits the exit code, and returns that.
  int Print() const;
};

inline constexpr char kDefaultConfigPath[] = "/etc/sysmemd/sysmemd.toml";

// Where files of format costs are looked for that are named without a directory and without .toml.
extern const char kFormatCostDirectory[];

// Value of an environment variable or nullptr.
using Environment = std::function<const char*(const char* name)>;

// Reads the configuration file named by --config or $SYSMEMD_CONFIG, which must exist, else the one
// at `default_config` if it exists.
ParsedCommandLine ParseCommandLine(int argc, const char* const* argv,
                                   const Environment& environment,
                                   const std::string& default_config = kDefaultConfigPath);

// Where a daemon of this user listens when nobody says otherwise: below $XDG_RUNTIME_DIR for an
// ordinary user, /run/sysmemd/socket for root and services.
std::string DefaultSocketPath(uid_t uid, const Environment& environment);

}  // namespace sysmem::server
