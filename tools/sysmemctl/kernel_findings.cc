// SPDX-License-Identifier: Apache-2.0
//
// What the kernel offers, and which of its settings are in the way or would make things faster.
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>

#include "tools/sysmemctl/doctor.h"
#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {
namespace {

std::optional<std::string> FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

std::optional<uint64_t> NumberIn(const std::string& path) {
  const std::optional<std::string> line = FirstLine(path);
  if (!line || line->empty()) return std::nullopt;
  char* end = nullptr;
  const uint64_t number = std::strtoull(line->c_str(), &end, 10);
  return end == line->c_str() ? std::nullopt : std::optional(number);
}

// The word in brackets: "always [advise] never" says "advise".
std::string Selected(const std::string& line) {
  const size_t open = line.find('[');
  const size_t close = line.find(']', open);
  return close == std::string::npos ? "" : line.substr(open + 1, close - open - 1);
}

// Each buffer takes one watch of the daemon's user.
Finding ExamineWatches(const std::string& root) {
  constexpr uint64_t kFewWatches = 16'384;
  const std::optional<uint64_t> watches = NumberIn(root + "/proc/sys/fs/inotify/max_user_watches");
  if (!watches) {
    return {Verdict::kProblem, "the kernel has no inotify: the ends of buffers are seen late",
            "use a kernel with CONFIG_INOTIFY_USER"};
  }
  const std::string what = "fs.inotify.max_user_watches allows for " + std::to_string(*watches) +
                           " buffers whose end is announced";
  if (*watches >= kFewWatches) return {Verdict::kGood, what, ""};
  return {Verdict::kAdvice, what, "sysctl fs.inotify.max_user_watches=65536"};
}

Finding ExaminePressure(const std::string& root) {
  if (FirstLine(root + "/proc/pressure/memory")) {
    return {Verdict::kGood, "the kernel tells when memory is short (PSI)", ""};
  }
  return {Verdict::kAdvice,
          "the kernel does not tell when memory is short: buffers that were made ahead of time are "
          "given back later than they could be",
          "boot with psi=1, on a kernel with CONFIG_PSI"};
}

Finding ExamineHugePages(const std::string& root) {
  const std::optional<std::string> line =
      FirstLine(root + "/sys/kernel/mm/transparent_hugepage/shmem_enabled");
  const std::string selected = line ? Selected(*line) : "";
  if (selected == "always" || selected == "within_size" || selected == "force") {
    return {Verdict::kGood, "large buffers get huge pages (shmem_enabled: " + selected + ")", ""};
  }
  return {Verdict::kAdvice,
          "large buffers get small pages only" +
              (selected.empty() ? std::string() : " (shmem_enabled: " + selected + ")"),
          "faster to map and to fill: echo within_size > "
          "/sys/kernel/mm/transparent_hugepage/shmem_enabled"};
}

Finding ExamineMemfd(const std::string& root) {
  // 2: memfd_create without MFD_NOEXEC_SEAL is refused.
  if (NumberIn(root + "/proc/sys/vm/memfd_noexec").value_or(0) >= 2) {
    return {Verdict::kAdvice,
            "vm.memfd_noexec is 2: programs that make memfds in the old way are refused",
            "sysctl vm.memfd_noexec=1 if heap providers on this machine fail with EACCES"};
  }
  return {Verdict::kGood, "memfds can be made", ""};
}

}  // namespace

std::vector<Finding> ExamineKernel(const std::string& root) {
  return {ExamineMemfd(root), ExamineWatches(root), ExaminePressure(root), ExamineHugePages(root)};
}

}  // namespace sysmem::ctl
