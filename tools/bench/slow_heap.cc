// SPDX-License-Identifier: Apache-2.0
//
// sysmem-slow-heap-bench: what a heap that takes five seconds to answer costs those who want
// nothing of it.
//
// A process serves a heap and keeps each call for five seconds. One client allocates ordinary
// buffers, block by block in turn with and without another client that waits for buffers of that
// heap; whether it still waited is asked after each block. Daemon and clients have a processor each
// (processors.h). With --check it fails when the 99th percentile with the slow heap is above its
// bound, in times of that without.
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <iostream>
#include <memory>
#include <string>
#include <sysmem/sysmem.hpp>
#include <utility>
#include <vector>

#include "tools/bench/durations.h"
#include "tools/bench/joins.h"
#include "tools/bench/processors.h"
#include "tools/demo/private_daemon.h"
#include "tools/demo/sentence.h"

namespace sysmem::bench {
namespace {

constexpr double kBound = 1.5;
constexpr char kSlowHeap[] = "linux.sysmem.heap.HEAP_TYPE.SLOW";
constexpr std::chrono::seconds kSlowness(5);
constexpr std::chrono::seconds kPatience(20);
// Collections of one buffer that wait for the slow heap at a time.
constexpr size_t kWaiting = 8;

// --- The slow heap -----------------------------------------------------------------------------

// Serves until it is killed. Tells through `ready` when the heap is there.
Result<void> ServeSlowly(const std::string& socket_path, UniqueFd ready) {
  struct Kept {
    HeapAllocation call;
    std::chrono::steady_clock::time_point until;
  };
  std::deque<Kept> kept;
  Result<Client> client = Client::Connect({.path = socket_path});
  if (!client.ok()) return client.failure();
  Result<ServedHeap> heap = client->ServeHeap(
      kSlowHeap, 0, {.cpu_domain = true},
      {.allocate =
           [&](HeapAllocation call) {
             kept.push_back({std::move(call), std::chrono::steady_clock::now() + kSlowness});
           },
       .take_back = [](HeapDeletion call) { static_cast<void>(std::move(call).Finish()); },
       .closed = {},
       .refused = {}});
  if (!heap.ok()) return heap.failure();
  ready.reset();
  while (true) {
    Result<size_t> dispatched =
        client->Dispatch(kept.empty() ? Deadline::Never() : Deadline(kept.front().until));
    if (!dispatched.ok() && dispatched.failure().status != Status::kTimeout) {
      return dispatched.failure();
    }
    while (!kept.empty() && kept.front().until <= std::chrono::steady_clock::now()) {
      // Too late for the daemon, perhaps, whose patience is as long.
      static_cast<void>(std::move(kept.front().call).GiveOffered());
      kept.pop_front();
    }
  }
}

// The process that does. Started before the library has threads here; begins when told.
class SlowHeap {
 public:
  static Result<std::unique_ptr<SlowHeap>> Start(std::string socket_path) {
    std::array<int, 2> begin{-1, -1};
    std::array<int, 2> ready{-1, -1};
    if (::pipe2(begin.data(), O_CLOEXEC) != 0 || ::pipe2(ready.data(), O_CLOEXEC) != 0) {
      return demo::ErrnoSentence("pipe");
    }
    UniqueFd begin_read(begin[0]);
    UniqueFd begin_write(begin[1]);
    UniqueFd ready_read(ready[0]);
    UniqueFd ready_write(ready[1]);
    const pid_t child = ::fork();
    if (child < 0) return demo::ErrnoSentence("fork");
    if (child > 0) {
      return std::unique_ptr<SlowHeap>(
          new SlowHeap(child, std::move(begin_write), std::move(ready_read)));
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    StayOn(Side::kServer);
    begin_write.reset();
    ready_read.reset();
    char none = 0;
    (void)!::read(begin_read.get(), &none, 1);  // hangs up when the daemon is there
    Result<void> served = ServeSlowly(socket_path, std::move(ready_write));
    std::cerr << "the slow heap: " << served.failure().ToString() << "\n";
    ::_exit(1);
  }
  ~SlowHeap() { ::kill(child_, SIGKILL); }
  SlowHeap(const SlowHeap&) = delete;
  SlowHeap& operator=(const SlowHeap&) = delete;

  // Returns when the daemon knows the heap.
  Result<void> Begin() {
    begin_.reset();
    return AwaitHangup(ready_.get(), kPatience);
  }

 private:
  SlowHeap(pid_t child, UniqueFd begin, UniqueFd ready)
      : child_(child), begin_(std::move(begin)), ready_(std::move(ready)) {}

  const pid_t child_;
  UniqueFd begin_;
  UniqueFd ready_;
};

// Those who want buffers of the slow heap.
class Waiters {
 public:
  static Result<Waiters> Begin(Client& client) {
    Waiters waiters;
    Constraints constraints;
    constraints.usage.emplace();
    constraints.usage->cpu = SYSMEM_CPU_USAGE_READ | SYSMEM_CPU_USAGE_WRITE;
    constraints.min_buffer_count = 1;
    constraints.memory.emplace();
    constraints.memory->min_size_bytes = kBufferBytes;
    constraints.memory->permitted_heaps = std::vector{HeapChoice{.heap_type = kSlowHeap, .id = {}}};
    for (size_t i = 0; i < kWaiting; ++i) {
      Result<Collection> collection = client.CreateNonSharedCollection();
      if (!collection.ok()) return collection.failure();
      Result<void> told = collection->SetConstraints(constraints);
      if (!told.ok()) return told.failure();
      waiters.collections_.push_back(*std::move(collection));
    }
    Result<void> all = client.Roundtrip(kPatience);
    if (!all.ok()) return all.failure();
    return waiters;
  }

  // Fails if one of them does not wait any more.
  Result<void> StillWait() {
    for (Collection& collection : collections_) {
      Result<void> decided = collection.Check();
      if (!decided.ok() && decided.failure().error == Error::kPending) continue;
      return demo::Sentence("the slow heap answered before the block was over: make it shorter");
    }
    return {};
  }

  // Waits until the slow heap is through with them, one way or the other.
  void End() {
    for (Collection& collection : collections_) static_cast<void>(collection.Wait(kPatience));
    collections_.clear();
  }

 private:
  std::vector<Collection> collections_;
};

// --- Figures -----------------------------------------------------------------------------------

constexpr int kWidth = 44;

double Ratio(Durations& with, Durations& without, double part) {
  return static_cast<double>(Percentile(with, part)) /
         static_cast<double>(Percentile(without, part));
}

Result<void> MeasureBlock(Client& client, unsigned count, Durations& durations) {
  Result<Durations> block = MeasureAllocations(client, count);
  if (!block.ok()) return block.failure();
  durations.insert(durations.end(), block->begin(), block->end());
  return {};
}

// Blocks in turn, each kind first in every other round.
Result<void> Measure(Client& client, Client& waiting, unsigned rounds, unsigned block,
                     Durations& without, Durations& with) {
  for (unsigned round = 0; round < rounds; ++round) {
    for (const bool is_slow : {round % 2 == 0, round % 2 != 0}) {
      if (!is_slow) {
        Result<void> measured = MeasureBlock(client, block, without);
        if (!measured.ok()) return measured;
        continue;
      }
      Result<Waiters> waiters = Waiters::Begin(waiting);
      if (!waiters.ok()) return waiters.failure();
      Result<void> measured = MeasureBlock(client, block, with);
      if (measured.ok()) measured = waiters->StillWait();
      if (!measured.ok()) return measured;
      waiters->End();
    }
  }
  return {};
}

// True if the ratio is within its bound.
Result<bool> Run(unsigned rounds, unsigned block) {
  Result<std::unique_ptr<demo::Workspace>> workspace = demo::Workspace::Create();
  if (!workspace.ok()) return workspace.failure();
  Result<std::unique_ptr<SlowHeap>> slow = SlowHeap::Start((*workspace)->socket_path());
  if (!slow.ok()) return slow.failure();
  StayOn(Side::kServer);  // the daemon inherits it
  Result<std::unique_ptr<demo::PrivateDaemon>> daemon = demo::PrivateDaemon::Start(**workspace);
  if (!daemon.ok()) return daemon.failure();
  StayOn(Side::kClient);
  Result<void> serves = (*slow)->Begin();
  if (!serves.ok()) return serves.failure();
  Result<Client> client = Client::Connect({.path = (*workspace)->socket_path()});
  if (!client.ok()) return client.failure();
  Result<Client> waiting = Client::Connect({.path = (*workspace)->socket_path()});
  if (!waiting.ok()) return waiting.failure();

  Durations without;
  Durations with;
  Result<void> warm = MeasureBlock(*client, block, without);
  if (!warm.ok()) return warm.failure();
  without.clear();
  Result<void> measured = Measure(*client, *waiting, rounds, block, without, with);
  if (!measured.ok()) return measured.failure();
  std::printf("%zu of each, %u at a time in turn\n%-*s %8s %8s %8s\n", with.size(), block, kWidth,
              "", "p50 us", "p90 us", "p99 us");
  PrintRow("an allocation of five buffers", kWidth, without, {0.5, 0.9, 0.99});
  PrintRow("the same while a slow heap keeps others", kWidth, with, {0.5, 0.9, 0.99});
  const double median = Ratio(with, without, 0.5);
  const double tail = Ratio(with, without, 0.99);
  std::printf("p50 ratio %.2f, p99 ratio %.2f (bound %.1f%s)\n", median, tail, kBound,
              tail > kBound ? ", ABOVE" : "");
  return tail <= kBound;
}

int Main(int argc, char** argv) {
  CLI::App app{"Measures what a heap that is slow to answer costs others."};
  unsigned rounds = 12;
  unsigned block = 500;
  bool check = false;
  app.add_option("--rounds", rounds, "Blocks of each kind, of some five seconds (default 12)")
      ->check(CLI::PositiveNumber);
  app.add_option("--block", block, "Allocations in a block (default 500)")
      ->check(CLI::PositiveNumber);
  app.add_flag("--check", check, "Fail when the ratio of the 99th percentiles is above its bound");
  CLI11_PARSE(app, argc, argv);
  Result<bool> good = Run(rounds, block);
  if (!good.ok()) {
    std::cerr << "sysmem-slow-heap-bench: " << good.failure().ToString() << "\n";
    return 1;
  }
  return check && !*good ? 1 : 0;
}

}  // namespace
}  // namespace sysmem::bench

int main(int argc, char** argv) { return sysmem::bench::Main(argc, argv); }
