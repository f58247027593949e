// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/frame_pool.h"

#include <algorithm>
#include <utility>

namespace sysmem::demo {
namespace {

constexpr std::ptrdiff_t kKeptForConversion = 1;

}  // namespace

FramePool::FramePool(SharedPictures& pictures, size_t consumers)
    : pictures_(pictures),
      consumers_(consumers),
      most_loans_(consumers + kFramesOnTheWay),
      slots_(pictures.count()) {
  for (size_t i = 0; i < slots_.size(); ++i) {
    slots_[i].pool = this;
    slots_[i].index = static_cast<uint32_t>(i);
  }
}

FramePool::Slot* FramePool::Take(Purpose purpose, Outcome* outcome) {
  const std::ptrdiff_t kept = purpose == Purpose::kDecode ? kKeptForConversion : 0;
  std::unique_lock lock(mutex_);
  const auto is_free = [](const Slot& slot) { return slot.is_free; };
  const auto has_enough = [&] {
    return std::count_if(slots_.begin(), slots_.end(), is_free) > kept;
  };
  changed_.wait(lock, [&] { return is_stopped_ || has_enough() || loan_count_ == 0; });
  *outcome = is_stopped_ ? Outcome::kStopped : Outcome::kNoneLeft;
  if (is_stopped_ || !has_enough()) return nullptr;
  Slot& slot = *std::find_if(slots_.begin(), slots_.end(), is_free);
  slot.is_free = false;
  return &slot;
}

FramePool::Outcome FramePool::Attach(AVFrame* frame, Purpose purpose) {
  Outcome outcome = Outcome::kAttached;
  Slot* const slot = Take(purpose, &outcome);
  if (slot == nullptr) return outcome;
  Mapping& mapping = pictures_.mapping(slot->index);
  AVBufferRef* const buffer = av_buffer_create(mapping.data(), mapping.size(), Release, slot, 0);
  if (buffer == nullptr) {
    Release(slot, nullptr);
    return Outcome::kFailed;
  }
  frame->buf[0] = buffer;
  Result<CpuAccess> access = mapping.Access(SYSMEM_ACCESS_READ | SYSMEM_ACCESS_WRITE);
  if (!access.ok()) return Outcome::kFailed;
  slot->access = std::move(*access);
  for (size_t i = 0; i < kPlaneCount; ++i) {
    frame->data[i] = pictures_.plane(slot->index, i);
    frame->linesize[i] = static_cast<int>(pictures_.layout().planes[i].bytes_per_row);
  }
  frame->extended_data = frame->data;
  return Outcome::kAttached;
}

// libav has dropped its last reference.
void FramePool::Release(void* opaque, uint8_t*) {
  Slot& slot = *static_cast<Slot*>(opaque);
  FramePool& pool = *slot.pool;
  slot.access.reset();
  const std::lock_guard lock(pool.mutex_);
  slot.is_free = true;
  pool.changed_.notify_all();
}

FramePool::Slot* FramePool::SlotOf(const AVFrame& frame) {
  if (frame.buf[0] == nullptr || frame.buf[1] != nullptr) return nullptr;
  for (Slot& slot : slots_) {
    if (frame.buf[0]->data == pictures_.mapping(slot.index).data()) return &slot;
  }
  return nullptr;
}

std::optional<uint32_t> FramePool::IndexOf(const AVFrame& frame) {
  const Slot* const slot = SlotOf(frame);
  if (slot == nullptr) return std::nullopt;
  for (size_t i = 0; i < kPlaneCount; ++i) {
    if (frame.data[i] != pictures_.plane(slot->index, i)) return std::nullopt;
    const uint32_t stride = pictures_.layout().planes[i].bytes_per_row;
    if (frame.linesize[i] < 0 || static_cast<uint32_t>(frame.linesize[i]) != stride) {
      return std::nullopt;
    }
  }
  return slot->index;
}

bool FramePool::Lend(uint64_t number, FramePtr frame) {
  Slot* const slot = SlotOf(*frame);
  // Writing is over; as a reference the decoder may go on reading.
  slot->access.reset();
  Result<CpuAccess> access = pictures_.mapping(slot->index).Access(SYSMEM_ACCESS_READ);
  if (access.ok()) slot->access = std::move(*access);

  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return is_stopped_ || loan_count_ < most_loans_; });
  if (is_stopped_) {
    lock.unlock();  // `frame` goes, and Release() locks
    return false;
  }
  ++loan_count_;
  loans_.emplace(number, Loan{std::move(frame), std::vector<bool>(consumers_, true)});
  return true;
}

Result<void> FramePool::Return(size_t consumer, uint64_t number) {
  FramePtr done;
  {
    const std::lock_guard lock(mutex_);
    const auto loan = loans_.find(number);
    if (loan == loans_.end() || !loan->second.is_with[consumer]) {
      return Sentence("a frame came back that was not there");
    }
    loan->second.is_with[consumer] = false;
    const std::vector<bool>& is_with = loan->second.is_with;
    if (std::find(is_with.begin(), is_with.end(), true) != is_with.end()) return {};
    done = std::move(loan->second.frame);
    loans_.erase(loan);
  }
  done.reset();  // outside the lock: Release() takes it
  const std::lock_guard lock(mutex_);
  --loan_count_;
  changed_.notify_all();
  return {};
}

void FramePool::Stop() {
  const std::lock_guard lock(mutex_);
  is_stopped_ = true;
  changed_.notify_all();
}

}  // namespace sysmem::demo
