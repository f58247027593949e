// SPDX-License-Identifier: Apache-2.0
#include "server/secure_heap_facts.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "heaps/pool/pool_space.h"

namespace sysmem::server {
namespace {

constexpr size_t kMostHeaps = 32;  // MAX_HEAPS_COUNT
constexpr uint64_t kMostGranularityBytes = 1 << 30;

uint64_t PageBytes() { return static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)); }

template <typename... Parts>
absl::Status Wrong(const core::Heap& heap, const Parts&... parts) {
  return absl::InvalidArgumentError(
      absl::StrCat("heap ", base::Quote(heap.type), " ", heap.id, ": ", parts...));
}

absl::Status TooMany(size_t heaps) {
  return absl::InvalidArgumentError(
      absl::StrCat(heaps, " secure heaps, expected at most ", kMostHeaps));
}

bool Overlap(const heaps::Region& a, const heaps::Region& b) {
  return a.begin < b.end && b.begin < a.end;
}

}  // namespace

absl::Status SecureHeapFacts::Take(const PhysicalSecureHeaps& answer) {
  if (answer.heaps.size() > kMostHeaps) return TooMany(answer.heaps.size());
  for (const PhysicalSecureHeaps::One& one : answer.heaps) {
    if (one.ranges.size() != 1) {
      return Wrong(one.heap, one.ranges.size(), " physical ranges, expected exactly one");
    }
    if (absl::Status added = Add(one.heap, one.ranges.front(), false); !added.ok()) return added;
  }
  return absl::OkStatus();
}

absl::Status SecureHeapFacts::Take(const DynamicSecureHeaps& answer, uint64_t protected_bytes,
                                   uint64_t physical_base) {
  if (answer.heaps.size() > kMostHeaps) return TooMany(answer.heaps.size());
  if (answer.heaps.empty() || protected_bytes == 0) return absl::OkStatus();
  return Add(answer.heaps.front(), {physical_base, protected_bytes}, true);
}

absl::Status SecureHeapFacts::Add(const core::Heap& heap, PhysicalRange range,
                                  bool is_protected_pool) {
  const uint64_t page = PageBytes();
  if (heap.type.empty()) return Wrong(heap, "a heap needs a name");
  if (range.size_bytes == 0 || range.size_bytes > heaps::kMaxPoolBytes ||
      range.size_bytes % page != 0) {
    return Wrong(heap, "a range of ", range.size_bytes, " bytes, expected a multiple of ", page,
                 " up to ", heaps::kMaxPoolBytes);
  }
  const uint64_t most = std::numeric_limits<uint64_t>::max() - range.size_bytes;
  if (range.address % page != 0 || range.address > most) {
    return Wrong(heap, "a range at ", range.address, ", expected a multiple of ", page,
                 " of at most ", most);
  }
  One added{.space = {.begin = range.address, .end = range.address + range.size_bytes},
            .is_protected_pool = is_protected_pool,
            .properties = {.heap = heap}};
  for (const One& one : all_) {
    if (one.properties.heap == heap) return Wrong(heap, "told of twice");
    if (Overlap(one.space, added.space)) {
      return Wrong(heap, "its range at ", range.address, " overlaps that of heap ",
                   base::Quote(one.properties.heap.type));
    }
  }
  all_.push_back(std::move(added));
  return absl::OkStatus();
}

std::optional<SecureHeapAndRange> SecureHeapFacts::NextWithoutProperties() const {
  const auto next =
      std::find_if(all_.begin(), all_.end(), [](const One& one) { return !one.has_properties; });
  if (next == all_.end()) return std::nullopt;
  return SecureHeapAndRange{next->properties.heap, {next->space.begin, next->space.size()}};
}

absl::Status SecureHeapFacts::Take(const SecureHeapProperties& answer) {
  const auto asked =
      std::find_if(all_.begin(), all_.end(), [](const One& one) { return !one.has_properties; });
  if (asked == all_.end()) return Wrong(answer.heap, "nobody asked for its properties");
  if (answer.heap != asked->properties.heap) {
    return Wrong(answer.heap, "its properties came instead of those of heap ",
                 base::Quote(asked->properties.heap.type));
  }
  if (!std::has_single_bit(answer.granularity) || answer.granularity < PageBytes() ||
      answer.granularity > kMostGranularityBytes) {
    return Wrong(answer.heap, "protected_range_granularity ", answer.granularity,
                 ", expected a power of two from ", PageBytes(), " to ", kMostGranularityBytes);
  }
  if (asked->space.begin % answer.granularity != 0 ||
      asked->space.size() % answer.granularity != 0) {
    return Wrong(answer.heap, "protected_range_granularity ", answer.granularity,
                 ", of which its range at ", asked->space.begin, " of ", asked->space.size(),
                 " bytes is no multiple");
  }
  const uint64_t least = answer.can_modify ? 2 : 3;  // PROT-2
  if (asked->is_protected_pool && answer.dynamic_protection_ranges && answer.most_ranges < least) {
    return Wrong(answer.heap, "max_protected_range_count ", answer.most_ranges,
                 ", expected at least ", least);
  }
  asked->properties = answer;
  asked->has_properties = true;
  return absl::OkStatus();
}

}  // namespace sysmem::server
