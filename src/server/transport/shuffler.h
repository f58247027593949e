// SPDX-License-Identifier: Apache-2.0
//
// Delivers calls in the wrong order on purpose, for tests of everything behind it.
//
// gRPC delivers pipelined calls early now and then; tests want it often and reproducibly. Calls
// that arrive are held back in a small window and then let go in an order drawn from a seed: when
// the window is full, or a moment after its first call came, so that a lone call whose client waits
// is only late and not stuck.
//
// Thread-safe. Calls are delivered with no lock held.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <vector>

namespace sysmem::server::transport {

class Shuffler : public std::enable_shared_from_this<Shuffler> {
 public:
  static constexpr size_t kWindowCalls = 16;
  static constexpr int64_t kWindowNs = 2'000'000;

  using Delivery = std::function<void()>;
  // Calls back once, after this many nanoseconds. Must not call back at once.
  using RunAfter = std::function<void(int64_t delay_ns, std::function<void()> callback)>;

  static std::shared_ptr<Shuffler> Create(uint64_t seed, RunAfter run_after);

  void Add(Delivery delivery);
  // Delivers what is held now, and from then on everything at once.
  void Stop();

 private:
  Shuffler(uint64_t seed, RunAfter run_after) : run_after_(std::move(run_after)), random_(seed) {}

  // The window numbered `window` has lasted long enough.
  void OnTimer(uint64_t window);
  // REQUIRES: lock held. Closes the window.
  std::vector<Delivery> TakeShuffled();

  const RunAfter run_after_;

  std::mutex mutex_;
  std::mt19937_64 random_;
  std::vector<Delivery> held_;
  uint64_t window_ = 0;  // counts the windows closed
  bool stopped_ = false;
};

}  // namespace sysmem::server::transport
