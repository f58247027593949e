// SPDX-License-Identifier: Apache-2.0
#include "heaps/pool/pool_space.h"

#include <unistd.h>

#include <bit>
#include <chrono>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "heaps/allocate_request.h"

namespace sysmem::heaps {
namespace {

uint64_t PageBytes() { return static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)); }

int64_t MonotonicNow() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

PoolOptions WithClock(PoolOptions options) {
  if (!options.clock) options.clock = &MonotonicNow;
  return options;
}

PoolLayout LayoutOf(const PoolOptions& options) {
  return {.name = options.name,
          .heap_id = options.heap.id,
          .size_bytes = options.size_bytes,
          .page_bytes = PageBytes(),
          .promised_alignment = PromisedAlignment(options),
          .guard_bytes = options.guards.pages * PageBytes(),
          .internal_guards = options.guards.internal && options.guards.pages != 0};
}

absl::Status Refuse(const PoolOptions& options, const char* field, uint64_t value,
                    const std::string& rule) {
  return absl::InvalidArgumentError(absl::StrCat("pool ", base::Quote(options.name), ": ", field,
                                                 " ", value, ", expected ", rule));
}

}  // namespace

absl::Status CheckPoolOptions(const PoolOptions& options) {
  if (absl::Status guards = CheckGuardOptions(options.guards); !guards.ok()) return guards;
  const uint64_t page = PageBytes();
  const uint64_t least = (2 * options.guards.pages + 1) * page;
  if (options.size_bytes < least || options.size_bytes > kMaxPoolBytes ||
      options.size_bytes % page != 0) {
    return Refuse(options, "size_bytes", options.size_bytes,
                  absl::StrCat("a multiple of ", page, " from ", least,
                               " (a page beside the guards) to ", kMaxPoolBytes));
  }
  if (!std::has_single_bit(options.promised_alignment) || options.promised_alignment < page ||
      options.promised_alignment > kMaxPoolBytes) {
    return Refuse(options, "promised_alignment", options.promised_alignment,
                  absl::StrCat("a power of two from ", page, " to ", kMaxPoolBytes));
  }
  const uint64_t unit = options.fixed_place ? page : options.promised_alignment;
  const uint64_t most = std::numeric_limits<uint64_t>::max() - options.size_bytes;
  if (options.physical_base % unit != 0 || options.physical_base > most) {
    return Refuse(options, "physical_base", options.physical_base,
                  absl::StrCat("a multiple of ", unit, " of at most ", most));
  }
  return absl::OkStatus();
}

uint64_t PromisedAlignment(const PoolOptions& options) {
  if (!options.fixed_place) return options.promised_alignment;
  // In 64 bits (POOL-H2). Address 0 is a multiple of everything.
  const uint64_t natural = options.physical_base & (~options.physical_base + 1);
  return natural == 0 || natural > kMaxPoolBytes ? kMaxPoolBytes : natural;
}

absl::Status CheckForPool(const AllocateRequest& request) {
  if (absl::Status size = CheckSize(request.size_bytes); !size.ok()) return size;
  if (request.physical_alignment == 0 || std::has_single_bit(request.physical_alignment)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("physical_alignment ", request.physical_alignment,
                                                 ", expected a power of two, or 0"));
}

PoolSpace::PoolSpace(PoolOptions options)
    : options_(WithClock(std::move(options))), books_(LayoutOf(options_), options_.ready) {}

std::string PoolSpace::Describe() const {
  return absl::StrCat("simulated pool of ", options_.size_bytes, " bytes");
}

void PoolSpace::Tell(Severity severity, const std::string& text) const {
  if (options_.complain) options_.complain(severity, text);
}

absl::StatusOr<PoolRegion> PoolSpace::Take(uint64_t bytes, uint64_t alignment) {
  const int64_t now_ns = Now();
  std::string text;
  absl::StatusOr<PoolRegion> taken = WithBooks([&](PoolBooks& books) {
    absl::StatusOr<PoolRegion> region = books.Take(bytes, alignment, now_ns);
    if (!absl::IsResourceExhausted(region.status())) return region;
    if (now_ns < quiet_until_ns_) {
      ++untold_;
      return region;
    }
    quiet_until_ns_ = now_ns + kNoFitQuietNs;
    if (untold_ != 0) absl::StrAppend(&text, untold_, " refusals before were not told of; ");
    untold_ = 0;
    absl::StrAppend(&text, region.status().message(), "\n", books.Describe());
    return region;
  });
  if (!text.empty()) Tell(Severity::kWarning, text);
  return taken;
}

void PoolSpace::Abandon(const PoolRegion& region) {
  const int64_t now_ns = Now();
  WithBooks([&](PoolBooks& books) { books.Abandon(region, now_ns); });
}

}  // namespace sysmem::heaps
