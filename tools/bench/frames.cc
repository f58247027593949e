// SPDX-License-Identifier: Apache-2.0
//
// sysmem-frames-bench: what allocating five frames of video costs, from the warm pool and without,
// measured against processes that do the same without any RPC (frames_floor.h).
//
// One daemon keeps a warm pool, another none. All four are measured in turn, block by block in the
// same run, and ratios are printed: of warm to the warm floor, of cold to the cold one. Between two
// measurements, off the clock, everybody settles: the memory of the last set is back, the pool is
// full again. With --check it fails when a ratio of medians is above its bound.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <sysmem/sysmem.hpp>
#include <utility>
#include <vector>

#include "tools/bench/frames_floor.h"
#include "tools/bench/processors.h"
#include "tools/bench/stopwatch.h"
#include "tools/demo/private_daemon.h"

namespace sysmem::bench {
namespace {

using Json = nlohmann::json;

// A warm set is a negotiation, carried by a batch of three calls of gRPC, and five descriptors: 300
// us, of which a sendmsg is 100 between two processors and 20 on one. Measured: 16 on one, 3 on
// two.
constexpr double kWarmBound = 25.0;
// A cold one is the clearing of 15 MB in both; what we add must not show beside it.
constexpr double kColdBound = 1.5;
// A pool whose sets cost half of cold ones is not worth its memory. Measured: 0.14.
constexpr double kWarmToCold = 0.5;
// Else it is not the pool that was measured. The first set is always cold.
constexpr double kWarmPart = 0.95;

constexpr std::chrono::seconds kPatience(20);

Constraints FramesWanted() {
  Constraints constraints;
  constraints.usage.emplace();
  constraints.usage->cpu = SYSMEM_CPU_USAGE_READ | SYSMEM_CPU_USAGE_WRITE;
  constraints.min_buffer_count = kFrames;
  ImageConstraints image;
  image.pixel_format = SYSMEM_PIXEL_FORMAT_NV12;
  image.color_spaces = {SYSMEM_COLOR_SPACE_REC709};
  image.min_size = {1920, 1080};
  constraints.image_formats.push_back(std::move(image));
  return constraints;
}

// --- One daemon, and what it says of itself ---

struct Figures {
  uint64_t live_buffers = 0;
  uint64_t pool_buffers = 0;
  uint64_t pool_hits = 0;
};

// 64 bits are text in the JSON of protobuf.
uint64_t Number(const Json& value) {
  return value.is_string() ? std::strtoull(value.get_ref<const std::string&>().c_str(), nullptr, 10)
                           : value.get<uint64_t>();
}

class Allocator {
 public:
  static Result<std::unique_ptr<Allocator>> Start(const std::vector<std::string>& arguments);

  // From binding to having five buffers, `count` times; before each the daemon has settled.
  Result<std::vector<int64_t>> Measure(unsigned count);
  // How many of all buffers so far came out of the pool, from 0 to 1.
  Result<double> WarmPart();

 private:
  Allocator(std::unique_ptr<demo::Workspace> workspace, std::unique_ptr<demo::PrivateDaemon> daemon,
            Client client, bool is_warm)
      : workspace_(std::move(workspace)),
        daemon_(std::move(daemon)),
        client_(std::move(client)),
        is_warm_(is_warm) {}

  Result<Figures> Ask();
  Result<void> Settle();
  Result<int64_t> MeasureOne();

  std::unique_ptr<demo::Workspace> workspace_;
  std::unique_ptr<demo::PrivateDaemon> daemon_;
  Client client_;
  const bool is_warm_;
  uint64_t allocated_ = 0;
};

Result<std::unique_ptr<Allocator>> Allocator::Start(const std::vector<std::string>& arguments) {
  Result<std::unique_ptr<demo::Workspace>> workspace = demo::Workspace::Create();
  if (!workspace.ok()) return workspace.failure();
  StayOn(Side::kServer);  // the daemon inherits it
  Result<std::unique_ptr<demo::PrivateDaemon>> daemon =
      demo::PrivateDaemon::Start(**workspace, arguments);
  StayOn(Side::kClient);
  if (!daemon.ok()) return daemon.failure();
  ConnectOptions options;
  options.path = (*workspace)->socket_path();
  options.debug_name = "sysmem-frames-bench";
  Result<Client> client = Client::Connect(options);
  if (!client.ok()) return client.failure();
  return std::unique_ptr<Allocator>(new Allocator(*std::move(workspace), *std::move(daemon),
                                                  *std::move(client), arguments.empty()));
}

Result<Figures> Allocator::Ask() {
  Result<std::string> text = client_.Inspect("GetStatus");
  if (!text.ok()) return text.failure();
  const Json status = Json::parse(*text, nullptr, false);
  if (status.is_discarded()) return demo::Sentence("the status is no JSON");
  Figures figures;
  // Zeroes are left out of it.
  if (status.contains("live_buffers")) figures.live_buffers = Number(status["live_buffers"]);
  for (const Json& counter : status.value("counters", Json::array())) {
    const uint64_t value = counter.contains("value") ? Number(counter["value"]) : 0;
    if (counter.value("name", "") == "warm_pool_buffers") figures.pool_buffers = value;
    if (counter.value("name", "") == "warm_pool_hits") figures.pool_hits = value;
  }
  return figures;
}

// Until the memory of the last set is back and, after the first set, the pool is full again.
Result<void> Allocator::Settle() {
  const Stopwatch waited;
  while (std::chrono::nanoseconds(waited.ns()) < kPatience) {
    Result<Figures> figures = Ask();
    if (!figures.ok()) return figures.failure();
    const bool is_full = !is_warm_ || allocated_ == 0 || figures->pool_buffers >= kFrames;
    if (figures->live_buffers == 0 && is_full) return {};
    ::usleep(500);
  }
  return demo::Sentence("the daemon does not settle; it may have too little memory for its pool");
}

Result<int64_t> Allocator::MeasureOne() {
  if (Result<void> settled = Settle(); !settled.ok()) return settled.failure();
  Result<Token> token = client_.CreateToken();
  if (!token.ok()) return token.failure();
  if (Result<void> made = token->Sync(kPatience); !made.ok()) return made.failure();
  const Constraints wanted = FramesWanted();
  const Stopwatch watch;
  Result<Joined> joined = (*std::move(token)).Join(wanted, kPatience);
  const int64_t ns = watch.ns();
  if (!joined.ok()) return joined.failure();
  if (joined->buffers.count() != kFrames) return demo::Sentence("not five frames");
  allocated_ += kFrames;
  return ns;
}

Result<std::vector<int64_t>> Allocator::Measure(unsigned count) {
  std::vector<int64_t> durations;
  for (unsigned i = 0; i < count; ++i) {
    Result<int64_t> ns = MeasureOne();
    if (!ns.ok()) return ns.failure();
    durations.push_back(*ns);
  }
  return durations;
}

Result<double> Allocator::WarmPart() {
  Result<Figures> figures = Ask();
  if (!figures.ok()) return figures.failure();
  return static_cast<double>(figures->pool_hits) / static_cast<double>(allocated_);
}

// --- All in turn ---

struct Series {
  const char* what;
  std::function<Result<std::vector<int64_t>>(unsigned count)> measure;
  std::vector<int64_t> durations = {};

  double Percentile(double part) {
    std::sort(durations.begin(), durations.end());
    const auto at = static_cast<size_t>(part * static_cast<double>(durations.size() - 1));
    return static_cast<double>(durations[at]) / 1e3;
  }
};

void Print(Series& series) {
  std::printf("%-52s %9.1f %9.1f\n", series.what, series.Percentile(0.5), series.Percentile(0.99));
}

// True if the ratio of medians is within its bound.
bool PrintWithRatio(Series& ours, Series& floor, double bound) {
  Print(floor);
  const double ratio = ours.Percentile(0.5) / floor.Percentile(0.5);
  std::printf("%-52s %9.1f %9.1f %9.2f %9.2f %7.1f%s\n", ours.what, ours.Percentile(0.5),
              ours.Percentile(0.99), ratio, ours.Percentile(0.99) / floor.Percentile(0.99), bound,
              ratio > bound ? "  ABOVE" : "");
  return ratio <= bound;
}

Result<bool> Run(unsigned rounds, unsigned block) {
  StayOn(Side::kClient);
  Result<std::unique_ptr<FramesFloor>> floor = FramesFloor::Start();
  if (!floor.ok()) return floor.failure();
  Result<std::unique_ptr<Allocator>> warm = Allocator::Start({});
  if (!warm.ok()) return warm.failure();
  Result<std::unique_ptr<Allocator>> cold = Allocator::Start({"--warm-pool", "0"});
  if (!cold.ok()) return cold.failure();

  std::vector<Series> all = {
      {"two processes, memfds at hand (the warm floor)",
       [&](unsigned count) { return (*floor)->MeasureWarm(count); }},
      {"sysmemd with a warm pool", [&](unsigned count) { return (*warm)->Measure(count); }},
      {"two processes, memfds made when asked (the cold floor)",
       [&](unsigned count) { return (*floor)->MeasureCold(count); }},
      {"sysmemd without a warm pool", [&](unsigned count) { return (*cold)->Measure(count); }},
  };
  // The first block of each warms up and is not counted.
  for (unsigned done = 0; done <= rounds; done += block) {
    for (Series& series : all) {
      Result<std::vector<int64_t>> measured = series.measure(block);
      if (!measured.ok()) return measured.failure();
      if (done == 0) continue;
      series.durations.insert(series.durations.end(), measured->begin(), measured->end());
    }
  }
  Result<double> warm_part = (*warm)->WarmPart();
  if (!warm_part.ok()) return warm_part.failure();
  std::printf("%u x 1920 x 1080 in NV12; %zu of each, %u at a time in turn; %.1f %% warm\n",
              kFrames, all.front().durations.size(), block, 100 * *warm_part);
  std::printf("%-52s %9s %9s %9s %9s %7s\n", "", "p50 us", "p99 us", "p50 ratio", "p99 ratio",
              "bound");
  const bool warm_good = PrintWithRatio(all[1], all[0], kWarmBound);
  const bool cold_good = PrintWithRatio(all[3], all[2], kColdBound);
  const double warm_to_cold = all[1].Percentile(0.5) / all[3].Percentile(0.5);
  const bool is_worth_it = warm_to_cold <= kWarmToCold;
  std::printf("%-52s %9s %9s %9.2f %9s %7.1f%s\n", "sysmemd with a warm pool, to sysmemd without",
              "", "", warm_to_cold, "", kWarmToCold, is_worth_it ? "" : "  ABOVE");
  if (*warm_part < kWarmPart) std::printf("too few of the warm ones were warm\n");
  return warm_good && cold_good && is_worth_it && *warm_part >= kWarmPart;
}

int Main(int argc, char** argv) {
  CLI::App app{"Measures what allocating five frames of video costs, warm and cold."};
  unsigned rounds = 300;
  unsigned block = 20;
  bool check = false;
  app.add_option("--rounds", rounds, "How many of each (default 300)")->check(CLI::PositiveNumber);
  app.add_option("--block", block, "How many of one kind in a row (default 20)")
      ->check(CLI::PositiveNumber);
  app.add_flag("--check", check, "Fail when a ratio is above its bound");
  CLI11_PARSE(app, argc, argv);
  Result<bool> good = Run(rounds, block);
  if (!good.ok()) {
    std::cerr << "sysmem-frames-bench: " << good.failure().ToString() << "\n";
    return 1;
  }
  return check && !*good ? 1 : 0;
}

}  // namespace
}  // namespace sysmem::bench

int main(int argc, char** argv) { return sysmem::bench::Main(argc, argv); }
