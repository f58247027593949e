// SPDX-License-Identifier: Apache-2.0
//
// The shared buffers as libav's frames: the decoder decodes straight into them.
//
// A buffer is taken by Attach(), which puts it under an AVFrame, and free again when libav has
// dropped its last reference to it, whether that is the decoder's (which needs it for other frames)
// or ours (while consumers look at it). So there is one rule, the reference count, and nobody
// writes into a picture that somebody still needs.
//
//   FramePool pool(pictures, 2);                     two consumers
//   pool.Attach(frame, Purpose::kDecode);            in get_buffer2, on any thread
//   pool.Lend(number, std::move(frame));             before the consumers are told
//   pool.Return(consumer, number);                   when one of them gives it back
//
// One buffer is never given out for decoding: a frame that could not be decoded into a shared
// buffer still needs one to be converted into, however many the decoder holds.
//
// Thread-safety: all threads, except that the pool outlives every frame that was attached.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "tools/demo/libav.h"
#include "tools/demo/shared_picture.h"

namespace sysmem::demo {

// How many frames may be with the consumers at once: one for each of two consumers, which is what
// they said they hold, and two on their way, which the decoder asks for as its slack.
inline constexpr uint32_t kFramesOnTheWay = 2;

class FramePool {
 public:
  enum class Purpose { kDecode, kConvert };
  enum class Outcome {
    kAttached,
    kNoneLeft,  // the decoder itself holds all it can have; for Purpose::kDecode only
    kStopped,
    kFailed,  // libav has no memory, or the access could not begin
  };

  // `pictures`: mapped for reading and writing; outlives the pool. REQUIRES: at least 2 of them.
  FramePool(SharedPictures& pictures, size_t consumers);

  // Puts a free buffer under `frame`, whose format and size are already set. Waits while consumers
  // hold frames that would help.
  Outcome Attach(AVFrame* frame, Purpose purpose);
  // The buffer that `frame` lies in, exactly as a picture of the collection does; empty for frames
  // that lie elsewhere.
  std::optional<uint32_t> IndexOf(const AVFrame& frame);

  // The decoder has written this frame, and the consumers are about to be told. Keeps it until each
  // of them has returned it. Waits while too many are on their way. False when stopped.
  bool Lend(uint64_t number, FramePtr frame);
  // Failure when this consumer does not hold that frame.
  Result<void> Return(size_t consumer, uint64_t number);

  // Ends all waiting, now and later.
  void Stop();

 private:
  struct Slot {
    FramePool* pool = nullptr;
    uint32_t index = 0;
    bool is_free = true;
    std::optional<CpuAccess> access;  // begun while the buffer is taken
  };
  struct Loan {
    FramePtr frame;
    std::vector<bool> is_with;  // each consumer
  };

  Slot* Take(Purpose purpose, Outcome* outcome);
  static void Release(void* opaque, uint8_t* data);
  Slot* SlotOf(const AVFrame& frame);

  SharedPictures& pictures_;
  const size_t consumers_;
  const size_t most_loans_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_; never resized, and a taken slot's access belongs to who took it.
  std::vector<Slot> slots_;
  std::map<uint64_t, Loan> loans_;
  size_t loan_count_ = 0;  // also counts a loan whose frame is just being freed
  bool is_stopped_ = false;
};

}  // namespace sysmem::demo
