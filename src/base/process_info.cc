// SPDX-License-Identifier: Apache-2.0
#include "base/process_info.h"

#include <dirent.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/memory_limits.h"

namespace sysmem::base {

std::string CommandName(pid_t pid) {
  if (pid <= 0) return "";
  std::optional<std::string> name = ReadSmallFile(absl::StrCat("/proc/", pid, "/comm"));
  if (!name) return "";
  if (name->ends_with('\n')) name->pop_back();
  return *std::move(name);
}

absl::StatusOr<uint64_t> OwnDescriptorCount() {
  std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc/self/fd"), &::closedir);
  if (directory == nullptr) return ErrnoStatus(errno, "list /proc/self/fd");
  uint64_t count = 0;
  errno = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (entry->d_name[0] != '.') ++count;
  }
  if (errno != 0) return ErrnoStatus(errno, "list /proc/self/fd");
  return count - 1;  // the one that lists
}

absl::StatusOr<uint64_t> OwnResidentBytes() {
  const std::optional<std::string> text = ReadSmallFile("/proc/self/statm");
  if (!text) return absl::UnavailableError("read /proc/self/statm: it cannot be read");
  // "size resident shared ...", in pages.
  const size_t space = text->find(' ');
  uint64_t pages = 0;
  if (space == std::string::npos ||
      std::from_chars(text->data() + space + 1, text->data() + text->size(), pages).ec !=
          std::errc()) {
    return absl::InternalError(absl::StrCat("read /proc/self/statm: no figures in ", *text));
  }
  return pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace sysmem::base
