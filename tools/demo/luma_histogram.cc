// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/luma_histogram.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace sysmem::demo {

void LumaHistogram::Add(const PlaneView& luma) {
  // Several rows of counters: neighbouring pixels are often equal, and one counter that is counted
  // up again and again makes the processor wait for itself.
  std::array<std::array<uint32_t, kLevels>, 4> counts{};
  for (uint32_t y = 0; y < luma.height; ++y) {
    const uint8_t* const row = luma.data + std::ptrdiff_t{y} * luma.stride;
    for (uint32_t x = 0; x < luma.width; ++x) ++counts[x % counts.size()][row[x]];
  }
  for (const auto& some : counts) {
    for (size_t level = 0; level < kLevels; ++level) counts_[level] += some[level];
  }
}

uint64_t LumaHistogram::total() const {
  return std::accumulate(counts_.begin(), counts_.end(), uint64_t{0});
}

double LumaHistogram::Mean() const {
  const uint64_t pixels = total();
  if (pixels == 0) return 0;
  double sum = 0;
  for (size_t level = 0; level < kLevels; ++level) {
    sum += static_cast<double>(level) * static_cast<double>(counts_[level]);
  }
  return sum / static_cast<double>(pixels);
}

uint8_t LumaHistogram::Darkest() const {
  for (size_t level = 0; level < kLevels; ++level) {
    if (counts_[level] != 0) return static_cast<uint8_t>(level);
  }
  return 0;
}

uint8_t LumaHistogram::Brightest() const {
  for (size_t level = kLevels; level > 0; --level) {
    if (counts_[level - 1] != 0) return static_cast<uint8_t>(level - 1);
  }
  return 0;
}

std::string LumaHistogram::Draw(size_t columns) const {
  static constexpr std::array<const char*, 9> kBars = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  constexpr size_t kFull = kBars.size() - 1;
  const size_t width = kLevels / columns;
  std::vector<uint64_t> sums(columns);
  for (size_t level = 0; level < columns * width; ++level) sums[level / width] += counts_[level];
  const uint64_t highest = *std::max_element(sums.begin(), sums.end());
  std::string drawing;
  for (uint64_t sum : sums) {
    const double share = sum == 0 ? 0 : static_cast<double>(sum) / static_cast<double>(highest);
    const size_t bar = static_cast<size_t>(share * kFull);
    drawing += kBars[sum == 0 ? 0 : std::max<size_t>(bar, 1)];
  }
  return drawing;
}

}  // namespace sysmem::demo
