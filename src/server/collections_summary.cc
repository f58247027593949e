// SPDX-License-Identifier: Apache-2.0
#include "server/collections_summary.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"

namespace sysmem::server {
namespace {

std::string MiB(uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

const char* NameOf(core::BufferState state) {
  switch (state) {
    case core::BufferState::kStrong:
      return "strong";
    case core::BufferState::kWeakOnly:
      return "weak only";
    case core::BufferState::kGone:
      return "absent";
  }
  return "?";
}

// "0-3 strong, 4 absent": neighbours that are alike together.
std::string StatesOf(const std::vector<core::BufferState>& buffers) {
  std::string text;
  for (size_t first = 0, next = 0; first < buffers.size(); first = next) {
    while (next < buffers.size() && buffers[next] == buffers[first]) ++next;
    absl::StrAppend(&text, text.empty() ? "" : ", ", first);
    if (next - first > 1) absl::StrAppend(&text, "-", next - 1);
    absl::StrAppend(&text, " ", NameOf(buffers[first]));
  }
  return text;
}

std::string Line(const CollectionGlance& glance) {
  const CollectionSummary& summary = glance.summary;
  std::string text =
      absl::StrCat("collection ", summary.buffer_collection_id, " ",
                   summary.name.empty() ? "without a name" : absl::StrCat("\"", summary.name, "\""),
                   ", ", core::CollectionStateName(summary.state), ", ", summary.nodes, " nodes");
  if (glance.seen.buffer_count == 0) return text;
  absl::StrAppend(&text, ", ", glance.seen.buffer_count, " buffers of ",
                  MiB(glance.seen.buffer_bytes), glance.seen.contiguous ? ", contiguous" : "",
                  glance.seen.secure ? ", secure" : "");
  if (!glance.seen.buffers.empty()) absl::StrAppend(&text, ": ", StatesOf(glance.seen.buffers));
  return text;
}

}  // namespace

std::vector<std::string> Summarise(std::vector<CollectionGlance> glances) {
  std::sort(glances.begin(), glances.end(), [](const auto& a, const auto& b) {
    return a.summary.buffer_collection_id < b.summary.buffer_collection_id;
  });
  std::vector<std::string> lines;
  uint64_t buffers = 0;
  uint64_t bytes = 0;
  for (const CollectionGlance& glance : glances) {
    if (lines.size() < kCollectionsInSummary) lines.push_back(Line(glance));
    const auto present =
        std::count_if(glance.seen.buffers.begin(), glance.seen.buffers.end(),
                      [](core::BufferState state) { return state != core::BufferState::kGone; });
    buffers += static_cast<uint64_t>(present);
    bytes += static_cast<uint64_t>(present) * glance.seen.buffer_bytes;
  }
  if (glances.size() > lines.size()) {
    lines.push_back(absl::StrCat("and ", glances.size() - lines.size(), " more"));
  }
  lines.push_back(absl::StrCat(glances.size(), " collections, ", buffers, " buffers present, ",
                               MiB(bytes), " in all"));
  return lines;
}

}  // namespace sysmem::server
