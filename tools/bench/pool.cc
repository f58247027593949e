// SPDX-License-Identifier: Apache-2.0
//
// sysmem-pool-bench [--check]: what keeping the books of a contiguous pool costs (POOL-1).
//
// 100,000 random allocations and frees, played to the pool's allocator and to first fit as it
// stands in textbooks, a list of free regions in the order of their addresses that is searched from
// its beginning. Both find the same places, so what is left free, and in how large pieces, is
// the same too, which is checked. Two kinds of clients: of frames of video (a few hundred regions),
// and of small buffers (many thousand), which is where a list becomes slow.
//
// `--check` ends with status 1 if an operation of ours takes more than its part of one of the list
// in the same run.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <list>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "heaps/pool/region_allocator.h"

namespace sysmem::heaps {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kMiB = 1 << 20;
constexpr int kOperations = 100'000;

struct Operation {
  bool allocates = false;
  uint64_t bytes = 0;
  uint64_t alignment = kPage;
  uint64_t chance = 0;  // whose turn it is to go
};

struct Clients {
  uint64_t pool_bytes = 0;
  std::vector<Operation> operations;
};

// Operations come as often as they go once the pool is about full; before that, more come.
template <typename Size>
Clients MakeClients(uint64_t pool_bytes, Size size) {
  Clients clients{.pool_bytes = pool_bytes};
  std::mt19937 random(20260101);
  for (int i = 0; i < kOperations; ++i) {
    Operation operation{.allocates = random() % 1000 < (i < kOperations / 2 ? 800U : 505U)};
    operation.bytes = size(random) * kPage;
    if (random() % 8 == 0) operation.alignment = 16 * kPage;
    operation.chance = random();
    clients.operations.push_back(operation);
  }
  return clients;
}

const Clients& Frames() {
  static const Clients& clients = *new Clients(MakeClients(4096 * kMiB, [](std::mt19937& random) {
    // NV12 of 640x480, 1280x720, 1920x1080, 3840x2160.
    constexpr std::array<uint64_t, 4> kPages = {113, 338, 760, 3038};
    return kPages[random() % kPages.size()];
  }));
  return clients;
}

const Clients& SmallBuffers() {
  static const Clients& clients = *new Clients(
      MakeClients(1024 * kMiB, [](std::mt19937& random) { return 1 + random() % 16; }));
  return clients;
}

class Textbook {
 public:
  explicit Textbook(uint64_t bytes) : free_{Region{.begin = 0, .end = bytes}} {}

  std::optional<Region> Allocate(uint64_t bytes, uint64_t alignment) {
    for (auto it = free_.begin(); it != free_.end(); ++it) {
      const uint64_t begin = (it->begin + alignment - 1) & ~(alignment - 1);
      if (begin + bytes > it->end) continue;
      const Region taken{.begin = begin, .end = begin + bytes};
      if (it->begin < begin) free_.insert(it, {.begin = it->begin, .end = begin});
      if (taken.end < it->end) {
        it->begin = taken.end;
      } else {
        free_.erase(it);
      }
      return taken;
    }
    return std::nullopt;
  }

  void Free(Region region) {
    auto above = std::find_if(free_.begin(), free_.end(),
                              [&](const Region& other) { return other.begin > region.begin; });
    if (above != free_.end() && above->begin == region.end) {
      region.end = above->end;
      above = free_.erase(above);
    }
    if (above != free_.begin() && std::prev(above)->end == region.begin) {
      std::prev(above)->end = region.end;
    } else {
      free_.insert(above, region);
    }
  }

  uint64_t largest_free_bytes() const {
    uint64_t largest = 0;
    for (const Region& region : free_) largest = std::max(largest, region.size());
    return largest;
  }
  size_t regions() const { return free_.size(); }

 private:
  std::list<Region> free_;
};

struct Outcome {
  uint64_t largest_free_bytes = 0;
  size_t refused = 0;
  bool operator==(const Outcome&) const = default;
};

template <typename Allocator>
Outcome Play(const Clients& clients, Allocator& allocator) {
  std::vector<Region> live;
  Outcome outcome;
  for (const Operation& operation : clients.operations) {
    if (operation.allocates) {
      const auto region = allocator.Allocate(operation.bytes, operation.alignment);
      if (region) {
        live.push_back(*region);
      } else {
        ++outcome.refused;
      }
    } else if (!live.empty()) {
      std::swap(live[operation.chance % live.size()], live.back());
      allocator.Free(live.back());
      live.pop_back();
    }
  }
  outcome.largest_free_bytes = allocator.largest_free_bytes();
  return outcome;
}

Outcome PlayTextbook(const Clients& clients, uint64_t* regions) {
  Textbook textbook(clients.pool_bytes);
  const Outcome outcome = Play(clients, textbook);
  *regions = textbook.regions();
  return outcome;
}

Outcome PlayPool(const Clients& clients, uint64_t* regions) {
  RegionAllocator allocator({.begin = 0, .end = clients.pool_bytes}, kPage, kMiB);
  const Outcome outcome = Play(clients, allocator);
  *regions = allocator.Measure().regions;
  return outcome;
}

using Player = Outcome (*)(const Clients&, uint64_t*);

void Measure(benchmark::State& state, const Clients& clients, Player player) {
  static std::map<const Clients*, Outcome> first_outcomes;
  uint64_t regions = 0;
  for ([[maybe_unused]] auto _ : state) {
    const Outcome outcome = player(clients, &regions);
    const auto [first, is_first] = first_outcomes.try_emplace(&clients, outcome);
    if (!(first->second == outcome)) {
      state.SkipWithError("the two do not find the same places");
      return;
    }
  }
  const Outcome& outcome = first_outcomes[&clients];
  state.counters["per_operation"] = benchmark::Counter(
      kOperations, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  state.counters["largest_free_KiB"] = static_cast<double>(outcome.largest_free_bytes) / 1024;
  state.counters["free_regions"] = static_cast<double>(regions);
  state.counters["refused"] = static_cast<double>(outcome.refused);
}

BENCHMARK_CAPTURE(Measure, frames_list, Frames(), &PlayTextbook)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Measure, frames_pool, Frames(), &PlayPool)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Measure, small_list, SmallBuffers(), &PlayTextbook)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Measure, small_pool, SmallBuffers(), &PlayPool)->Unit(benchmark::kMillisecond);

// Keeps the times beside printing them.
class Recorder final : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      failed_ |= run.error_occurred;
      times_[run.run_name.function_name] = run.GetAdjustedCPUTime();
    }
    ConsoleReporter::ReportRuns(runs);
  }
  bool failed() const { return failed_; }

  // Our time in times of the list; whether it is within the bound.
  bool Compare(const std::string& clients, double bound) {
    const double ratio =
        times_["Measure/" + clients + "_pool"] / times_["Measure/" + clients + "_list"];
    std::printf("%s: %.3f times the list, at most %.3f\n", clients.c_str(), ratio, bound);
    return ratio <= bound;
  }

 private:
  std::map<std::string, double> times_;
  bool failed_ = false;
};

int Main(int argc, char** argv) {
  const bool check = argc > 1 && std::string_view(argv[argc - 1]) == "--check";
  if (check) --argc;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  Recorder recorder;
  benchmark::RunSpecifiedBenchmarks(&recorder);
  if (recorder.failed()) return 1;
  if (!check) return 0;
  const bool frames = recorder.Compare("frames", 0.5);
  const bool small = recorder.Compare("small", 0.2);
  return frames && small ? 0 : 1;
}

}  // namespace
}  // namespace sysmem::heaps

int main(int argc, char** argv) { return sysmem::heaps::Main(argc, argv); }
