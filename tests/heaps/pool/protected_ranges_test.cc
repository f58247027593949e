// SPDX-License-Identifier: Apache-2.0
//
// Method: a model of the hardware judges every single operation on it (PROT-6), and what there is
// between two calls.
#include "heaps/pool/protected_ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <numeric>
#include <optional>
#include <ostream>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace sysmem::heaps {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Machine {
  Region space{.begin = 508, .end = 748};
  uint64_t granularity = 4;
  size_t most_ranges = 9;
  bool can_modify = true;
  bool is_dynamic = true;
};

class ModelHardware final : public ProtectionHardware {
 public:
  explicit ModelHardware(Machine machine) : machine_(machine) {}

  Region space() const override { return machine_.space; }
  bool is_dynamic() const override { return machine_.is_dynamic; }
  uint64_t granularity() const override { return machine_.granularity; }
  size_t most_ranges() const override { return machine_.most_ranges; }
  bool can_modify() const override { return machine_.can_modify; }

  void AddRange(Region range) override {
    EXPECT_EQ(range.begin % machine_.granularity, 0U);
    EXPECT_EQ(range.end % machine_.granularity, 0U);
    EXPECT_TRUE(machine_.space.Contains(range) && !range.empty());
    for (uint64_t unit = range.begin; unit < range.end; ++unit) {
      EXPECT_TRUE(used_.contains(unit)) << unit;
    }
    ranges_.push_back(range);
    EXPECT_LE(ranges_.size(), machine_.most_ranges);
  }

  void DeleteRange(Region range) override {
    const auto found = std::find(ranges_.begin(), ranges_.end(), range);
    ASSERT_NE(found, ranges_.end());
    ranges_.erase(found);
    ExpectLiveCovered();
  }

  void ModifyRange(Region from, Region to) override {
    EXPECT_TRUE(machine_.can_modify);
    EXPECT_NE(from, to);
    EXPECT_TRUE(from.begin == to.begin || from.end == to.end);
    const auto found = std::find(ranges_.begin(), ranges_.end(), from);
    ASSERT_NE(found, ranges_.end());
    ranges_.erase(found);
    AddRange(to);
    ExpectLiveCovered();
  }

  void Zero(Region piece) override {
    EXPECT_FALSE(piece.empty());
    EXPECT_EQ(std::count_if(ranges_.begin(), ranges_.end(),
                            [&](const Region& range) { return range.Contains(piece); }),
              1);
    EXPECT_EQ(std::count_if(ranges_.begin(), ranges_.end(),
                            [&](const Region& range) { return range.Overlaps(piece); }),
              1);
    for (const Region& buffer : live) EXPECT_FALSE(buffer.Overlaps(piece));
    for (uint64_t unit = piece.begin; unit < piece.end; ++unit) zeroed.insert(unit);
  }

  absl::Status TakePages(Region pages) override {
    EXPECT_FALSE(pages.empty());
    if (refuses && refuses()) return absl::ResourceExhaustedError("no pages");
    for (uint64_t unit = pages.begin; unit < pages.end; ++unit) {
      EXPECT_TRUE(used_.insert(unit).second) << unit;
    }
    return absl::OkStatus();
  }

  void GiveBackPages(Region pages) override {
    for (const Region& range : ranges_) EXPECT_FALSE(range.Overlaps(pages));
    for (uint64_t unit = pages.begin; unit < pages.end; ++unit) {
      EXPECT_EQ(used_.erase(unit), 1U) << unit;
    }
  }

  // What holds between calls.
  void ExpectSettled(const ProtectedRanges& ranges) const {
    std::vector<Region> sorted = ranges_;
    std::sort(sorted.begin(), sorted.end(),
              [](const Region& a, const Region& b) { return a.begin < b.begin; });
    EXPECT_EQ(sorted, ranges.ranges());
    uint64_t bytes = 0;
    for (size_t i = 0; i < sorted.size(); ++i) {
      bytes += sorted[i].size();
      if (i > 0) {
        EXPECT_LT(sorted[i - 1].end, sorted[i].begin);
      }
      EXPECT_TRUE(std::any_of(live.begin(), live.end(), [&](const Region& buffer) {
        return buffer.Overlaps(sorted[i]);
      })) << "a range for nobody";
    }
    EXPECT_EQ(bytes, ranges.protected_bytes());
    EXPECT_EQ(bytes, used_.size());
    ExpectLiveCovered();
  }

  std::vector<Region> live;  // buffers that were added
  std::set<uint64_t> zeroed;
  std::function<bool()> refuses;

 private:
  bool IsCovered(uint64_t unit) const {
    return std::any_of(ranges_.begin(), ranges_.end(), [unit](const Region& range) {
      return range.begin <= unit && unit < range.end;
    });
  }
  void ExpectLiveCovered() const {
    for (const Region& buffer : live) {
      for (uint64_t unit = buffer.begin; unit < buffer.end; ++unit) {
        EXPECT_TRUE(IsCovered(unit)) << unit;
      }
    }
  }

  const Machine machine_;
  std::vector<Region> ranges_;
  std::set<uint64_t> used_;  // units
};

class ProtectedRangesTest : public testing::Test {
 protected:
  void Start(Machine machine) {
    hardware_.emplace(machine);
    ranges_.emplace(*hardware_);
  }
  absl::Status Add(uint64_t begin, uint64_t end) {
    const Region buffer{.begin = begin, .end = end};
    hardware_->zeroed.clear();
    absl::Status added = ranges_->Add(buffer);
    if (added.ok()) {
      for (uint64_t unit = begin; unit < end; ++unit) {
        EXPECT_TRUE(hardware_->zeroed.contains(unit)) << unit;
      }
      hardware_->live.push_back(buffer);
    }
    hardware_->ExpectSettled(*ranges_);
    return added;
  }
  void Delete(uint64_t begin, uint64_t end) {
    const Region buffer{.begin = begin, .end = end};
    std::erase(hardware_->live, buffer);
    ranges_->Delete(buffer);
    hardware_->ExpectSettled(*ranges_);
  }
  bool Improve() {
    const bool improved = ranges_->Improve();
    hardware_->ExpectSettled(*ranges_);
    return improved;
  }
  std::vector<Region> ranges() const { return ranges_->ranges(); }
  // Of what is live now: all but the largest gaps, one fewer than there are ranges (PROT-2).
  uint64_t FewestProtectedBytes(const Machine& machine) const {
    std::set<uint64_t> blocks;
    for (const Region& buffer : hardware_->live) {
      for (uint64_t unit = buffer.begin; unit < buffer.end; ++unit) {
        blocks.insert(unit / machine.granularity);
      }
    }
    if (blocks.empty()) return 0;
    std::vector<uint64_t> gaps;
    for (auto it = std::next(blocks.begin()); it != blocks.end(); ++it) {
      gaps.push_back(*it - *std::prev(it) - 1);
    }
    std::sort(gaps.begin(), gaps.end(), std::greater<>());
    gaps.resize(std::min(gaps.size(), machine.most_ranges - (machine.can_modify ? 1 : 2) - 1));
    const uint64_t all = *blocks.rbegin() - *blocks.begin() + 1;
    return (all - std::accumulate(gaps.begin(), gaps.end(), uint64_t{0})) * machine.granularity;
  }

  std::optional<ModelHardware> hardware_;
  std::optional<ProtectedRanges> ranges_;
};

Region R(uint64_t begin, uint64_t end) { return {.begin = begin, .end = end}; }

struct Stress {
  uint32_t seed;
  Machine machine;
};
void PrintTo(const Stress& stress, std::ostream* out) {
  *out << "seed " << stress.seed << ", " << stress.machine.most_ranges << " ranges, modify "
       << stress.machine.can_modify << ", granularity " << stress.machine.granularity;
}

class ProtectedRangesStress : public ProtectedRangesTest,
                              public testing::WithParamInterface<Stress> {};

// Case POOL-11
TEST_P(ProtectedRangesStress, KeepsEveryPromiseThroughTwoThousandRandomSteps) {
  const Machine& machine = GetParam().machine;
  Start(machine);
  std::mt19937 random(GetParam().seed);
  const auto below = [&](uint64_t bound) { return random() % bound; };
  hardware_->refuses = [&] { return below(100) < 5; };
  std::vector<Region>& live = hardware_->live;
  size_t refused = 0;
  size_t improved = 0;
  for (int step = 0; step < 2000 && !HasFailure(); ++step) {
    const uint64_t choice = below(100);
    if (choice < 40) {
      const uint64_t begin = machine.space.begin + below(machine.space.size());
      const Region wanted = R(begin, std::min(machine.space.end, begin + 1 + below(60)));
      const bool free = std::none_of(live.begin(), live.end(),
                                     [&](const Region& one) { return one.Overlaps(wanted); });
      if (free && !Add(wanted.begin, wanted.end).ok()) ++refused;
    } else if (choice < 80) {
      if (live.empty()) continue;
      const Region gone = live[below(live.size())];
      Delete(gone.begin, gone.end);
    } else if (Improve()) {
      ++improved;
    }
    if (step % 100 == 99) {  // left alone, it comes to the best there is
      const std::function<bool()> refuses = std::exchange(hardware_->refuses, nullptr);
      while (Improve()) {
      }
      EXPECT_EQ(ranges_->protected_bytes(), FewestProtectedBytes(machine));
      hardware_->refuses = refuses;
    }
  }
  EXPECT_GT(refused, 0U);
  // With a single range between calls there is no gap to choose.
  if (machine.most_ranges > (machine.can_modify ? 2U : 3U)) {
    EXPECT_GT(improved, 0U);
  }
  while (!live.empty()) Delete(live.back().begin, live.back().end);
  EXPECT_THAT(ranges(), IsEmpty());
  EXPECT_EQ(ranges_->protected_bytes(), 0U);
}

std::vector<Stress> Stresses() {
  std::vector<Stress> all;
  for (uint32_t seed = 1; seed <= 10; ++seed) all.push_back({.seed = seed, .machine = {}});
  for (uint32_t seed = 11; seed <= 16; ++seed) {
    all.push_back({.seed = seed, .machine = {.can_modify = false}});
    all.push_back({.seed = seed, .machine = {.most_ranges = 2}});
    all.push_back({.seed = seed, .machine = {.most_ranges = 3, .can_modify = false}});
    all.push_back({.seed = seed, .machine = {.granularity = 1, .most_ranges = 5}});
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(Random, ProtectedRangesStress, testing::ValuesIn(Stresses()));

TEST_F(ProtectedRangesTest, AlignsOutwardsToTheGranularity) {
  Start({});
  ASSERT_TRUE(Add(513, 517).ok());
  EXPECT_THAT(ranges(), ElementsAre(R(512, 520)));
}

TEST_F(ProtectedRangesTest, ExtendsTheNearestRangeBelowWhateverTheGap) {  // PROT-3
  Start({});
  ASSERT_TRUE(Add(512, 520).ok());
  ASSERT_TRUE(Add(600, 604).ok());
  EXPECT_THAT(ranges(), ElementsAre(R(512, 604)));
}

TEST_F(ProtectedRangesTest, AddsARangeWhereNoneBeginsBelow) {  // PROT-3
  Start({});
  ASSERT_TRUE(Add(600, 604).ok());
  ASSERT_TRUE(Add(512, 520).ok());
  EXPECT_THAT(ranges(), ElementsAre(R(512, 520), R(600, 604)));
  ASSERT_TRUE(Add(700, 704).ok());
  EXPECT_THAT(ranges(), ElementsAre(R(512, 520), R(600, 704)));
}

TEST_F(ProtectedRangesTest, MakesOneOfRangesThatTouch) {  // PROT-6
  Start({});
  ASSERT_TRUE(Add(600, 604).ok());
  ASSERT_TRUE(Add(512, 520).ok());
  ASSERT_TRUE(Add(520, 600).ok());
  EXPECT_THAT(ranges(), ElementsAre(R(512, 604)));
}

TEST_F(ProtectedRangesTest, MergesTheClosestNeighboursWhenThereAreTooMany) {  // PROT-3
  Start({.most_ranges = 3});  // two between operations
  ASSERT_TRUE(Add(700, 704).ok());
  ASSERT_TRUE(Add(600, 604).ok());
  EXPECT_EQ(ranges().size(), 2U);
  ASSERT_TRUE(Add(580, 584).ok());
  EXPECT_THAT(ranges(), ElementsAre(R(580, 604), R(700, 704)));
}

TEST_F(ProtectedRangesTest, RollsBackWhenThePagesAreNotThere) {  // PROT-3
  Start({.most_ranges = 3});
  ASSERT_TRUE(Add(700, 704).ok());
  ASSERT_TRUE(Add(600, 604).ok());
  int calls = 0;
  hardware_->refuses = [&calls] { return ++calls == 2; };  // the gap of the merge, not the buffer
  EXPECT_EQ(Add(580, 584).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(calls, 2);
  EXPECT_THAT(ranges(), ElementsAre(R(600, 604), R(700, 704)));
  EXPECT_TRUE(Add(580, 584).ok());
}

TEST_F(ProtectedRangesTest, LeavesAtOnceWhatCostsNoPages) {  // PROT-4
  Start({});
  ASSERT_TRUE(Add(512, 520).ok());
  ASSERT_TRUE(Add(600, 604).ok());
  ASSERT_TRUE(Add(640, 644).ok());
  ASSERT_TRUE(Add(700, 704).ok());
  EXPECT_THAT(ranges(), ElementsAre(R(512, 704)));
  Delete(700, 704);
  EXPECT_THAT(ranges(), ElementsAre(R(512, 520), R(600, 604), R(640, 644)));
  Delete(600, 604);
  EXPECT_THAT(ranges(), ElementsAre(R(512, 520), R(640, 644)));
}

TEST_F(ProtectedRangesTest, ImprovesStepByStepToTheLargestGaps) {  // PROT-2, PROT-4
  Start({.most_ranges = 4});  // three between operations: the two largest gaps
  ASSERT_TRUE(Add(512, 516).ok());
  ASSERT_TRUE(Add(540, 544).ok());  // 24 behind the one before
  ASSERT_TRUE(Add(560, 564).ok());  // 16
  ASSERT_TRUE(Add(640, 644).ok());  // 76
  ASSERT_TRUE(Add(700, 704).ok());  // 56
  EXPECT_THAT(ranges(), ElementsAre(R(512, 704)));
  EXPECT_TRUE(Improve());
  EXPECT_THAT(ranges(), ElementsAre(R(512, 564), R(640, 704)));
  EXPECT_TRUE(Improve());
  EXPECT_THAT(ranges(), ElementsAre(R(512, 564), R(640, 644), R(700, 704)));
  EXPECT_FALSE(Improve());
}

TEST_F(ProtectedRangesTest, GivesASmallGapForALargerOneAtTheLimit) {  // PROT-4
  Start({.most_ranges = 3});
  ASSERT_TRUE(Add(560, 564).ok());
  ASSERT_TRUE(Add(540, 544).ok());  // a gap of 16 stays open
  ASSERT_TRUE(Add(700, 704).ok());  // one of 136 is covered
  EXPECT_THAT(ranges(), ElementsAre(R(540, 544), R(560, 704)));
  hardware_->refuses = [] { return true; };
  EXPECT_FALSE(Improve());
  EXPECT_THAT(ranges(), ElementsAre(R(540, 544), R(560, 704)));
  hardware_->refuses = nullptr;
  EXPECT_TRUE(Improve());
  EXPECT_THAT(ranges(), ElementsAre(R(540, 564), R(700, 704)));
  EXPECT_FALSE(Improve());
}

TEST_F(ProtectedRangesTest, ZeroesABufferWhereAnEarlierOneWasProtected) {
  Start({});
  ASSERT_TRUE(Add(512, 520).ok());
  ASSERT_TRUE(Add(600, 604).ok());
  ASSERT_TRUE(Add(540, 544).ok());  // Add itself expects that it was zeroed
  EXPECT_EQ(hardware_->zeroed, (std::set<uint64_t>{540, 541, 542, 543}));
}

TEST_F(ProtectedRangesTest, ProtectsEverythingForEverWhereNothingIsDynamic) {  // PROT-3
  Start({.is_dynamic = false});
  ASSERT_TRUE(Add(512, 513).ok());
  EXPECT_THAT(ranges(), ElementsAre(R(508, 748)));
  ASSERT_TRUE(Add(513, 514).ok());
  EXPECT_FALSE(Improve());
  Delete(512, 513);
  EXPECT_THAT(ranges(), ElementsAre(R(508, 748)));
}

}  // namespace
}  // namespace sysmem::heaps
