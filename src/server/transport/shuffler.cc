// SPDX-License-Identifier: Apache-2.0
#include "server/transport/shuffler.h"

#include <algorithm>
#include <utility>

namespace sysmem::server::transport {
namespace {

void DeliverAll(std::vector<Shuffler::Delivery> deliveries) {
  for (Shuffler::Delivery& delivery : deliveries) delivery();
}

}  // namespace

std::shared_ptr<Shuffler> Shuffler::Create(uint64_t seed, RunAfter run_after) {
  return std::shared_ptr<Shuffler>(new Shuffler(seed, std::move(run_after)));
}

void Shuffler::Add(Delivery delivery) {
  std::vector<Delivery> due;
  bool first = false;
  uint64_t window = 0;
  {
    std::lock_guard lock(mutex_);
    held_.push_back(std::move(delivery));
    first = held_.size() == 1;
    window = window_;
    if (stopped_ || held_.size() >= kWindowCalls) due = TakeShuffled();
  }
  if (!due.empty()) return DeliverAll(std::move(due));
  if (!first) return;
  run_after_(kWindowNs, [weak = weak_from_this(), window] {
    if (auto self = weak.lock()) self->OnTimer(window);
  });
}

void Shuffler::Stop() {
  std::vector<Delivery> due;
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    due = TakeShuffled();
  }
  DeliverAll(std::move(due));
}

void Shuffler::OnTimer(uint64_t window) {
  std::vector<Delivery> due;
  {
    std::lock_guard lock(mutex_);
    if (window != window_) return;  // it filled up before
    due = TakeShuffled();
  }
  DeliverAll(std::move(due));
}

std::vector<Shuffler::Delivery> Shuffler::TakeShuffled() {
  ++window_;
  std::shuffle(held_.begin(), held_.end(), random_);
  return std::exchange(held_, {});
}

}  // namespace sysmem::server::transport
