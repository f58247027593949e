// SPDX-License-Identifier: Apache-2.0
//
// The writer of the pipeline and the initiator of the collection: creates the root token, passes
// duplicates to the consumers, decodes straight into the shared buffers and tells the consumers
// which picture is where.
//
// Two threads: one decodes and sends; the other takes in what consumers return and what the daemon
// tells, so that a decoder that waits for a buffer hears of both.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "tools/demo/converter.h"
#include "tools/demo/frame_link.h"
#include "tools/demo/frame_pool.h"
#include "tools/demo/membership.h"
#include "tools/demo/video_facts.h"

namespace sysmem::demo {

class Decoder {
 public:
  explicit Decoder(const ParticipantOptions& options);
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // The whole life of the process.
  Result<void> Run();

 private:
  struct Counts {
    uint64_t frames = 0;                // passed on; of these:
    uint64_t converted = 0;             // other format, other size, or a codec with its own memory
    std::atomic<uint64_t> crowded = 0;  // the codec held more than it may need
  };

  Result<Token> StartCollection();
  Result<void> TakePart();
  Result<void> StreamAll();
  Result<void> Stream(FramePtr frame);
  Result<FramePtr> ConvertToShared(const AVFrame& frame);
  Result<void> Tell(const LinkMessage& message);
  Result<void> Finish();
  void ReportStreamed();
  void ReportProgress(bool is_last);

  static int GetBuffer(AVCodecContext* codec, AVFrame* frame, int flags);
  bool Fits(AVCodecContext* codec, const AVFrame& frame) const;

  // The second thread.
  void Listen();
  Result<void> Hear(size_t consumer);
  void Fail(const Failure& why);
  std::optional<Failure> failure();
  void StopListening();

  const ParticipantOptions& options_;
  const int threads_;
  StatusWriter status_;
  VideoSource source_;
  VideoFacts facts_;
  Membership membership_;
  std::vector<std::unique_ptr<FrameLink>> links_;
  // Each is used by those after it.
  std::optional<SharedPictures> pictures_;
  std::optional<FramePool> pool_;
  std::optional<Converter> converter_;
  std::unique_ptr<VideoReader> reader_;
  Counts counts_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_progress_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<bool> is_done_;       // each consumer; guarded by mutex_
  std::optional<Failure> failure_;  // what ended the pipeline; guarded by mutex_
  UniqueFd stop_listening_;
  std::thread listener_;
};

}  // namespace sysmem::demo
