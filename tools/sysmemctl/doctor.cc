// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/doctor.h"

#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <utility>

#include "sysmem_version.h"
#include "tools/sysmemctl/colour.h"
#include "tools/sysmemctl/exit_code.h"
#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {
namespace {

// A limit that is used as far as that may run out while somebody looks.
constexpr uint64_t kNearPercent = 80;

bool IsNear(uint64_t used, uint64_t limit) {
  return used >= limit / 100 * kNearPercent + limit % 100 * kNearPercent / 100;
}

Finding Good(std::string what) { return {Verdict::kGood, std::move(what), ""}; }
Finding Advice(std::string what, std::string advice) {
  return {Verdict::kAdvice, std::move(what), std::move(advice)};
}
Finding Problem(std::string what, std::string advice) {
  return {Verdict::kProblem, std::move(what), std::move(advice)};
}

// Where the library looks for a socket, in its order (sysmem/client.h). Empty variables are unset.
std::vector<std::string> SocketPaths(const std::string& named) {
  if (!named.empty()) return {named};
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (const std::string path = variable("SYSMEM_SOCKET"); !path.empty()) return {path};
  std::vector<std::string> paths;
  if (const std::string runtime = variable("XDG_RUNTIME_DIR"); !runtime.empty()) {
    paths.push_back(runtime + "/sysmemd/socket");
  }
  paths.emplace_back("/run/sysmemd/socket");
  return paths;
}

// Which of them the failure is about: the first that may not be connected to if it speaks of that,
// else the first that exists. Empty: none.
std::string PathBehind(const Failure& failure, const std::vector<std::string>& paths) {
  const auto found = std::find_if(paths.begin(), paths.end(), [&](const std::string& path) {
    if (failure.system_errno != EACCES) return ::access(path.c_str(), F_OK) == 0;
    return ::access(path.c_str(), W_OK) != 0 && errno == EACCES;
  });
  return found == paths.end() ? "" : *found;
}

std::string GroupName(gid_t gid) {
  const group* const entry = ::getgrgid(gid);  // one thread
  return entry == nullptr ? std::to_string(gid) : entry->gr_name;
}

void ExamineHeaps(const Json& heaps, std::vector<Finding>& findings) {
  for (const Json& info : heaps) {
    const std::string name = HeapName(info.value("heap", Json::object()));
    if (Flag(info, "usable")) {
      const std::string backing = Safe(Text(info, "backing"));
      findings.push_back(
          Good("heap " + name + " can be used" + (backing.empty() ? "" : ": " + backing)));
    } else {
      findings.push_back(
          Advice("heap " + name + " cannot be used: " + SafeLine(Text(info, "why_unusable")),
                 SafeLine(Text(info, "remedy"))));
    }
  }
}

void ExamineLimits(const Json& limits, std::vector<Finding>& findings) {
  size_t near = 0;
  for (const Json& limit : limits) {
    const uint64_t value = Number(limit, "value");
    const uint64_t used = Number(limit, "used");
    // Filled on purpose, by the daemon itself.
    if (Text(limit, "name") == "warm_pool" || Text(limit, "name") == "spare_descriptors") continue;
    if (value == 0 || !limit.contains("used") || !IsNear(used, value)) continue;
    ++near;
    findings.push_back(Problem(
        "limit " + Text(limit, "name") + ": " + std::to_string(used) + " of " +
            std::to_string(value) + " " + Text(limit, "unit") + " are used",
        "`sysmemctl list` and `holders` tell by whom; the limit is " + Text(limit, "reason")));
  }
  if (near == 0) findings.push_back(Good("no limit is near"));
}

}  // namespace

std::vector<Finding> ExamineDaemon(const Json& status, const Json& heaps,
                                   const std::string& own_version) {
  std::vector<Finding> findings;
  const std::string version = Text(status, "version");
  findings.push_back(Good("sysmemd " + Safe(version) + " answers, pid " +
                          std::to_string(Number(status, "pid")) + ", user " +
                          std::to_string(Number(status, "uid")) + ", up " +
                          Duration(Number(status, "uptime_ns"))));
  if (version != own_version) {
    findings.push_back(
        Advice("this program is of version " + own_version + ", the daemon of " + Safe(version),
               "restart sysmemd after an upgrade"));
  }
  if (Number(status, "uid") == 0) {
    findings.push_back(
        Advice("the daemon runs as root, which it does not need", "give it a user of its own"));
  }
  if (Number(status, "uid") == ::geteuid() && ::geteuid() != 0) {
    findings.push_back(
        Advice("the daemon runs as the same user as you: programs of this user can "
               "open read-only buffers once more, for writing",
               "for enforced read-only access run it as a user of its own"));
  }
  constexpr uint64_t kFewDescriptors = 4096;
  if (const uint64_t limit = Number(status, "descriptors_limit"); limit < kFewDescriptors) {
    findings.push_back(
        Advice("the daemon may open " + std::to_string(limit) +
                   " descriptors only; half of these are for buffers",
               "raise its RLIMIT_NOFILE (LimitNOFILE= in a systemd unit, ulimit -n in a shell)"));
  }
  ExamineHeaps(heaps, findings);
  ExamineLimits(status.value("limits", Json::array()), findings);
  if (!Flag(status, "sees_everything")) {
    findings.push_back(
        Advice("your user sees only what belongs to it",
               "root, the daemon's user and the members of its admin group see all"));
  }
  return findings;
}

std::vector<Finding> ExamineSocket(const std::string& path, const Failure& failure) {
  const std::string advice_to_start = "start it: systemctl start sysmemd, or sysmemd --help";
  if (failure.status == Status::kDisconnected && failure.system_errno == EDQUOT) {
    return {
        Problem(SafeLine(failure.message),
                "end programs that use sysmemd; `sysmemctl list`, run by root, tells which do")};
  }
  struct stat status {};
  const bool exists = !path.empty() && ::stat(path.c_str(), &status) == 0;
  if (failure.system_errno == EACCES && exists) {
    const std::string group = GroupName(status.st_gid);
    return {Problem("you may not connect to " + Safe(path) + ": it belongs to group " + group,
                    "join it, and log in anew: usermod -aG " + group + " USER")};
  }
  if (failure.system_errno == EACCES && !path.empty()) {
    return {Problem("you may not connect to " + Safe(path) + ": a directory above is closed to you",
                    "ask whoever owns it; or name another socket with --socket")};
  }
  if (exists && S_ISSOCK(status.st_mode) && failure.system_errno == ECONNREFUSED) {
    return {
        Problem("nobody listens at " + Safe(path) + ": the socket is left of a daemon that ended",
                advice_to_start)};
  }
  return {Problem(SafeLine(failure.ToString()), advice_to_start)};
}

std::string DescribeFindings(const std::vector<Finding>& findings, bool colour) {
  const Colours colours(colour);
  std::string text;
  size_t problems = 0;
  size_t advice = 0;
  for (const Finding& finding : findings) {
    switch (finding.verdict) {
      case Verdict::kGood:
        text += colours.In(Colour::kGreen, "good   ");
        break;
      case Verdict::kAdvice:
        ++advice;
        text += colours.In(Colour::kCyan, "advice ");
        break;
      case Verdict::kProblem:
        ++problems;
        text += colours.In(Colour::kRed, "PROBLEM");
        break;
    }
    text += " " + finding.what + "\n";
    if (!finding.advice.empty()) text += "        -> " + finding.advice + "\n";
  }
  text += std::to_string(problems) + (problems == 1 ? " problem, " : " problems, ") +
          std::to_string(advice) + (advice == 1 ? " piece" : " pieces") + " of advice\n";
  return text;
}

Json FindingsForPrograms(const std::vector<Finding>& findings) {
  Json list = Json::array();
  for (const Finding& finding : findings) {
    list.push_back({{"verdict", finding.verdict == Verdict::kGood     ? "good"
                                : finding.verdict == Verdict::kAdvice ? "advice"
                                                                      : "problem"},
                    {"what", finding.what},
                    {"advice", finding.advice}});
  }
  return list;
}

int RunDoctor(const std::string& socket, bool json) {
  std::vector<Finding> findings;
  std::optional<ExitCode> not_reached;
  Result<DaemonView> daemon = DaemonView::Open(socket);
  const auto examine = [&]() -> Result<void> {
    if (!daemon.ok()) return daemon.failure();
    Result<Json> status = daemon->Ask("GetStatus");
    if (!status.ok()) return status.failure();
    Result<Json> heaps = daemon->Ask("ListHeaps");
    if (!heaps.ok()) return heaps.failure();
    findings.push_back(Good("the socket is " + Safe(daemon->path())));
    for (Finding& finding :
         ExamineDaemon(*status, heaps->value("heaps", Json::array()), SYSMEM_VERSION_STRING)) {
      findings.push_back(std::move(finding));
    }
    return {};
  };
  if (const Result<void> examined = examine(); !examined.ok()) {
    const std::string path = PathBehind(examined.failure(), SocketPaths(socket));
    findings = ExamineSocket(path, examined.failure());
    not_reached = ExitCodeOf(examined.failure());
  }
  for (Finding& finding : ExamineKernel("")) findings.push_back(std::move(finding));
  std::cout << (json ? JsonText(FindingsForPrograms(findings)) + "\n"
                     : DescribeFindings(findings, StandardOutputHasColour()));
  if (not_reached) return *not_reached;
  const bool healthy = std::none_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.verdict == Verdict::kProblem;
  });
  return healthy ? kOk : kFailed;
}

}  // namespace sysmem::ctl
