// SPDX-License-Identifier: Apache-2.0
//
// sysmem-negotiation-bench: what negotiating image formats costs, and how it grows.
//
//   sysmem-negotiation-bench            measures and reports
//   sysmem-negotiation-bench --check    and fails where it grows faster than the input
//
// 64 participants with 64 image formats each, in a different order for each, are negotiated from
// their constraints to the plan. The floor is reading the same constraints once. Twice as many
// participants, or twice as many formats, may take little more than twice the time.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/negotiate.h"
#include "core/pixel_format.h"

namespace sysmem::core {
namespace {

constexpr double kMaxGrowth = 2.3;  // for twice the input

// R8G8B8A8 in AFBC with each combination of its flags: 128 pairs, of which the first `count`.
std::vector<PixelFormatAndModifier> Pairs(size_t count) {
  std::vector<PixelFormatAndModifier> pairs;
  for (uint64_t flags = 0; flags <= modifier::kArmFlagBits; ++flags) {
    if ((flags & ~modifier::kArmFlagBits) != 0) continue;
    for (uint64_t blocks : {modifier::kArmAfbc16x16, modifier::kArmAfbc32x8}) {
      if (pairs.size() < count) pairs.push_back({pixel_format::kR8G8B8A8, blocks | flags});
    }
  }
  return pairs;
}

ImageFormatConstraints Entry(const PixelFormatAndModifier& pair, uint32_t participant) {
  ImageFormatConstraints image;
  image.pixel_format = pair.pixel_format;
  image.pixel_format_modifier = pair.modifier;
  image.color_spaces = {1, 9};
  image.min_size = {16 + participant % 4, 16};
  image.max_size = {4096, 4096 - participant % 8};
  image.size_alignment = {1u << participant % 4, 2};
  image.bytes_per_row_divisor = 1u << participant % 7;
  image.required_max_size_list = {{640 + participant % 16, 480}};
  return image;
}

// As many participants as the first argument says, with as many formats as the second.
std::vector<Constraints> EverybodyIn(const benchmark::State& state) {
  const auto participants = static_cast<size_t>(state.range(0));
  const auto formats = static_cast<size_t>(state.range(1));
  std::vector<PixelFormatAndModifier> pairs = Pairs(formats);
  std::mt19937 random(1);  // the same run every time
  std::vector<Constraints> all(participants);
  for (uint32_t i = 0; i < participants; ++i) {
    all[i].usage = BufferUsage{.vulkan = 4};
    all[i].min_buffer_count = 2;
    std::shuffle(pairs.begin(), pairs.end(), random);
    for (const PixelFormatAndModifier& pair : pairs) {
      all[i].image_formats.push_back(Entry(pair, i));
    }
  }
  return all;
}

Settings Machine() {
  Settings settings;
  settings.heaps.push_back({.heap = {.type = kHeapSystemRam},
                            .cpu_domain = true,
                            .ram_domain = true,
                            .inaccessible_domain = true});
  for (const PixelFormatAndModifier& pair : Pairs(40)) {
    settings.format_costs.push_back({.format = pair, .cost = 100});
  }
  return settings;
}

void Plan(benchmark::State& state, const std::vector<Constraints>& all) {
  const Settings settings = Machine();
  std::vector<Participant> participants;
  participants.reserve(all.size());
  for (const Constraints& one : all) participants.push_back({participants.size() + 1, "p", &one});
  for ([[maybe_unused]] auto _ : state) {
    const Result<core::Plan> plan = Negotiate(participants, settings);
    if (!plan.ok()) {
      state.SkipWithError(plan.failure().message.c_str());
      break;
    }
    benchmark::DoNotOptimize(plan);
  }
}

void Plans(benchmark::State& state) { Plan(state, EverybodyIn(state)); }

// Every other participant leaves the pixel format open and names a modifier only.
void OpenPlans(benchmark::State& state) {
  std::vector<Constraints> all = EverybodyIn(state);
  for (size_t i = 0; i < all.size(); ++i) {
    for (ImageFormatConstraints& image : all[i].image_formats) {
      image.pixel_format = i % 2 == 0 ? pixel_format::kR8G8B8A8 : pixel_format::kDoNotCare;
    }
  }
  Plan(state, all);
}

uint64_t Sum(const std::optional<SizeU>& size) {
  return size ? uint64_t{size->width} + size->height : 0;
}

// The least that has to be done: every field looked at once.
uint64_t Read(const ImageFormatConstraints& image) {
  uint64_t sum = image.pixel_format.value_or(0) + image.pixel_format_modifier.value_or(0) +
                 Sum(image.min_size) + Sum(image.max_size) + image.min_bytes_per_row.value_or(0) +
                 image.max_bytes_per_row.value_or(0) + image.max_width_times_height.value_or(0) +
                 Sum(image.size_alignment) + Sum(image.display_rect_alignment) +
                 Sum(image.required_min_size) + Sum(image.required_max_size) +
                 image.bytes_per_row_divisor.value_or(0) + image.start_offset_divisor.value_or(0) +
                 image.require_bytes_per_row_at_pixel_boundary.value_or(false) +
                 image.is_alpha_present.value_or(false) + Sum(image.pad_for_block_size) +
                 image.pad_beyond_image_size_bytes.value_or(0);
  for (const PixelFormatAndModifier& pair : image.pixel_format_and_modifiers) {
    sum += pair.pixel_format + pair.modifier;
  }
  for (uint32_t space : image.color_spaces) sum += space;
  for (const SizeU& size : image.required_max_size_list) sum += Sum(size);
  return sum;
}

void Floor(benchmark::State& state) {
  const std::vector<Constraints> all = EverybodyIn(state);
  for ([[maybe_unused]] auto _ : state) {
    uint64_t sum = 0;
    for (const Constraints& one : all) {
      for (const ImageFormatConstraints& image : one.image_formats) sum += Read(image);
    }
    benchmark::DoNotOptimize(sum);
  }
}

BENCHMARK(Floor)->Args({64, 64})->Unit(benchmark::kMicrosecond);
BENCHMARK(Plans)->Args({64, 64})->Args({128, 64})->Args({64, 128})->Unit(benchmark::kMicrosecond);
BENCHMARK(OpenPlans)->Args({64, 64})->Args({128, 64})->Args({64, 128})->Unit(
    benchmark::kMicrosecond);

// Prints as usual, and remembers the shortest time of each: what the work takes by itself.
class Shortest : public benchmark::ConsoleReporter {
 public:
  Shortest() : ConsoleReporter(OO_None) {}

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      has_errors_ = has_errors_ || run.error_occurred;
      if (run.run_type != Run::RT_Iteration) continue;
      const std::string name = run.run_name.function_name + "/" + run.run_name.args;
      const auto [found, is_new] = times_.emplace(name, run.GetAdjustedCPUTime());
      if (!is_new) found->second = std::min(found->second, run.GetAdjustedCPUTime());
    }
    ConsoleReporter::ReportRuns(runs);
  }

  bool has_errors() const { return has_errors_; }
  // Empty if one of them has not run.
  std::optional<double> Ratio(const std::string& one, const std::string& other) const {
    if (times_.count(one) == 0 || times_.count(other) == 0) return std::nullopt;
    return times_.at(one) / times_.at(other);
  }

 private:
  std::map<std::string, double> times_;
  bool has_errors_ = false;
};

struct Question {
  const char* text;
  const char* one;
  const char* other;
  std::optional<double> at_most;
};

constexpr Question kQuestions[] = {
    {"planning, against reading the constraints once", "Plans/64/64", "Floor/64/64", {}},
    {"twice as many participants", "Plans/128/64", "Plans/64/64", kMaxGrowth},
    {"twice as many image formats", "Plans/64/128", "Plans/64/64", kMaxGrowth},
    {"planning with open formats, likewise", "OpenPlans/64/64", "Floor/64/64", {}},
    {"twice as many participants", "OpenPlans/128/64", "OpenPlans/64/64", kMaxGrowth},
    {"twice as many image formats", "OpenPlans/64/128", "OpenPlans/64/64", kMaxGrowth},
};

// False if some question has no answer, or one that is above its bound.
bool Report(const Shortest& shortest) {
  bool good = !shortest.has_errors();
  std::printf("\n");
  for (const Question& question : kQuestions) {
    const std::optional<double> ratio = shortest.Ratio(question.one, question.other);
    if (!ratio) {
      good = false;
      continue;
    }
    std::printf("%-48s %7.2f times", question.text, *ratio);
    if (question.at_most) std::printf(" (at most %.1f)", *question.at_most);
    std::printf("\n");
    good = good && (!question.at_most || *ratio <= *question.at_most);
  }
  return good;
}

int Main(int argc, char** argv) {
  std::vector<char*> arguments(argv, argv + argc);
  const auto is_check = [](const char* argument) { return std::strcmp(argument, "--check") == 0; };
  const bool check = std::erase_if(arguments, is_check) != 0;
  // Each several times, taking turns, so that a busy moment spoils no comparison.
  char repetitions[] = "--benchmark_repetitions=9";
  char turns[] = "--benchmark_enable_random_interleaving=true";
  char time[] = "--benchmark_min_time=0.05";
  if (check) arguments.insert(arguments.end(), {repetitions, turns, time});
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
  Shortest shortest;
  benchmark::RunSpecifiedBenchmarks(&shortest);
  const bool good = Report(shortest);
  return check && !good ? 1 : 0;
}

}  // namespace
}  // namespace sysmem::core

int main(int argc, char** argv) { return sysmem::core::Main(argc, argv); }
