// SPDX-License-Identifier: Apache-2.0
#include "base/memory_pressure.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/errno_status.h"

namespace sysmem::base {
namespace {

constexpr char kMachine[] = "/proc/pressure/memory";
constexpr char kGroupRoot[] = "/sys/fs/cgroup";

// In two seconds some process stalled for 200 ms in all, which is also when systemd tells its
// services. Two seconds is the shortest window that an unprivileged process may ask for.
constexpr char kTrigger[] = "some 200000 2000000";

// The file of the group that this process is in, unless that is the root, which is the machine, or
// cannot be seen from here ("/../..").
std::optional<std::string> OwnGroup(const TextFileReader& read) {
  const std::optional<std::string> text = read("/proc/self/cgroup");
  if (!text) return std::nullopt;
  const MemoryCgroup own = ParseProcSelfCgroup(*text);
  if (!own.v2_path || *own.v2_path == "/" || own.v2_path->starts_with("/..")) return std::nullopt;
  return absl::StrCat(kGroupRoot, *own.v2_path, "/memory.pressure");
}

}  // namespace

std::vector<PressureSource> PressureSources(const VariableReader& variable,
                                            const TextFileReader& read) {
  if (const char* const watch = variable("MEMORY_PRESSURE_WATCH")) {
    if (std::string_view(watch) == "/dev/null") return {};
    PressureSource source{.path = watch, .trigger = {}};
    const char* const write = variable("MEMORY_PRESSURE_WRITE");
    // What is no base64 leaves the trigger empty; the source then says what it thinks of that.
    if (write != nullptr && !absl::Base64Unescape(write, &source.trigger)) source.trigger.clear();
    return {source};
  }
  std::vector<PressureSource> sources;
  if (std::optional<std::string> group = OwnGroup(read)) {
    sources.push_back({.path = *std::move(group), .trigger = kTrigger});
  }
  sources.push_back({.path = kMachine, .trigger = kTrigger});
  return sources;
}

absl::StatusOr<PressureTrigger> OpenPressureTrigger(const PressureSource& source) {
  const std::string what = absl::StrCat("listen for memory pressure on ", source.path);
  // For both directions also where it is a pipe, which so never hangs up.
  UniqueFd fd(::open(source.path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, what);
  if (!S_ISREG(info.st_mode) && !S_ISFIFO(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": it is neither a file nor a pipe"));
  }
  // With its NUL, in whose place the kernel otherwise puts one.
  if (!source.trigger.empty() &&
      ::write(fd.get(), source.trigger.c_str(), source.trigger.size() + 1) < 0) {
    return ErrnoStatus(errno, what);
  }
  return PressureTrigger{.fd = std::move(fd),
                         .path = source.path,
                         .events = S_ISFIFO(info.st_mode) ? uint32_t{EPOLLIN} : uint32_t{EPOLLPRI}};
}

}  // namespace sysmem::base
