// SPDX-License-Identifier: Apache-2.0
#include "base/memory_limits.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"

namespace sysmem::base {
namespace {

constexpr size_t kSmallFileBytes = 64 * 1024;

// How the two generations of control groups call and place what we ask for.
struct Generation {
  const char* root;
  const char* limit_file;
  const char* usage_file;
};
constexpr Generation kV2{"/sys/fs/cgroup", "memory.max", "memory.current"};
constexpr Generation kV1{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"};

// Splits off the text before `separator`, or all of it.
std::string_view TakeUpTo(std::string_view& text, char separator) {
  const size_t end = text.find(separator);
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return taken;
}

bool ListContains(std::string_view list, std::string_view wanted) {
  while (!list.empty()) {
    if (TakeUpTo(list, ',') == wanted) return true;
  }
  return false;
}

// What is left below the limit of one group, if it has a limit.
std::optional<AvailableMemory> HeadroomOf(const std::string& folder, const Generation& generation,
                                          const TextFileReader& read) {
  const std::string limit_path = absl::StrCat(folder, "/", generation.limit_file);
  const std::optional<std::string> limit_text = read(limit_path);
  if (!limit_text) return std::nullopt;
  const std::optional<uint64_t> limit = ParseByteCount(*limit_text);
  if (!limit) return std::nullopt;
  const std::optional<std::string> usage_text =
      read(absl::StrCat(folder, "/", generation.usage_file));
  if (!usage_text) return std::nullopt;
  const std::optional<uint64_t> usage = ParseByteCount(*usage_text);
  if (!usage) return std::nullopt;
  return AvailableMemory{.bytes = *limit > *usage ? *limit - *usage : 0, .bounded_by = limit_path};
}

// Every group from the process's own up to the root of the hierarchy can refuse or kill.
void BoundByGroups(std::string group, const Generation& generation, const TextFileReader& read,
                   AvailableMemory& available) {
  // A path that leaves the namespace ("/../..") names groups that cannot be seen from here.
  if (group.starts_with("/..")) group = "/";
  while (true) {
    while (group.ends_with('/')) group.pop_back();
    const std::optional<AvailableMemory> headroom =
        HeadroomOf(absl::StrCat(generation.root, group), generation, read);
    if (headroom && headroom->bytes < available.bytes) available = *headroom;
    if (group.empty()) return;
    group.resize(group.rfind('/'));
  }
}

}  // namespace

std::optional<std::string> ReadSmallFile(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  std::string text(4096, '\0');
  size_t size = 0;
  while (true) {
    const ssize_t count = ::read(file.get(), text.data() + size, text.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::nullopt;
    size += static_cast<size_t>(count);
    if (count == 0 || size >= kSmallFileBytes) break;
    if (size == text.size()) text.resize(2 * size);
  }
  text.resize(size);
  return text;
}

absl::StatusOr<AvailableMemory> ReadAvailableMemory(const TextFileReader& read) {
  const std::optional<std::string> meminfo = read("/proc/meminfo");
  if (!meminfo) {
    return absl::FailedPreconditionError(
        "/proc/meminfo cannot be read; mount /proc in this container or chroot");
  }
  const std::optional<uint64_t> bytes = ParseMemAvailable(*meminfo);
  if (!bytes) return absl::FailedPreconditionError("/proc/meminfo has no line MemAvailable");
  AvailableMemory available{.bytes = *bytes, .bounded_by = "MemAvailable"};
  if (const std::optional<std::string> text = read("/proc/self/cgroup")) {
    MemoryCgroup own = ParseProcSelfCgroup(*text);
    if (own.v2_path) BoundByGroups(*std::move(own.v2_path), kV2, read, available);
    if (own.v1_path) BoundByGroups(*std::move(own.v1_path), kV1, read, available);
  }
  return available;
}

std::optional<uint64_t> ParseMemAvailable(std::string_view meminfo) {
  constexpr std::string_view kLabel = "MemAvailable:";
  while (!meminfo.empty()) {
    std::string_view line = TakeUpTo(meminfo, '\n');
    if (!line.starts_with(kLabel)) continue;
    line.remove_prefix(kLabel.size());
    while (line.starts_with(' ')) line.remove_prefix(1);
    const std::optional<uint64_t> kibibytes = ParseByteCount(TakeUpTo(line, ' '));
    if (!kibibytes || line != "kB" || *kibibytes > std::numeric_limits<uint64_t>::max() / 1024) {
      return std::nullopt;
    }
    return *kibibytes * 1024;
  }
  return std::nullopt;
}

MemoryCgroup ParseProcSelfCgroup(std::string_view text) {
  MemoryCgroup found;
  while (!text.empty()) {
    // "4:memory:/path"; the path itself may contain colons.
    std::string_view line = TakeUpTo(text, '\n');
    const std::string_view hierarchy = TakeUpTo(line, ':');
    const std::string_view controllers = TakeUpTo(line, ':');
    if (!line.starts_with('/')) continue;
    if (hierarchy == "0" && controllers.empty()) found.v2_path = line;
    if (ListContains(controllers, "memory")) found.v1_path = line;
  }
  return found;
}

std::optional<uint64_t> ParseByteCount(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

}  // namespace sysmem::base
