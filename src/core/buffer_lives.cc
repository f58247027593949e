// SPDX-License-Identifier: Apache-2.0
#include "core/buffer_lives.h"

#include <algorithm>
#include <utility>

namespace sysmem::core {

void BufferLives::Make(uint32_t count, bool tells_holders_apart) {
  tells_holders_apart_ = tells_holders_apart;
  buffers_.resize(count);
  remaining_ = count;
  strong_left_ = count;
  daemon_holds_ = true;
}

void BufferLives::HandOutStrong(uint32_t buffer, CallId call) {
  buffers_[buffer].strong.insert(call);
}

void BufferLives::HandOutWeak(uint32_t buffer, CallId call, std::string holder) {
  if (!tells_holders_apart_) return HandOutStrong(buffer, call);
  buffers_[buffer].weak.emplace(call, std::move(holder));
}

void BufferLives::End(CallId hand_out, uint32_t buffer) {
  if (!Has(buffer)) return;
  buffers_[buffer].strong.erase(hand_out);
  buffers_[buffer].weak.erase(hand_out);
}

bool BufferLives::SetGone(uint32_t buffer) {
  if (!Has(buffer)) return false;
  Life& life = buffers_[buffer];
  life.strong.clear();
  life.weak.clear();
  life.leak_report_ns.reset();
  life.gone = true;
  --remaining_;
  return true;
}

std::optional<uint32_t> BufferLives::TakeWeakened() {
  if (daemon_holds_ || strong_left_ == 0) return std::nullopt;
  const auto found = std::find_if(buffers_.begin(), buffers_.end(), [](const Life& life) {
    return !life.weakened && life.strong.empty();
  });
  if (found == buffers_.end()) return std::nullopt;
  const auto buffer = static_cast<uint32_t>(found - buffers_.begin());
  found->weakened = true;
  --strong_left_;
  if (!found->weak.empty()) unstarted_.push_back(buffer);
  return buffer;
}

std::vector<BufferLives::Leak> BufferLives::TakeLeaks(int64_t now_ns) {
  std::vector<Leak> leaks;
  for (uint32_t buffer = 0; buffer < buffers_.size(); ++buffer) {
    Life& life = buffers_[buffer];
    if (!life.leak_report_ns || now_ns < *life.leak_report_ns) continue;
    life.leak_report_ns.reset();
    for (const auto& [call, holder] : life.weak) leaks.push_back({buffer, call, holder});
  }
  for (uint32_t buffer : std::exchange(unstarted_, {})) {
    if (buffers_[buffer].gone) continue;
    int64_t due_ns = 0;
    const bool too_far = __builtin_add_overflow(now_ns, kLeakReportAfterNs, &due_ns);
    buffers_[buffer].leak_report_ns = too_far ? INT64_MAX : due_ns;
  }
  return leaks;
}

std::optional<int64_t> BufferLives::NextLeakReport() const {
  std::optional<int64_t> next;
  for (const Life& life : buffers_) {
    if (life.leak_report_ns && (!next || *life.leak_report_ns < *next)) next = life.leak_report_ns;
  }
  return next;
}

std::vector<BufferSnapshot> BufferLives::TakeSnapshot() const {
  std::vector<BufferSnapshot> all;
  all.reserve(buffers_.size());
  for (const Life& life : buffers_) {
    all.push_back({.state = life.gone       ? BufferState::kGone
                            : life.weakened ? BufferState::kWeakOnly
                                            : BufferState::kStrong,
                   .strong = static_cast<uint32_t>(life.strong.size()),
                   .weak = static_cast<uint32_t>(life.weak.size())});
  }
  return all;
}

}  // namespace sysmem::core
