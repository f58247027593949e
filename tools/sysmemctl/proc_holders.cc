// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/proc_holders.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>

namespace sysmem::ctl {
namespace {

namespace fs = std::filesystem;

bool IsBufferLink(std::string_view target) {
  return target.starts_with("/memfd:") || target.starts_with("/dmabuf:") ||
         target.starts_with("anon_inode:dmabuf");
}

// False if it may not be read; true also if the process has ended meanwhile.
bool CountDescriptors(const fs::path& process, HoldingProcess& to) {
  std::error_code error;
  fs::directory_iterator entries(process / "fd", error);
  if (error) return error.value() != EACCES && error.value() != EPERM;
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const fs::path target = fs::read_symlink(entries->path(), error);
    if (error || !IsBufferLink(target.native())) {
      error.clear();  // closed meanwhile
      continue;
    }
    struct stat status {};
    if (::stat(entries->path().c_str(), &status) != 0) continue;
    ++to.holds[{status.st_dev, status.st_ino}].descriptors;
  }
  return true;
}

void CountMappings(const fs::path& process, HoldingProcess& to) {
  std::ifstream maps(process / "maps");
  for (std::string line; std::getline(maps, line);) {
    const MemoryId id = MemoryInMapsLine(line);
    if (id.inode != 0) ++to.holds[id].mappings;
  }
}

std::string CommandOf(const fs::path& process) {
  std::string command;
  std::getline(std::ifstream(process / "comm"), command);
  return command;
}

std::optional<pid_t> PidOf(const std::string& name) {
  pid_t pid = 0;
  const char* const end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data(), end, pid);
  if (error != std::errc() || stop != end || pid <= 0) return std::nullopt;
  return pid;
}

}  // namespace

MemoryId MemoryInMapsLine(std::string_view line) {
  // 7f12-7f13 rw-s 00000000 00:01 1234      /memfd:name (deleted)
  std::istringstream words{std::string(line)};
  std::string range, access, offset, device, path;
  uint64_t inode = 0;
  words >> range >> access >> offset >> device >> inode;
  std::getline(words >> std::ws, path);
  if (words.bad() || !IsBufferLink(path)) return {};
  unsigned major = 0;
  unsigned minor = 0;
  if (std::sscanf(device.c_str(), "%x:%x", &major, &minor) != 2) return {};
  return {makedev(major, minor), inode};
}

ProcScan ScanProc(const std::string& proc) {
  ProcScan scan;
  std::error_code error;
  fs::directory_iterator entries(proc, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const std::optional<pid_t> pid = PidOf(entries->path().filename().native());
    if (!pid) continue;
    struct stat status {};
    if (::stat(entries->path().c_str(), &status) != 0) continue;
    HoldingProcess process{.pid = *pid, .uid = status.st_uid, .command = {}, .holds = {}};
    if (!CountDescriptors(entries->path(), process)) {
      ++scan.unreadable;
      continue;
    }
    CountMappings(entries->path(), process);
    if (process.holds.empty()) continue;
    process.command = CommandOf(entries->path());
    scan.processes.push_back(std::move(process));
  }
  std::sort(scan.processes.begin(), scan.processes.end(),
            [](const HoldingProcess& a, const HoldingProcess& b) { return a.pid < b.pid; });
  return scan;
}

}  // namespace sysmem::ctl
