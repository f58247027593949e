// SPDX-License-Identifier: Apache-2.0
#include "server/options.h"

#include <grp.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <iostream>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/escape.h"
#include "server/config_file.h"
#include "server/config_values.h"
#include "sysmem_version.h"

namespace sysmem::server {
namespace {

constexpr int kExitUsage = 2;
constexpr uint64_t kMaxWarmPoolMebibytes = 1024;  // as a safeguard against a wrong unit
constexpr unsigned kMaxReservePercent = 90;  // above, the daemon would allocate next to nothing
constexpr mode_t kPermissionBits = 0777;

absl::Status Expected(const std::string& what, const std::string& value) {
  return absl::InvalidArgumentError(absl::StrCat("expected ", what, ", not ", base::Quote(value)));
}

// --- Readers of one value each ---

absl::Status ReadSocketPath(const std::string& value, Options& options) {
  if (value.empty()) return Expected("a path", value);
  options.socket_path = value;
  return absl::OkStatus();
}

absl::Status ReadSocketMode(const std::string& value, Options& options) {
  const std::optional<mode_t> mode = ParseNumber<mode_t>(value, 8);
  if (!mode || *mode > kPermissionBits) {
    return Expected("permissions as an octal number up to 777", value);
  }
  options.socket_mode = *mode;
  return absl::OkStatus();
}

absl::Status ReadLogLevel(const std::string& value, Options& options) {
  static const std::map<std::string, LogLevel> levels = {{"debug", LogLevel::kDebug},
                                                         {"info", LogLevel::kInfo},
                                                         {"warning", LogLevel::kWarning},
                                                         {"error", LogLevel::kError}};
  const auto found = levels.find(value);
  if (found == levels.end()) return Expected("debug, info, warning or error", value);
  options.log_level = found->second;
  return absl::OkStatus();
}

absl::Status ReadAdminGroup(const std::string& value, Options& options) {
  std::array<char, 16384> buffer;
  group entry{};
  group* found = nullptr;
  ::getgrnam_r(value.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return Expected("the name of a group of this system", value);
  options.admin_gid = found->gr_gid;
  return absl::OkStatus();
}

absl::Status ReadHeapProviders(const std::string& value, Options& options) {
  options.heap_providers.clear();
  for (const absl::string_view name : absl::StrSplit(value, ',', absl::SkipEmpty())) {
    const std::optional<uid_t> uid = FindUser(std::string(name));
    if (!uid) return Expected("users of this system, as names or numbers", std::string(name));
    options.heap_providers.insert(*uid);
  }
  return absl::OkStatus();
}

absl::Status ReadMemoryReserve(const std::string& value, Options& options) {
  std::string_view digits = value;
  if (!digits.empty() && digits.back() == '%') digits.remove_suffix(1);
  const std::optional<unsigned> percent = ParseNumber<unsigned>(digits);
  if (!percent || *percent > kMaxReservePercent) {
    return Expected(absl::StrCat("a percentage from 0 to ", kMaxReservePercent), value);
  }
  options.memory_reserve_percent = *percent;
  return absl::OkStatus();
}

absl::Status ReadWarmPool(const std::string& value, Options& options) {
  const std::optional<uint64_t> mebibytes = ParseNumber<uint64_t>(value);
  if (!mebibytes || *mebibytes > kMaxWarmPoolMebibytes) {
    return Expected(absl::StrCat("a number of MiB from 0 to ", kMaxWarmPoolMebibytes), value);
  }
  options.warm_pool_bytes = *mebibytes << 20;
  return absl::OkStatus();
}

absl::Status ReadMaxBufferSize(const std::string& value, Options& options) {
  const std::optional<uint64_t> bytes = ParseBytes(value);
  if (!bytes || *bytes == 0) {
    return Expected("a number of bytes above 0, as in 4096 or 64MiB", value);
  }
  options.max_buffer_bytes = *bytes;
  return absl::OkStatus();
}

absl::Status ReadPreferredHeaps(const std::string& value, Options& options) {
  options.preferred_heaps.clear();
  for (const absl::string_view name : absl::StrSplit(value, ',', absl::SkipEmpty())) {
    std::optional<std::string> type = HeapTypeNamed(std::string(name));
    if (!type) return Expected("heap types, such as DMA_HEAP_SYSTEM", std::string(name));
    options.preferred_heaps.push_back(*std::move(type));
  }
  return absl::OkStatus();
}

// Files are read when it is known which ones they are (ReadCostFiles).
absl::Status ReadFormatCostFiles(const std::string& value, Options& options) {
  options.format_cost_files.clear();
  for (const absl::string_view name : absl::StrSplit(value, ':', absl::SkipEmpty())) {
    const bool has_directory = absl::StrContains(name, '/');
    options.format_cost_files.push_back(
        has_directory ? std::string(name) : absl::StrCat(kFormatCostDirectory, "/", name, ".toml"));
  }
  return absl::OkStatus();
}

absl::Status ReadRecordFile(const std::string& value, Options& options) {
  if (value.empty()) return Expected("a path", value);
  options.record_file = value;
  return absl::OkStatus();
}

template <absl::Status (*kRead)(const std::string& value, PoolSettings& settings)>
absl::Status ReadPool(const std::string& value, Options& options) {
  return kRead(value, options.pools);
}

struct Setting {
  const char* flag;
  const char* variable;
  const char* key;
  const char* value_name;
  const char* help;
  absl::Status (*read)(const std::string& value, Options& options);
};

constexpr Setting kSettings[] = {
    {"--socket", "SYSMEM_SOCKET", "socket.path", "PATH", "Where clients connect", ReadSocketPath},
    {"--socket-mode", "SYSMEMD_SOCKET_MODE", "socket.mode", "MODE",
     "Permissions of the socket, octal (default 660)", ReadSocketMode},
    {"--log-level", "SYSMEMD_LOG_LEVEL", "log.level", "LEVEL",
     "debug, info (default), warning or error", ReadLogLevel},
    {"--admin-group", "SYSMEMD_ADMIN_GROUP", "access.admin_group", "GROUP",
     "Whose members may inspect everybody's objects", ReadAdminGroup},
    {"--heap-providers", "SYSMEMD_HEAP_PROVIDERS", "access.heap_providers", "USER,USER...",
     "Who may serve heaps for others, besides root and the daemon's user", ReadHeapProviders},
    {"--memory-reserve", "SYSMEMD_MEMORY_RESERVE", "memory.reserve", "PERCENT",
     "Part of the available memory that allocations leave alone (default 5)", ReadMemoryReserve},
    {"--warm-pool", "SYSMEMD_WARM_POOL", "memory.warm_pool", "MIB",
     "Memory for buffers made ahead of time, at most (default 64)", ReadWarmPool},
    {"--max-buffer-size", "SYSMEMD_MAX_BUFFER_SIZE", "memory.max_buffer_size", "BYTES",
     "What one buffer may hold at most, as in 4096 or 64MiB (default 256MiB)", ReadMaxBufferSize},
    {"--prefer-heaps", "SYSMEMD_PREFER_HEAPS", "heaps.prefer", "HEAP,HEAP...",
     "Heaps to take first where several would do, before SYSTEM_RAM", ReadPreferredHeaps},
    {"--contiguous-pool", "SYSMEMD_CONTIGUOUS_POOL", "pools.contiguous", "SIZE",
     "Contiguous memory, simulated: bytes, or as in -5 percent of the memory (default 0: none)",
     ReadPool<ReadContiguousPool>},
    {"--pool-guards", "SYSMEMD_POOL_GUARDS", "pools.guards", "WORD,WORD...",
     "Of the contiguous pool: internal, fatal, unused-disabled, pages=COUNT (default 1), "
     "unused-cycle-seconds=COUNT (default 600)",
     ReadPool<ReadPoolGuards>},
    {"--protected-pool", "SYSMEMD_PROTECTED_POOL", "pools.protected", "SIZE",
     "Secure memory, simulated: as --contiguous-pool (default 0: none)",
     ReadPool<ReadProtectedPool>},
    {"--simulated-secure-heaps", "SYSMEMD_SIMULATED_SECURE_HEAPS", "pools.simulated_secure_heaps",
     "HEAP,HEAP...", "Heaps of secure memory that need no driver, by their types",
     ReadPool<ReadSimulatedSecureHeaps>},
    {"--format-costs", "SYSMEMD_FORMAT_COSTS", "formats.costs", "FILE:FILE...",
     "Files that say which image formats to prefer", ReadFormatCostFiles},
    {"--record", "SYSMEMD_RECORD", "record.file", "FILE",
     "Append to this file what happens to collections, for sysmemctl replay", ReadRecordFile},
};
constexpr size_t kSettingCount = std::size(kSettings);

// What the command line itself says.
struct Arguments {
  std::array<std::optional<std::string>, kSettingCount> settings;
  std::optional<std::string> config;
  bool check_config = false;
  std::optional<uint16_t> ready_fd;
  std::optional<uint64_t> test_shuffle_calls;
  std::string test_devices;
};

// Empty when `arguments` are filled in.
std::optional<ParsedCommandLine> ParseArguments(int argc, const char* const* argv,
                                                Arguments& arguments) {
  CLI::App app("Negotiates and hands out memory shared between processes.", "sysmemd");
  for (size_t i = 0; i < kSettingCount; ++i) {
    const Setting& setting = kSettings[i];
    app.add_option(setting.flag, arguments.settings[i],
                   absl::StrCat(setting.help, " [$", setting.variable, ", ", setting.key, "]"))
        ->type_name(setting.value_name);
  }
  app.add_option("--config", arguments.config,
                 absl::StrCat("Configuration file (default ", kDefaultConfigPath,
                              ", if it exists) [$SYSMEMD_CONFIG]"))
      ->type_name("FILE");
  app.add_flag("--check-config", arguments.check_config, "Check all settings and exit");
  app.add_option("--ready-fd", arguments.ready_fd,
                 "Write one byte to this descriptor when clients can connect")
      ->type_name("N");
  app.add_option("--test-shuffle-calls", arguments.test_shuffle_calls)->group("");
  app.add_option("--test-devices", arguments.test_devices)->group("");
  app.set_version_flag("--version", "sysmemd " SYSMEM_VERSION_STRING);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& outcome) {  // --help and --version are such outcomes too
    std::ostringstream text;
    const bool is_good = app.exit(outcome, text, text) == 0;
    return ParsedCommandLine{.text = text.str(), .exit_code = is_good ? 0 : kExitUsage};
  }
  return std::nullopt;
}

absl::Status Apply(const Setting& setting, const std::string& value, const std::string& where,
                   Options& options) {
  absl::Status status = setting.read(value, options);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", status.message()));
}

bool IsSection(const std::string& name) {
  for (const Setting& setting : kSettings) {
    if (std::string_view(setting.key).substr(0, name.size() + 1) == name + ".") return true;
  }
  return false;
}

const Setting* FindSetting(const std::string& key) {
  for (const Setting& setting : kSettings) {
    if (setting.key == key) return &setting;
  }
  return nullptr;
}

absl::Status ApplyFile(const std::vector<ConfigEntry>& entries, Options& options) {
  for (const ConfigEntry& entry : entries) {
    const Setting* const setting = entry.section ? nullptr : FindSetting(entry.key);
    if (setting == nullptr && !(entry.section && IsSection(entry.key))) {
      return absl::InvalidArgumentError(absl::StrCat(
          entry.where, ": unknown ", entry.section ? "section " : "key ", base::Quote(entry.key)));
    }
    if (setting == nullptr) continue;
    const std::string where = absl::StrCat(entry.where, ": ", entry.key);
    if (absl::Status status = Apply(*setting, entry.value, where, options); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

// `named`: the file somebody asked for; empty for the default one, which may be absent.
absl::Status ApplyFileAt(const std::optional<std::string>& named, const std::string& default_path,
                         Options& options) {
  absl::StatusOr<Config> config = ReadConfigFile(named.value_or(default_path));
  if (!config.ok()) {
    const bool may_be_absent = !named && absl::IsNotFound(config.status());
    return may_be_absent ? absl::OkStatus() : config.status();
  }
  options.format_costs = std::move(config->format_costs);
  options.heap_policies = std::move(config->heap_policies);
  return ApplyFile(config->entries, options);
}

// Puts what the files say before what the configuration itself says, which so has the last word.
absl::Status ReadCostFiles(Options& options) {
  std::vector<core::FormatCost> costs;
  for (const std::string& path : options.format_cost_files) {
    absl::StatusOr<Config> file = ReadConfigFile(path);
    if (!file.ok()) return file.status();
    if (!file->entries.empty()) {
      const ConfigEntry& first = file->entries.front();
      return absl::InvalidArgumentError(absl::StrCat(first.where, ": ", base::Quote(first.key),
                                                     " is not for a file of format costs"));
    }
    if (!file->heap_policies.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": heap_policies are not for a file of format costs"));
    }
    costs.insert(costs.end(), file->format_costs.begin(), file->format_costs.end());
  }
  costs.insert(costs.end(), options.format_costs.begin(), options.format_costs.end());
  options.format_costs = std::move(costs);
  return absl::OkStatus();
}

std::optional<std::string> Variable(const Environment& environment, const char* name) {
  const char* const value = environment(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

// The weakest source first, so that stronger ones overwrite it.
absl::Status ApplyAll(const Arguments& arguments, const Environment& environment,
                      const std::string& default_config, Options& options) {
  std::optional<std::string> config = arguments.config;
  if (!config) config = Variable(environment, "SYSMEMD_CONFIG");
  absl::Status status = ApplyFileAt(config, default_config, options);
  for (size_t i = 0; status.ok() && i < kSettingCount; ++i) {
    const Setting& setting = kSettings[i];
    const std::optional<std::string> variable = Variable(environment, setting.variable);
    if (variable) status = Apply(setting, *variable, absl::StrCat("$", setting.variable), options);
    if (!status.ok() || !arguments.settings[i]) continue;
    status = Apply(setting, *arguments.settings[i], setting.flag, options);
  }
  if (status.ok()) status = ReadCostFiles(options);
  return status;
}

}  // namespace

const char kFormatCostDirectory[] = SYSMEM_FORMAT_COST_DIRECTORY;

int ParsedCommandLine::Print() const {
  (exit_code == 0 ? std::cout : std::cerr) << text << std::flush;
  return exit_code;
}

std::string DefaultSocketPath(uid_t uid, const Environment& environment) {
  const std::optional<std::string> runtime_dir = Variable(environment, "XDG_RUNTIME_DIR");
  if (uid == 0 || !runtime_dir || runtime_dir->empty()) return "/run/sysmemd/socket";
  return absl::StrCat(*runtime_dir, "/sysmemd/socket");
}

ParsedCommandLine ParseCommandLine(int argc, const char* const* argv,
                                   const Environment& environment,
                                   const std::string& default_config) {
  Arguments arguments;
  if (auto nothing_to_run = ParseArguments(argc, argv, arguments)) return *nothing_to_run;
  Options options{.ready_fd = arguments.ready_fd,
                  .test_shuffle_calls = arguments.test_shuffle_calls,
                  .test_devices = arguments.test_devices};
  options.socket_path = DefaultSocketPath(::geteuid(), environment);
  const absl::Status status = ApplyAll(arguments, environment, default_config, options);
  if (!status.ok()) {
    return {.text = absl::StrCat("sysmemd: ", status.message(), "\n"), .exit_code = kExitUsage};
  }
  if (arguments.check_config) return {.text = "sysmemd: the configuration is good\n"};
  return {.options = std::move(options)};
}

}  // namespace sysmem::server
