// SPDX-License-Identifier: Apache-2.0
#include "server/recorder.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "recording/recording.h"

namespace sysmem::server {
namespace {

constexpr mode_t kOwnerOnly = 0600;

absl::Status CheckOwner(int file, const std::string& path) {
  struct stat status {};
  if (::fstat(file, &status) != 0) return base::ErrnoStatus(errno, absl::StrCat("look at ", path));
  if (!S_ISREG(status.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is no regular file"));
  }
  if (status.st_uid != ::geteuid()) {
    return absl::PermissionDeniedError(
        absl::StrCat(path, " belongs to user ", status.st_uid, ", not to the daemon's"));
  }
  if (::fchmod(file, kOwnerOnly) != 0) {
    return base::ErrnoStatus(errno, absl::StrCat("change the mode of ", path));
  }
  return absl::OkStatus();
}

// Ends the file behind its last newline.
absl::Status CutOffBrokenLine(int file, const std::string& path) {
  off_t end = ::lseek(file, 0, SEEK_END);
  std::array<char, 4096> chunk;
  while (end > 0) {
    const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(chunk.size()));
    const ssize_t read = ::pread(file, chunk.data(), static_cast<size_t>(end - begin), begin);
    if (read != end - begin) return base::ErrnoStatus(errno, absl::StrCat("read ", path));
    const size_t newline = std::string_view(chunk.data(), static_cast<size_t>(read)).rfind('\n');
    if (newline != std::string_view::npos) {
      end = begin + static_cast<off_t>(newline) + 1;
      break;
    }
    end = begin;
  }
  if (::ftruncate(file, end) != 0) return base::ErrnoStatus(errno, absl::StrCat("write ", path));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<Recorder>> Recorder::Open(const std::string& path,
                                                         RecorderOptions options) {
  // Opening a pipe must not wait for a reader, and a link must not lead elsewhere.
  base::UniqueFd file(::open(
      path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, kOwnerOnly));
  if (!file) return base::ErrnoStatus(errno, absl::StrCat("record to ", path));
  if (absl::Status status = CheckOwner(file.get(), path); !status.ok()) return status;
  if (absl::Status status = CutOffBrokenLine(file.get(), path); !status.ok()) return status;
  std::shared_ptr<Recorder> recorder(new Recorder(path, std::move(file), std::move(options)));
  try {
    recorder->thread_ = std::thread([raw = recorder.get()] { raw->Run(); });
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(absl::StrCat("no thread to record with: ", error.what()));
  }
  return recorder;
}

Recorder::Recorder(std::string path, base::UniqueFd file, RecorderOptions options)
    : path_(std::move(path)), file_(std::move(file)), options_(std::move(options)) {}

Recorder::~Recorder() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  something_to_do_.notify_one();
  thread_.join();
}

void Recorder::Append(std::string line) {
  if (!works()) return;
  bool was_idle = false;
  {
    std::lock_guard lock(mutex_);
    was_idle = waiting_.empty() && lost_ == 0;
    // Behind a line that is lost nothing goes on before the file says so.
    if (lost_ > 0 || line.size() > options_.queue_bytes - waiting_.size()) {
      ++lost_;
    } else {
      waiting_ += line;
    }
  }
  if (was_idle) something_to_do_.notify_one();
}

void Recorder::Run() {
  // Where files are limited in size, a signal would end the daemon.
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  ::pthread_setname_np(::pthread_self(), "sysmemd-record");

  bool was_losing = false;
  std::string batch;
  while (works()) {
    uint64_t lost = 0;
    {
      std::unique_lock lock(mutex_);
      something_to_do_.wait(lock, [this] { return ending_ || lost_ > 0 || !waiting_.empty(); });
      if (waiting_.empty() && lost_ == 0) return;  // ending_
      batch.clear();
      batch.swap(waiting_);
      lost = std::exchange(lost_, 0);
    }
    if (lost > 0) absl::StrAppend(&batch, recording::LostLine(lost));
    if (lost > 0 && !was_losing) {
      Complain(absl::StrCat("cannot keep up: ", lost, " lines are lost, and perhaps more"));
    }
    was_losing = lost > 0;
    Write(batch);
  }
}

void Recorder::Write(const std::string& batch) {
  const off_t begin = ::lseek(file_.get(), 0, SEEK_END);
  std::string_view rest = batch;
  while (!rest.empty()) {
    const ssize_t written = ::write(file_.get(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const absl::Status why = base::ErrnoStatus(errno, "write");
      failed_.store(true, std::memory_order_relaxed);
      // Half a line is of no use; whole ones go with it, which the next reader cannot tell from a
      // recording that ended earlier.
      if (::ftruncate(file_.get(), begin) != 0) Complain("has a broken line at its end");
      return Complain(absl::StrCat("ends here: ", std::string(why.message())));
    }
    rest.remove_prefix(static_cast<size_t>(written));
  }
}

void Recorder::Complain(const std::string& what) const {
  if (options_.complain) options_.complain(absl::StrCat("the recording ", path_, " ", what));
}

}  // namespace sysmem::server
