// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/bench.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <span>
#include <sysmem/sysmem.hpp>
#include <utility>
#include <vector>

#include "tools/bench/closer.h"
#include "tools/bench/durations.h"
#include "tools/bench/frames_floor.h"
#include "tools/bench/joins.h"
#include "tools/bench/stopwatch.h"
#include "tools/sysmemctl/colour.h"
#include "tools/sysmemctl/daemon_view.h"
#include "tools/sysmemctl/exit_code.h"
#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {
namespace {

using bench::Durations;
using Measurement = std::function<Result<Durations>()>;

constexpr std::chrono::seconds kPatience(10);
// How many of a kind in one round: so that no kind takes much longer than the others.
constexpr unsigned kRoundtrips = 100;
constexpr unsigned kJoins = 20;
constexpr unsigned kFrameSets = 2;
constexpr unsigned kCloses = 10;
// The pool is given so long to be full again.
constexpr std::chrono::milliseconds kRefill(500);
constexpr std::chrono::milliseconds kUnchanged(20);
constexpr uint64_t kPageBytes = 4096;

// ---- Frames, warm and cold ----------------------------------------------------------------------

// Sets of frames as the floor makes them. A size that was wanted before comes out of the warm pool,
// one that nobody has ever wanted cannot; the daemon's counters tell which it was.
class FrameSets {
 public:
  FrameSets(Client& client, DaemonView& daemon) : client_(client), daemon_(daemon) {}

  // Those alone that the pool served; there may be fewer, or none.
  Result<Durations> MeasureWarm() {
    Durations durations;
    for (unsigned i = 0; i < kFrameSets; ++i) {
      Result<void> ready = AwaitPool();
      Result<uint64_t> before = Hits();
      Result<int64_t> ns = MeasureOne(bench::kFrameBytes);
      Result<uint64_t> after = Hits();
      if (!ready.ok()) return ready.failure();
      if (!ns.ok()) return ns.failure();
      if (!before.ok() || !after.ok()) return before.ok() ? after.failure() : before.failure();
      if (*after >= *before + bench::kFrames) durations.push_back(*ns);
    }
    return durations;
  }
  Result<Durations> MeasureCold() {
    Durations durations;
    for (unsigned i = 0; i < kFrameSets; ++i) {
      Result<int64_t> ns = MeasureOne(bench::kFrameBytes + ++sizes_ * kPageBytes);
      if (!ns.ok()) return ns.failure();
      durations.push_back(*ns);
    }
    return durations;
  }

 private:
  // The memory of a set is back when this returns.
  Result<int64_t> MeasureOne(uint64_t bytes) {
    Constraints wanted;
    wanted.usage = Usage{.cpu = SYSMEM_CPU_USAGE_READ | SYSMEM_CPU_USAGE_WRITE};
    wanted.min_buffer_count = bench::kFrames;
    wanted.memory = MemoryConstraints{.min_size_bytes = bytes};
    Result<Token> token = client_.CreateToken();
    if (!token.ok()) return token.failure();
    if (Result<void> made = token->Sync(kPatience); !made.ok()) return made.failure();
    int64_t ns = 0;
    {
      const bench::Stopwatch watch;
      Result<Joined> joined = (*std::move(token)).Join(wanted, kPatience);
      ns = watch.ns();
      if (!joined.ok()) return joined.failure();
    }
    if (Result<void> gone = client_.Roundtrip(kPatience); !gone.ok()) return gone.failure();
    return ns;
  }
  Result<uint64_t> Counter(const char* name) {
    Result<Json> status = daemon_.Ask("GetStatus");
    if (!status.ok()) return status.failure();
    for (const Json& counter : status->value("counters", Json::array())) {
      if (Text(counter, "name") == name) return Number(counter, "value");
    }
    return uint64_t{0};
  }
  Result<uint64_t> Hits() { return Counter("warm_pool_hits"); }
  // Until it has made all that it will, as far as can be seen. A pool that is slower is measured as
  // it is.
  Result<void> AwaitPool() {
    const bench::Stopwatch waited;
    uint64_t last = 0;
    int64_t since_ns = 0;
    while (std::chrono::nanoseconds(waited.ns()) < kRefill) {
      Result<uint64_t> buffers = Counter("warm_pool_buffers");
      if (!buffers.ok()) return buffers.failure();
      if (*buffers != last) since_ns = waited.ns();
      last = *buffers;
      const bool rests = std::chrono::nanoseconds(waited.ns() - since_ns) > kUnchanged;
      if (rests && last >= bench::kFrames) return {};
      ::usleep(1000);
    }
    return {};
  }

  Client& client_;
  DaemonView& daemon_;
  uint64_t sizes_ = 0;
};

// ---- What is measured, and against what ---------------------------------------------------------

struct Series {
  std::string what;
  Measurement measure;
  Durations durations = {};

  // REQUIRES: something was measured.
  int64_t Percentile(double part) { return bench::Percentile(durations, part); }
};
struct Figure {
  std::string name;
  Series ours;
  Series floor;

  bool is_there() const { return !ours.durations.empty() && !floor.durations.empty(); }
  double Ratio() {
    return static_cast<double>(ours.Percentile(0.5)) /
           static_cast<double>(std::max<int64_t>(floor.Percentile(0.5), 1));
  }
};

Measurement Repeated(unsigned count, std::function<Result<int64_t>()> once) {
  return [count, once = std::move(once)]() -> Result<Durations> {
    Durations durations;
    for (unsigned i = 0; i < count; ++i) {
      Result<int64_t> ns = once();
      if (!ns.ok()) return ns.failure();
      durations.push_back(*ns);
    }
    return durations;
  };
}

class Bench {
 public:
  Bench(bench::FramesFloor& floor, bench::Closer& closer, Client& client, DaemonView& daemon,
        bench::Joiner joiner)
      : joiner_(std::move(joiner)), frames_(client, daemon) {
    const std::string byte = "a byte there and one back";
    const auto empty = [&floor](unsigned count) {
      return [&floor, count] { return floor.MeasureEmpty(count); };
    };
    figures_ = {
        {"roundtrip",
         {"an empty round trip", [&] { return bench::MeasureRoundtrips(client, kRoundtrips); }},
         {byte, empty(kRoundtrips)}},
        {"join",
         {"token bound, constraints set, five buffers here",
          [this] { return joiner_.Measure(kJoins); }},
         {byte, empty(kJoins)}},
        {"frames_warm",
         {"five 1080p frames allocated, warm", [this] { return frames_.MeasureWarm(); }},
         {"five memfds at hand sent", [&] { return floor.MeasureWarm(kFrameSets); }}},
        {"last_close",
         {"last close of a buffer noticed",
          Repeated(kCloses, [&] { return bench::TimeBuffer(client, closer); })},
         {"close of a pipe noticed", Repeated(kCloses, [&] { return bench::TimePipe(closer); })}},
        {"frames_cold",
         {"five 1080p frames allocated, cold", [this] { return frames_.MeasureCold(); }},
         {"five memfds made and sent", [&] { return floor.MeasureCold(kFrameSets); }}},
    };
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  // The first round warms up and is not counted. Cold frames come last: every new size takes room
  // in the pool from those that are to be warm.
  Result<void> Measure(unsigned rounds) {
    const std::span<Figure> all(figures_);
    for (const std::span<Figure> together : {all.first(all.size() - 1), all.last(1)}) {
      if (Result<void> done = MeasureInTurn(together, rounds); !done.ok()) return done;
    }
    return {};
  }
  std::vector<Figure>& figures() { return figures_; }

 private:
  static Result<void> MeasureInTurn(std::span<Figure> figures, unsigned rounds) {
    for (unsigned round = 0; round <= rounds; ++round) {
      for (Figure& figure : figures) {
        for (Series* series : {&figure.floor, &figure.ours}) {
          Result<Durations> measured = series->measure();
          if (!measured.ok()) return measured.failure();
          if (round == 0) continue;
          series->durations.insert(series->durations.end(), measured->begin(), measured->end());
        }
      }
    }
    return {};
  }

  bench::Joiner joiner_;
  FrameSets frames_;
  std::vector<Figure> figures_;
};

// ---- What is told -------------------------------------------------------------------------------

// "41.3 us", "7.25 ms".
std::string Time(int64_t ns) {
  std::array<char, 32> text{};
  const double us = static_cast<double>(ns) / 1e3;
  std::snprintf(text.data(), text.size(), us < 1000 ? "%.1f us" : "%.2f ms",
                us < 1000 ? us : us / 1e3);
  return text.data();
}

std::string Describe(std::vector<Figure>& figures) {
  Table table({{"WHAT", Table::Align::kLeft},
               {"MEDIAN", Table::Align::kRight},
               {"P99", Table::Align::kRight},
               {"RATIO", Table::Align::kRight},
               {"FLOOR", Table::Align::kRight},
               {"WHICH IS", Table::Align::kLeft}});
  for (Figure& figure : figures) {
    if (!figure.is_there()) {
      table.Add({figure.ours.what, "-", "-", "-", "-", "the warm pool served none of them"});
      continue;
    }
    std::array<char, 32> ratio{};
    std::snprintf(ratio.data(), ratio.size(), "%.1f", figure.Ratio());
    table.Add({figure.ours.what, Time(figure.ours.Percentile(0.5)),
               Time(figure.ours.Percentile(0.99)), ratio.data(), Time(figure.floor.Percentile(0.5)),
               figure.floor.what});
  }
  return table.ToString(Colours(StandardOutputHasColour()));
}

Json AsJson(Series& series) {
  return {{"what", series.what},
          {"samples", series.durations.size()},
          {"p50_ns", std::to_string(series.Percentile(0.5))},
          {"p99_ns", std::to_string(series.Percentile(0.99))}};
}

Json ForPrograms(std::vector<Figure>& figures, unsigned rounds) {
  Json list = Json::array();
  for (Figure& figure : figures) {
    if (!figure.is_there()) continue;
    Json one = AsJson(figure.ours);
    one["name"] = figure.name;
    one["floor"] = AsJson(figure.floor);
    one["ratio"] = figure.Ratio();
    list.push_back(std::move(one));
  }
  return {{"rounds", rounds}, {"figures", std::move(list)}};
}

}  // namespace

int RunBench(const std::string& socket, const BenchOptions& options) {
  // Both fork, before the library has threads.
  Result<std::unique_ptr<bench::FramesFloor>> floor = bench::FramesFloor::Start();
  if (!floor.ok()) return Complain(floor.failure());
  Result<std::unique_ptr<bench::Closer>> closer = bench::Closer::Start();
  if (!closer.ok()) return Complain(closer.failure());
  Result<DaemonView> daemon = DaemonView::Open(socket);
  if (!daemon.ok()) return Complain(daemon.failure());
  Result<Client> client =
      Client::Connect({.path = daemon->path(), .debug_name = "sysmemctl bench"});
  if (!client.ok()) return Complain(client.failure());
  Result<bench::Joiner> joiner = bench::Joiner::Prepare(*client);
  if (!joiner.ok()) return Complain(joiner.failure());

  Bench bench(**floor, **closer, *client, *daemon, *std::move(joiner));
  if (Result<void> done = bench.Measure(options.rounds); !done.ok()) {
    return Complain(done.failure());
  }
  if (options.json) {
    std::cout << JsonText(ForPrograms(bench.figures(), options.rounds)) << "\n";
  } else {
    std::cout << Describe(bench.figures());
  }
  return std::cout.flush() ? kOk : kFailed;
}

}  // namespace sysmem::ctl
