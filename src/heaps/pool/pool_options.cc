// SPDX-License-Identifier: Apache-2.0
#include "heaps/pool/pool_options.h"

#include <charconv>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/escape.h"

namespace sysmem::heaps {
namespace {

constexpr int64_t kMostPercent = 99;

// The whole text as a decimal number; nothing if it is none or does not fit.
template <typename Number>
std::optional<Number> ParseNumber(std::string_view text) {
  Number number = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return number;
}

absl::Status Refuse(std::string_view field, std::string_view value, std::string_view rule) {
  return absl::InvalidArgumentError(
      absl::StrCat(std::string(field), ": ", base::Quote(value), ", expected ", std::string(rule)));
}

absl::Status CheckBounds(std::string_view field, uint64_t value, uint64_t least, uint64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(std::string(field), ": ", value, ", expected ", least, " to ", most));
}

absl::Status ParseCount(std::string_view field, std::optional<std::string_view> text,
                        uint64_t& value) {
  if (!text || text->empty()) return absl::OkStatus();
  const std::optional<uint64_t> number = ParseNumber<uint64_t>(*text);
  if (!number) return Refuse(field, *text, "a whole decimal number");
  value = *number;
  return absl::OkStatus();
}

uint64_t PercentOf(uint64_t bytes, int64_t percent) {
  const uint64_t share = static_cast<uint64_t>(percent);
  return bytes / 100 * share + bytes % 100 * share / 100;
}

}  // namespace

uint64_t PoolSizeBytes(const PoolSizeSetting& setting, int64_t default_percent,
                       uint64_t memory_bytes, uint64_t unit_bytes) {
  uint64_t bytes = PercentOf(memory_bytes, default_percent);
  if (setting.bytes && *setting.bytes >= 0) {
    bytes = static_cast<uint64_t>(*setting.bytes);
  } else if (setting.percent && *setting.percent >= 0 && *setting.percent <= kMostPercent) {
    bytes = PercentOf(memory_bytes, *setting.percent);
  }
  const uint64_t units = bytes / unit_bytes;
  const bool fits = units < std::numeric_limits<uint64_t>::max() / unit_bytes;
  return (units + (fits && bytes % unit_bytes != 0 ? 1 : 0)) * unit_bytes;
}

absl::Status OverridePoolSize(std::string_view field, std::string_view text, int64_t& in_force) {
  if (text.empty()) return absl::OkStatus();
  const std::optional<int64_t> number = ParseNumber<int64_t>(text);
  if (!number || *number < -kMostPercent) {
    return Refuse(field, text, "bytes from 0 up, or percent of memory from -1 to -99");
  }
  in_force = *number;
  return absl::OkStatus();
}

PoolSizeSetting ToPoolSizeSetting(int64_t number) {
  if (number >= 0) return {.bytes = number};
  return {.percent = -number};
}

absl::Status CheckGuardOptions(const GuardOptions& options) {
  absl::Status status = CheckBounds("guard pages", options.pages, 0, kMaxGuardPages);
  status.Update(CheckBounds("guard unused period pages", options.unused_period_pages, 1,
                            kMaxUnusedPeriodPages));
  status.Update(CheckBounds("guard unused cycle seconds", options.unused_cycle_seconds, 1,
                            kMaxUnusedCycleSeconds));
  return status;
}

absl::StatusOr<GuardOptions> ParseGuardOptions(const GuardTexts& texts) {
  GuardOptions options;
  options.internal = texts.internal.has_value();
  options.fatal = texts.fatal.has_value();
  options.unused = !texts.unused_disabled.has_value();
  absl::Status status = ParseCount("guard pages", texts.pages, options.pages);
  status.Update(ParseCount("guard unused cycle seconds", texts.unused_cycle_seconds,
                           options.unused_cycle_seconds));
  status.Update(CheckGuardOptions(options));
  if (!status.ok()) return status;
  return options;
}

}  // namespace sysmem::heaps
