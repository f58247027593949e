// SPDX-License-Identifier: Apache-2.0
//
// How much memory this process may still take before the kernel starts to kill: the smaller of
// MemAvailable and what is left in each control group on the way up from its own.
//
// The reader of files is handed in, so that a test can describe a whole machine as a map:
//
//   absl::StatusOr<AvailableMemory> available = ReadAvailableMemory(ReadSmallFile);
//
// Thread-safe if the reader is.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sysmem::base {

struct AvailableMemory {
  uint64_t bytes = 0;
  std::string bounded_by;  // "MemAvailable", or the path of the file that holds the limit
  bool operator==(const AvailableMemory&) const = default;
};

// The text of a file, or nullopt when it cannot be read.
using TextFileReader = std::function<std::optional<std::string>(const std::string& path)>;

// The real reader: up to 64 KiB of a file of /proc or /sys, in one go.
std::optional<std::string> ReadSmallFile(const std::string& path);

// Errors: FailedPrecondition when /proc/meminfo cannot be read or has no MemAvailable. A control
// group whose files are missing (the root has none) does not bound.
absl::StatusOr<AvailableMemory> ReadAvailableMemory(const TextFileReader& read);

// --- The parsers, for text that only the kernel writes ---

// MemAvailable of /proc/meminfo in bytes.
std::optional<uint64_t> ParseMemAvailable(std::string_view meminfo);

// Where /proc/self/cgroup puts the process. Each path starts with '/'.
struct MemoryCgroup {
  std::optional<std::string> v2_path;  // the line "0::PATH"
  std::optional<std::string> v1_path;  // the line of the controller "memory"
  bool operator==(const MemoryCgroup&) const = default;
};
MemoryCgroup ParseProcSelfCgroup(std::string_view text);

// A byte count as in memory.max, memory.current, memory.limit_in_bytes. Nullopt for "max" and for
// anything that is no number.
std::optional<uint64_t> ParseByteCount(std::string_view text);

}  // namespace sysmem::base
