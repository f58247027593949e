// SPDX-License-Identifier: Apache-2.0
//
// Writes down what happens to every collection, for `sysmemctl replay` (recording/recording.h).
//
//   absl::StatusOr<std::shared_ptr<Recorder>> recorder = Recorder::Open(path, {});
//   (*recorder)->Append(recording::BeginLine(id, now_ns));
//
// Append leaves the line in a bounded queue and returns; a thread of the recorder's writes. What
// finds the queue full is lost, and the file says how much. When the file cannot be written any
// more, recording ends, is complained of once, and nobody else notices.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace sysmem::server {

struct RecorderOptions {
  // Lines that wait to be written. Seconds of a busy daemon: a disk may stall for that long.
  size_t queue_bytes = 16 << 20;
  // Told what a person should know: lines lost, the end of the recording. On the recorder's thread.
  std::function<void(const std::string&)> complain;
};

class Recorder {
 public:
  // Appends to the file at `path`, or makes it: with mode 0600, for it holds what clients call
  // themselves. A file that is there already must be a regular one of this user; it becomes 0600,
  // and a last line without an end, of a daemon that was stopped in the middle, is cut off.
  static absl::StatusOr<std::shared_ptr<Recorder>> Open(const std::string& path,
                                                        RecorderOptions options);
  // Writes what still waits.
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // False once the file cannot be written: there is no point in making lines any more.
  bool works() const { return !failed_.load(std::memory_order_relaxed); }

  // `line` ends with a newline. Never waits for the file.
  void Append(std::string line);

 private:
  Recorder(std::string path, base::UniqueFd file, RecorderOptions options);

  void Run();
  void Write(const std::string& batch);
  void Complain(const std::string& what) const;

  const std::string path_;
  const base::UniqueFd file_;
  const RecorderOptions options_;
  std::atomic<bool> failed_ = false;

  std::mutex mutex_;
  std::condition_variable something_to_do_;
  std::string waiting_;
  uint64_t lost_ = 0;  // lines that came after `waiting_`
  bool ending_ = false;

  std::thread thread_;
};

}  // namespace sysmem::server
