// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/durations.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>

namespace sysmem::bench {

int64_t Percentile(Durations& durations, double part) {
  if (!std::is_sorted(durations.begin(), durations.end())) {
    std::sort(durations.begin(), durations.end());
  }
  return durations[static_cast<size_t>(part * static_cast<double>(durations.size() - 1))];
}

void PrintRow(const char* what, int width, Durations& durations,
              std::initializer_list<double> parts) {
  std::printf("%-*s", width, what);
  for (const double part : parts) {
    std::printf(" %8.1f", static_cast<double>(Percentile(durations, part)) / 1e3);
  }
  std::printf("\n");
}

}  // namespace sysmem::bench
