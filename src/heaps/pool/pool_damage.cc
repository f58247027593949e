// SPDX-License-Identifier: Apache-2.0
#include "heaps/pool/pool_damage.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/escape.h"

namespace sysmem::heaps {
namespace {

constexpr uint64_t kRowBytes = 16;
constexpr uint64_t kShownAtEachEnd = 512;  // of a hex diff
constexpr size_t kShownOfGuard = 16;

// REQUIRES: `content` holds what stands from `content_offset` on, `shown` included.
void AppendRows(std::string& text, Region shown, std::span<const uint8_t> content,
                uint64_t content_offset) {
  for (uint64_t at = shown.begin; at < shown.end;) {
    const uint64_t row_end = std::min(shown.end, (at / kRowBytes + 1) * kRowBytes);
    const auto row = content.subspan(at - content_offset, row_end - at);
    bool differs = false;
    for (size_t i = 0; i < row.size(); ++i) differs |= row[i] != PatternByte(at + i);
    if (differs) {
      absl::StrAppendFormat(&text, "\n  at 0x%x: %s, expected %s", at, HexBytes(row),
                            HexPattern(at, row.size()));
    }
    at = row_end;
  }
}

std::string DescribeOwners(const ReportContext& context) {
  if (context.owners.empty()) return "nobody is known to have had this place lately";
  std::string text = "had lately by";
  for (const DeletedRegion& one : context.owners) {
    const double seconds = static_cast<double>(context.now_ns - one.deleted_ns) / 1e9;
    absl::StrAppendFormat(&text, "%s %s (until %.1f s ago, offset 0x%x to 0x%x)",
                          &one == &context.owners.front() ? "" : ",", base::Quote(one.name),
                          seconds, one.region.begin, one.region.end);
  }
  return text;
}

}  // namespace

bool DamageFinder::Look(uint64_t offset, std::span<const uint8_t> page) {
  const std::optional<DamagedBytes> damage = FindDamage(page);
  if (!damage) return false;
  const bool continues = last_damaged_end_ == offset;
  last_damaged_end_ = offset + page_bytes_;
  if (!continues) ++count_;
  if (count_ > kMostGroups) return true;
  if (!continues) {
    groups_.push_back({.pages = {.begin = offset, .end = offset},
                       .bytes = {.begin = offset + damage->first, .end = 0}});
  }
  DamagedPages& group = groups_.back();
  group.pages.end = offset + page_bytes_;
  group.bytes.end = offset + damage->last + 1;
  if (group.front.size() < 2 * page_bytes_) {
    group.front.insert(group.front.end(), page.begin(), page.end());
  }
  if (group.back.size() == 2 * page_bytes_) {
    group.back.erase(group.back.begin(), group.back.begin() + static_cast<ptrdiff_t>(page_bytes_));
  }
  group.back.insert(group.back.end(), page.begin(), page.end());
  return true;
}

std::string HexDiff(const DamagedPages& damaged) {
  std::string text;
  const Region& bytes = damaged.bytes;
  if (bytes.size() <= 2 * kShownAtEachEnd) {
    AppendRows(text, bytes, damaged.front, damaged.pages.begin);
    return text;
  }
  AppendRows(text, {.begin = bytes.begin, .end = bytes.begin + kShownAtEachEnd}, damaged.front,
             damaged.pages.begin);
  absl::StrAppend(&text, "\n  ...");
  AppendRows(text, {.begin = bytes.end - kShownAtEachEnd, .end = bytes.end}, damaged.back,
             damaged.pages.end - damaged.back.size());
  return text;
}

std::string DescribeUnusedDamage(const DamagedPages& damaged, const ReportContext& context) {
  return absl::StrFormat(
      "pool %s: somebody wrote to unused memory, at offset 0x%x to 0x%x (physical 0x%x to 0x%x); "
      "%s%s",
      base::Quote(context.pool_name), damaged.bytes.begin, damaged.bytes.end,
      context.physical_base + damaged.bytes.begin, context.physical_base + damaged.bytes.end,
      DescribeOwners(context), HexDiff(damaged));
}

std::string DescribeGuardDamage(const std::string& guard, uint64_t offset,
                                std::span<const uint8_t> content, const DamagedBytes& damage,
                                const ReportContext& context) {
  const size_t count = std::min(kShownOfGuard, damage.last - damage.first + 1);
  return absl::StrFormat(
      "pool %s: somebody wrote to %s, byte %u to %u of it (physical 0x%x to 0x%x): found %s, "
      "expected %s; %s",
      base::Quote(context.pool_name), guard, damage.first, damage.last,
      context.physical_base + offset + damage.first, context.physical_base + offset + damage.last,
      HexBytes(content.subspan(damage.first, count)), HexPattern(damage.first, count),
      DescribeOwners(context));
}

}  // namespace sysmem::heaps
