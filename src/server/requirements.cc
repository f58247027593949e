// SPDX-License-Identifier: Apache-2.0
#include "server/requirements.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "base/reopen.h"
#include "base/unique_fd.h"
#include "server/event_loop.h"

namespace sysmem::server {
namespace {

// Below this a handful of clients with a few buffers each reach the limit.
constexpr rlim_t kSensibleDescriptors = 1024;
// The event of a close is there when close() returns; this is for a machine under load.
constexpr int kEventPatienceMs = 1000;
constexpr char kMemfdName[] = "sysmemd-check";
constexpr unsigned kMfdNoexecSeal = 8;  // MFD_NOEXEC_SEAL, Linux 6.3

std::string Text(const absl::Status& status) { return std::string(status.message()); }

// --- Each check: OK, or what went wrong. ---

absl::StatusOr<base::UniqueFd> MakeMemfd() {
  base::UniqueFd memfd(
      ::memfd_create(kMemfdName, MFD_CLOEXEC | MFD_ALLOW_SEALING | kMfdNoexecSeal));
  if (!memfd && errno == EINVAL) {
    memfd.reset(::memfd_create(kMemfdName, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  }
  if (!memfd) return base::ErrnoStatus(errno, "memfd_create");
  if (::fchmod(memfd.get(), 0600) != 0) return base::ErrnoStatus(errno, "fchmod a memfd");
  if (::ftruncate(memfd.get(), 4096) != 0) return base::ErrnoStatus(errno, "size a memfd");
  return memfd;
}

// The one description that the daemon keeps of a buffer: not the one that memfd_create made.
absl::StatusOr<base::UniqueFd> MakeKeptMemfd() {
  absl::StatusOr<base::UniqueFd> memfd = MakeMemfd();
  if (!memfd.ok()) return memfd.status();
  return base::Reopen(*memfd, O_RDWR);
}

absl::Status CheckMemfd() {
  absl::StatusOr<base::UniqueFd> memfd = MakeMemfd();
  if (!memfd.ok()) return memfd.status();
  if (::fallocate(memfd->get(), 0, 0, 4096) != 0) {
    return base::ErrnoStatus(errno, "fallocate a page of a memfd");
  }
  if (::fcntl(memfd->get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return base::ErrnoStatus(errno, "seal a memfd");
  }
  return absl::OkStatus();
}

absl::Status CheckReopen() {
  absl::StatusOr<base::UniqueFd> memfd = MakeMemfd();
  if (!memfd.ok()) return memfd.status();
  absl::StatusOr<base::UniqueFd> reader = base::Reopen(*memfd, O_RDONLY);
  if (!reader.ok()) return reader.status();
  if ((::fcntl(reader->get(), F_GETFL) & O_ACCMODE) != O_RDONLY) {
    return absl::FailedPreconditionError("a memfd reopened for reading is not read-only");
  }
  return absl::OkStatus();
}

absl::Status CheckInotify() {
  absl::StatusOr<base::UniqueFd> kept = MakeKeptMemfd();
  if (!kept.ok()) return kept.status();
  absl::StatusOr<base::UniqueFd> handed_out = base::Reopen(*kept, O_RDONLY);
  if (!handed_out.ok()) return handed_out.status();
  base::UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify) return base::ErrnoStatus(errno, "inotify_init1");
  const std::string link = absl::StrCat("/proc/self/fd/", kept->get());
  if (::inotify_add_watch(inotify.get(), link.c_str(), IN_CLOSE) < 0) {
    return base::ErrnoStatus(errno, "inotify_add_watch on a memfd");
  }
  handed_out->reset();
  pollfd event{.fd = inotify.get(), .events = POLLIN, .revents = 0};
  if (::poll(&event, 1, kEventPatienceMs) == 1) return absl::OkStatus();
  return absl::FailedPreconditionError("the closing of a memfd raised no inotify event");
}

absl::Status CheckLease() {
  absl::StatusOr<base::UniqueFd> kept = MakeKeptMemfd();
  if (!kept.ok()) return kept.status();
  if (::fcntl(kept->get(), F_SETLEASE, F_WRLCK) != 0) {
    return base::ErrnoStatus(errno, "take a lease on a memfd");
  }
  if (::fcntl(kept->get(), F_SETLEASE, F_UNLCK) != 0) {
    return base::ErrnoStatus(errno, "give back a lease on a memfd");
  }
  absl::StatusOr<base::UniqueFd> handed_out = base::Reopen(*kept, O_RDONLY);
  if (!handed_out.ok()) return handed_out.status();
  if (::fcntl(kept->get(), F_SETLEASE, F_WRLCK) == 0) {
    return absl::FailedPreconditionError("a lease was granted while somebody else held the memfd");
  }
  return absl::OkStatus();
}

absl::Status CheckFileLocks() {
  absl::StatusOr<base::UniqueFd> kept = MakeKeptMemfd();
  if (!kept.ok()) return kept.status();
  absl::StatusOr<base::UniqueFd> handed_out = base::Reopen(*kept, O_RDONLY);
  if (!handed_out.ok()) return handed_out.status();
  struct flock lock {};
  lock.l_type = F_RDLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = 1;
  lock.l_len = 1;
  if (::fcntl(handed_out->get(), F_OFD_SETLK, &lock) != 0) {
    return base::ErrnoStatus(errno, "lock a byte of a memfd");
  }
  lock.l_type = F_WRLCK;
  if (::fcntl(kept->get(), F_OFD_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) {
    return absl::FailedPreconditionError("a lock on a memfd is not seen by others");
  }
  return absl::OkStatus();
}

absl::Status CheckEventLoop() { return EventLoop::Create().status(); }

absl::Status CheckSigioIgnored() {
  struct sigaction action {};
  if (::sigaction(SIGIO, nullptr, &action) != 0) return base::ErrnoStatus(errno, "ask for SIGIO");
  if (action.sa_handler == SIG_IGN) return absl::OkStatus();
  return absl::FailedPreconditionError("SIGIO is not ignored: opening a leased file would kill");
}

constexpr struct {
  const char* name;
  absl::Status (*check)();
  const char* tried;
  const char* advice;
} kChecks[] = {
    {"SIGIO", CheckSigioIgnored, "ignored", "This is a defect of the daemon; please report it."},
    {"memfd", CheckMemfd, "made, sized, reserved and sealed one",
     "Needs Linux 3.17 or later with CONFIG_MEMFD_CREATE, and a sandbox that permits memfd_create "
     "and fallocate."},
    {"/proc/self/fd", CheckReopen, "reopened a memfd read-only",
     "Mount /proc where the daemon runs and let it see itself: buffers are handed out by reopening "
     "them there."},
    {"inotify", CheckInotify, "saw the closing of a memfd",
     "Raise fs.inotify.max_user_instances and fs.inotify.max_user_watches, and permit inotify in "
     "the sandbox: it tells when the last holder of a buffer is gone."},
    {"leases", CheckLease, "took one, and was refused one while somebody else held the file",
     "Needs fs.leases-enable=1 and CONFIG_FILE_LOCKING, and a file system user id that owns the "
     "daemon's files: a lease proves that nobody holds a buffer."},
    {"file locks", CheckFileLocks, "locked a byte and saw the lock from outside",
     "Needs Linux 3.15 or later with CONFIG_FILE_LOCKING: locks tell who holds a buffer."},
    {"epoll", CheckEventLoop, "made an event loop",
     "Permit epoll, eventfd and timerfd in the sandbox and raise the limit of descriptors."},
};

Requirement CheckDescriptorLimit() {
  Requirement result{.name = "RLIMIT_NOFILE"};
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    result.verdict = Verdict::kPoor;
    result.detail = Text(base::ErrnoStatus(errno, "ask for the limit of descriptors"));
  } else {
    const rlim_t before =
        std::exchange(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, kMostDescriptors));
    const rlim_t usable = ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
    result.verdict = usable >= kSensibleDescriptors ? Verdict::kMet : Verdict::kPoor;
    result.detail = absl::StrCat(usable, " descriptors");
  }
  if (result.verdict != Verdict::kMet) {
    result.advice =
        absl::StrCat("Set LimitNOFILE= in the daemon's unit (or ulimit -Hn) to at least ",
                     kSensibleDescriptors, ": each client needs two or more.");
  }
  return result;
}

}  // namespace

std::vector<Requirement> CheckRequirements() {
  std::vector<Requirement> results = {CheckDescriptorLimit()};
  for (const auto& [name, check, tried, advice] : kChecks) {
    const absl::Status status = check();
    if (status.ok()) {
      results.push_back({.name = name, .detail = tried});
    } else {
      results.push_back(
          {.name = name, .verdict = Verdict::kMissing, .detail = Text(status), .advice = advice});
    }
  }
  return results;
}

bool AllMet(const std::vector<Requirement>& requirements) {
  for (const Requirement& requirement : requirements) {
    if (requirement.verdict == Verdict::kMissing) return false;
  }
  return true;
}

std::string Describe(const std::vector<Requirement>& requirements) {
  std::string text;
  for (const Requirement& requirement : requirements) {
    if (requirement.verdict == Verdict::kMet) continue;
    absl::StrAppend(&text, requirement.verdict == Verdict::kMissing ? "missing: " : "poor: ",
                    requirement.name, ": ", requirement.detail, "\n  ", requirement.advice, "\n");
  }
  return text;
}

}  // namespace sysmem::server
