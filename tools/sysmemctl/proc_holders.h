// SPDX-License-Identifier: Apache-2.0
//
// Which processes of this machine have some memory open or mapped, by /proc: also those that the
// daemon did not hand it to. What this user may not read is counted, not guessed.
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sysmem::ctl {

// st_dev and st_ino of a memfd or dma-buf.
struct MemoryId {
  uint64_t device = 0;
  uint64_t inode = 0;
  auto operator<=>(const MemoryId&) const = default;  // NOLINT(modernize-use-nullptr)
};

// What one process has of one buffer.
struct Hold {
  uint64_t descriptors = 0;
  uint64_t mappings = 0;
};

struct HoldingProcess {
  pid_t pid = 0;
  uid_t uid = 0;
  std::string command;
  std::map<MemoryId, Hold> holds;
};

struct ProcScan {
  std::vector<HoldingProcess> processes;  // by rising pid
  uint64_t unreadable = 0;                // processes of others, whose descriptors are not shown
};

// Looks at all memfds and dma-bufs that processes have; who ends meanwhile is left out. `proc`:
// where the file system is mounted.
ProcScan ScanProc(const std::string& proc = "/proc");

// The memory behind one line of /proc/PID/maps; inode 0 if it is neither a memfd nor a dma-buf.
MemoryId MemoryInMapsLine(std::string_view line);

}  // namespace sysmem::ctl
