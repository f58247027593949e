// SPDX-License-Identifier: Apache-2.0
//
// What a benchmark makes of many measurements of one kind.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace sysmem::bench {

// In nanoseconds.
using Durations = std::vector<int64_t>;

// The one that `part` (0 to 1) of them do not exceed. Leaves them sorted. REQUIRES: not empty.
int64_t Percentile(Durations& durations, double part);

// A row of a table on standard output: `what`, in `width` columns, and percentiles in microseconds,
// each in a column of nine. REQUIRES: not empty.
void PrintRow(const char* what, int width, Durations& durations,
              std::initializer_list<double> parts);

}  // namespace sysmem::bench
