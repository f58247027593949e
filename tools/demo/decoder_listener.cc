// SPDX-License-Identifier: Apache-2.0
//
// The decoder's second thread, and the end of the stream, for which the first waits for it.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "tools/demo/decoder.h"

namespace sysmem::demo {

void Decoder::Listen() {
  const size_t consumers = links_.size();
  std::vector<pollfd> sources;
  for (const auto& link : links_) sources.push_back({link->fd(), POLLIN, 0});
  sources.push_back({membership_.fd(), POLLIN, 0});
  sources.push_back({stop_listening_.get(), POLLIN, 0});
  for (;;) {
    if (::poll(sources.data(), sources.size(), -1) < 0 && errno != EINTR) {
      return Fail(ErrnoSentence("cannot poll"));
    }
    if (sources[consumers + 1].revents != 0) return;
    for (size_t i = 0; i < consumers; ++i) {
      if (sources[i].revents == 0) continue;
      if (Result<void> heard = Hear(i); !heard.ok()) return Fail(heard.failure());
      const std::lock_guard lock(mutex_);
      if (is_done_[i]) sources[i].fd = -1;  // it may leave now
    }
    if (sources[consumers].revents != 0) {
      if (Result<void> news = membership_.Dispatch(); !news.ok()) return Fail(news.failure());
    }
  }
}

Result<void> Decoder::Hear(size_t consumer) {
  FrameLink& link = *links_[consumer];
  Result<FrameLink::Received> received = link.Receive();
  if (!received.ok()) return received.failure();
  if (!received->message) return membership_.AskWhatHappened("the " + link.peer() + " has gone");
  switch (received->message->kind) {
    case LinkKind::kReturn: {
      Result<void> returned = pool_->Return(consumer, received->message->number);
      return returned.ok() ? returned : Prefixed("the " + link.peer(), returned.failure());
    }
    case LinkKind::kDone: {
      const std::lock_guard lock(mutex_);
      is_done_[consumer] = true;
      changed_.notify_all();
      return {};
    }
    default:
      return Sentence("the " + link.peer() + " sent a wrong message");
  }
}

void Decoder::Fail(const Failure& why) {
  {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = why;
    changed_.notify_all();
  }
  pool_->Stop();
}

std::optional<Failure> Decoder::failure() {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void Decoder::StopListening() {
  if (!listener_.joinable()) return;
  const uint64_t one = 1;
  static_cast<void>(!::write(stop_listening_.get(), &one, sizeof(one)));  // cannot fail
  listener_.join();
}

Result<void> Decoder::Finish() {
  ReportProgress(true);
  if (Result<void> told = Tell({.kind = LinkKind::kEnd, .number = counts_.frames}); !told.ok()) {
    return told;
  }
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      return failure_ || std::find(is_done_.begin(), is_done_.end(), false) == is_done_.end();
    });
    if (failure_) return *failure_;
  }
  ReportStreamed();
  StopListening();
  reader_.reset();  // the codec still holds references
  membership_.Leave();
  return {};
}

void Decoder::ReportStreamed() {
  const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - start_;
  status_.Line("STREAMED", std::to_string(counts_.frames) + " " + std::to_string(took.count()));
  const auto note = [&](uint64_t count, const std::string& text) {
    if (count > 0) status_.Line("NOTE", std::to_string(count) + " " + text);
  };
  if (!facts_.is_direct) {
    const bool is_i420 = IsI420(av_get_pix_fmt(facts_.pixel_format.c_str()));
    status_.Line("NOTE", "the decoder " + facts_.codec + " with " + facts_.pixel_format +
                             " cannot decode into I420 buffers of ours: every frame was " +
                             (is_i420 ? "copied" : "converted") + " into one, once");
  } else {
    note(counts_.converted,
         "frames could not be decoded in place and were converted or copied, once");
  }
  note(counts_.crowded, "times the codec held more frames than its standard permits");
  note(reader_->damaged(), "packets of the video are damaged and were skipped");
}

}  // namespace sysmem::demo
