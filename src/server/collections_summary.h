// SPDX-License-Identifier: Apache-2.0
//
// All collections in short, for whoever reads in the log that memory has run out: who has it?
// (server-behaviour.md 6.5). Pure functions.
#pragma once

#include <string>
#include <vector>

#include "server/inspection.h"

namespace sysmem::server {

// Lines in one summary; the collections beyond are counted.
inline constexpr size_t kCollectionsInSummary = 64;
// Not more often: whoever has failed once may fail without end.
inline constexpr int64_t kSummaryIntervalNs = 10'000'000'000;

// One line for each, those made first before the others, and one with what they have together.
std::vector<std::string> Summarise(std::vector<CollectionGlance> glances);

}  // namespace sysmem::server
