// SPDX-License-Identifier: Apache-2.0
//
// A budget for descriptors that are open only to save time later.
//
// What is kept ready (buffers in the warm pool, hand-outs opened ahead) takes descriptors that
// nobody has asked for yet; they must never be the ones that somebody asks for and does not get. So
// all of them together stay below one limit, and whoever finds it reached does without:
//
//   auto spare = std::make_shared<SpareDescriptors>(64);
//   if (auto lease = spare->Take()) ...   // open one descriptor, keep it beside its lease
//
// Thread-safe; a lease belongs to one thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace sysmem::heaps {

class SpareDescriptors : public std::enable_shared_from_this<SpareDescriptors> {
 public:
  // The right to one open descriptor; given back at its end.
  class Lease {
   public:
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&& other) noexcept {
      std::swap(budget_, other.budget_);
      return *this;
    }
    ~Lease() {
      if (budget_) --budget_->open_;
    }

   private:
    friend class SpareDescriptors;
    explicit Lease(std::shared_ptr<SpareDescriptors> budget) : budget_(std::move(budget)) {}
    std::shared_ptr<SpareDescriptors> budget_;
  };

  // 0: nothing is ever kept ready. REQUIRES: owned by a shared_ptr.
  explicit SpareDescriptors(uint64_t limit) : limit_(limit) {}

  // Empty when the limit is reached.
  std::optional<Lease> Take() {
    uint64_t open = open_.load(std::memory_order_relaxed);
    do {
      if (open >= limit_) return std::nullopt;
    } while (!open_.compare_exchange_weak(open, open + 1));
    return Lease(shared_from_this());
  }

  uint64_t open() const { return open_.load(std::memory_order_relaxed); }
  uint64_t limit() const { return limit_; }

 private:
  const uint64_t limit_;
  std::atomic<uint64_t> open_ = 0;
};

}  // namespace sysmem::heaps
