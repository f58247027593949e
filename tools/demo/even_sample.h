// SPDX-License-Identifier: Apache-2.0
//
// A few of many, evenly spread, when nobody knows beforehand how many there will be.
//
//   EvenSample<Thumbnail> sample(16);
//   for (uint64_t number = 0; more; ++number)
//     if (sample.Wants(number)) sample.Add(MakeThumbnail());
//   std::vector<Thumbnail> sixteen = std::move(sample).Take();
//
// It keeps every n-th; whenever it has twice as many as wanted, it drops every other one and
// doubles n. So at most 2 x wanted are held, and at the end at least `wanted` (if there were as
// many).
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sysmem::demo {

template <typename T>
class EvenSample {
 public:
  // REQUIRES: wanted > 0.
  explicit EvenSample(size_t wanted) : wanted_(wanted) {}

  bool Wants(uint64_t number) const { return number % stride_ == 0; }

  // REQUIRES: Wants() said yes to its number, and numbers only grow.
  void Add(T item) {
    kept_.push_back(std::move(item));
    if (kept_.size() < 2 * wanted_) return;
    for (size_t i = 1; i < wanted_; ++i) kept_[i] = std::move(kept_[2 * i]);
    kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(wanted_), kept_.end());
    stride_ *= 2;
  }

  // At most `wanted`, the first and the last of those kept among them.
  std::vector<T> Take() && {
    if (kept_.size() <= wanted_) return std::move(kept_);
    std::vector<T> taken;
    const size_t gaps = wanted_ > 1 ? wanted_ - 1 : 1;
    for (size_t i = 0; i < wanted_; ++i) {
      taken.push_back(std::move(kept_[i * (kept_.size() - 1) / gaps]));
    }
    return taken;
  }

 private:
  size_t wanted_;
  uint64_t stride_ = 1;
  std::vector<T> kept_;
};

}  // namespace sysmem::demo
