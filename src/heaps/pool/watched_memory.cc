// SPDX-License-Identifier: Apache-2.0
#include "heaps/pool/watched_memory.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/escape.h"

namespace sysmem::heaps {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kGuardPeriodNs = 5 * kSecondNs;   // GUARD-4
constexpr int64_t kRecentPeriodNs = 2 * kSecondNs;  // UNUSED-2
constexpr int64_t kRecentNs = 5 * kSecondNs;        // UNUSED-2: freed less long ago than that
constexpr int64_t kLoanQuietNs = 30 * kSecondNs;    // UNUSED-4
// Read and compared at a time, while nobody allocates.
constexpr uint64_t kStepPages = 16;
// Looked at, both guards, in one call of Maintain.
constexpr size_t kBuffersAtATime = 256;
// Of one check. The others are counted.
constexpr size_t kMostGuardReports = 16;

}  // namespace

absl::StatusOr<std::unique_ptr<WatchedMemory>> WatchedMemory::Create(PoolSpace& space,
                                                                     MemfdMaker& maker,
                                                                     ReservationGate& gate) {
  absl::StatusOr<PoolMemory> memory =
      PoolMemory::Create(maker, space.options().name, space.options().size_bytes);
  if (!memory.ok()) return memory.status();
  std::unique_ptr<WatchedMemory> watched(new WatchedMemory(space, *std::move(memory)));
  if (absl::Status filled = watched->Fill(gate); !filled.ok()) return filled;
  return watched;
}

WatchedMemory::WatchedMemory(PoolSpace& space, PoolMemory memory)
    : space_(space),
      memory_(std::move(memory)),
      plan_{.page_bytes = space.layout().page_bytes,
            .checking = space.options().guards.unused,
            .loaning = memory_.TryToLoan(),
            .period_pages = space.options().guards.unused_period_pages},
      quiet_until_ns_(std::numeric_limits<int64_t>::min()) {}

absl::Status WatchedMemory::Fill(ReservationGate& gate) {
  const uint64_t bytes = MostPatternedBytes();
  absl::StatusOr<Reservation> reservation = gate.Reserve(bytes);
  if (!reservation.ok()) return reservation.status();
  const PoolLayout& layout = space_.layout();
  for (const Region& guard : {layout.LowGuard(), layout.HighGuard()}) {
    if (absl::Status put = memory_.WritePattern(guard); !put.ok()) return put;
  }
  MakeUnused({.begin = layout.LowGuard().end, .end = layout.HighGuard().begin});
  return reservation->Taken(bytes);
}

uint64_t WatchedMemory::MostPatternedBytes() const {
  const PoolLayout& layout = space_.layout();
  const uint64_t guards = 2 * layout.guard_bytes;
  if (!plan_.checking) return guards;
  if (!plan_.loaning) return layout.size_bytes;
  const uint64_t pages = layout.size_bytes / layout.page_bytes;
  return guards + (pages / plan_.period_pages + 1) * layout.page_bytes;
}

absl::Status WatchedMemory::Prepare(const PoolRegion& region) {
  if (plan_.checking) {
    DamageFinder finder(plan_.page_bytes);
    std::vector<uint8_t> page(plan_.page_bytes);
    uint64_t pages = 0;
    for (Region rest = region.whole; !rest.empty();) {
      const UnusedPiece piece = plan_.FirstPiece(rest);
      rest.begin = piece.region.end;
      if (piece.use != UnusedUse::kPatterned) continue;
      for (uint64_t at = piece.region.begin; at < piece.region.end; at += plan_.page_bytes) {
        if (absl::Status got = memory_.Read(at, page); !got.ok()) return got;
        finder.Look(at, page);
        ++pages;
      }
    }
    Report(finder, pages);
  }
  if (absl::Status cleared = LoanOrZero(region.whole); !cleared.ok()) return cleared;
  if (!space_.layout().internal_guards) return absl::OkStatus();
  absl::Status put =
      memory_.WritePattern({.begin = region.whole.begin, .end = region.buffer.begin});
  put.Update(memory_.WritePattern({.begin = region.buffer.end, .end = region.whole.end}));
  return put;
}

// UNUSED-4. A page that cannot be given away is at least no longer what it was.
absl::Status WatchedMemory::LoanOrZero(Region region) {
  if (!plan_.loaning) return memory_.Zero(region);
  absl::Status loaned = memory_.Loan(region);
  if (loaned.ok()) return loaned;
  const int64_t now_ns = space_.Now();
  int64_t quiet_until = quiet_until_ns_.load();
  if (now_ns >= quiet_until &&
      quiet_until_ns_.compare_exchange_strong(quiet_until, now_ns + kLoanQuietNs)) {
    space_.Tell(Severity::kWarning, absl::StrCat("pool ", base::Quote(space_.options().name),
                                                 ": pages are zeroed instead: ", loaned.message()));
  }
  return memory_.Zero(region);
}

void WatchedMemory::MakeUnused(Region region) {
  absl::Status done;
  if (plan_.loaning) done.Update(LoanOrZero(region));
  while (plan_.checking && !region.empty()) {
    const UnusedPiece piece = plan_.FirstPiece(region);
    if (piece.use == UnusedUse::kPatterned) done.Update(memory_.WritePattern(piece.region));
    region.begin = piece.region.end;
  }
  if (!done.ok()) {
    space_.Tell(Severity::kError, absl::StrCat("pool ", base::Quote(space_.options().name),
                                               ": unused pages: ", done.message()));
  }
}

void WatchedMemory::CheckGuard(Region where, const std::string& guard,
                               GuardFindings& findings) const {
  std::vector<uint8_t> content(where.size());
  if (!memory_.Read(where.begin, content).ok()) return;  // it says nothing
  const std::optional<DamagedBytes> damage = FindDamage(content);
  if (!damage) {
    ++findings.passed;
    return;
  }
  ++findings.failed;
  if (findings.damages.size() == kMostGuardReports) return;
  findings.damages.push_back(
      {.guard = guard, .offset = where.begin, .content = std::move(content), .bytes = *damage});
}

void WatchedMemory::CheckInternalGuards(const LiveBuffer& buffer, GuardFindings& findings) const {
  const PoolRegion& region = buffer.region;
  const std::string of =
      absl::StrCat("buffer ", base::Quote(buffer.name), " of ", region.buffer.size(), " bytes");
  CheckGuard({.begin = region.whole.begin, .end = region.buffer.begin},
             absl::StrCat("the guard before ", of), findings);
  CheckGuard({.begin = region.buffer.end, .end = region.whole.end},
             absl::StrCat("the guard behind ", of), findings);
}

void WatchedMemory::CheckGuardsOf(const LiveBuffer& buffer) {
  if (!space_.layout().internal_guards) return;
  GuardFindings findings;
  CheckInternalGuards(buffer, findings);
  Report(findings);
}

void WatchedMemory::Report(const GuardFindings& findings) {
  const int64_t now_ns = space_.Now();
  space_.WithBooks(
      [&](PoolBooks& books) { books.CountGuards(findings.passed, findings.failed, now_ns); });
  for (const GuardFindings::Damage& one : findings.damages) {
    const Region where{.begin = one.offset, .end = one.offset + one.content.size()};
    space_.Tell(HowBad(), DescribeGuardDamage(one.guard, one.offset, one.content, one.bytes,
                                              ContextOf(where)));
  }
}

void WatchedMemory::Report(const DamageFinder& finder, uint64_t pages) {
  const int64_t now_ns = space_.Now();
  space_.WithBooks([&](PoolBooks& books) {
    books.CountUnusedPages(pages);
    books.CountGuards(0, finder.count(), now_ns);
  });
  for (const DamagedPages& group : finder.groups()) {
    space_.Tell(HowBad(), DescribeUnusedDamage(group, ContextOf(group.pages)));
  }
}

Severity WatchedMemory::HowBad() const {
  return space_.options().guards.fatal ? Severity::kFatal : Severity::kError;
}

ReportContext WatchedMemory::ContextOf(Region region) {
  return {.pool_name = space_.options().name,
          .physical_base = space_.options().physical_base,
          .owners = space_.WithBooks(
              [&](PoolBooks& books) { return books.deleted().NewestAround(region, kOwnersNamed); }),
          .now_ns = space_.Now()};
}

int64_t WatchedMemory::Maintain(int64_t now_ns) {
  const GuardOptions& guards = space_.options().guards;
  const int64_t cycle_ns = static_cast<int64_t>(guards.unused_cycle_seconds) * kSecondNs;
  const int64_t slice_ns = cycle_ns / static_cast<int64_t>(kCheckSlices);
  if (!std::exchange(started_, true)) {
    next_guards_ns_ = guards.pages != 0 ? now_ns + kGuardPeriodNs : kNever;
    next_slice_ns_ = guards.unused ? now_ns + slice_ns : kNever;
    next_recent_ns_ = guards.unused ? now_ns + kRecentPeriodNs : kNever;
  }
  if (now_ns >= next_guards_ns_) {
    next_guards_ns_ = CheckMoreGuards() ? now_ns : now_ns + kGuardPeriodNs;
  }
  if (now_ns >= next_recent_ns_) {
    next_recent_ns_ = now_ns + kRecentPeriodNs;
    const std::vector<Region> recent = space_.WithBooks(
        [&](PoolBooks& books) { return books.deleted().DeletedAfter(now_ns - kRecentNs); });
    for (const Region& region : recent) CheckUnused(region);
  }
  if (now_ns >= next_slice_ns_) {
    CheckUnused(CheckSlice(space_.layout().size_bytes, plan_.page_bytes, slice_));
    slice_ = (slice_ + 1) % kCheckSlices;
    // Slices that were missed are made up for, but not more than all of them.
    next_slice_ns_ = std::max(next_slice_ns_ + slice_ns, now_ns - cycle_ns);
  }
  return std::min({next_guards_ns_, next_slice_ns_, next_recent_ns_});
}

// Some of the guards; whether there are more.
bool WatchedMemory::CheckMoreGuards() {
  GuardFindings findings;
  const PoolLayout& layout = space_.layout();
  if (!next_guarded_) {
    CheckGuard(layout.LowGuard(), "the guard at the beginning of the pool", findings);
    CheckGuard(layout.HighGuard(), "the guard at the end of the pool", findings);
    next_guarded_ = 0;
  }
  size_t looked_at = 0;
  while (layout.internal_guards && next_guarded_ && looked_at++ < kBuffersAtATime) {
    // A live buffer keeps its guards as long as the books are held.
    next_guarded_ = space_.WithBooks([&](PoolBooks& books) -> std::optional<uint64_t> {
      const std::optional<LiveBuffer> buffer = books.NextLive(*next_guarded_);
      if (!buffer) return std::nullopt;
      CheckInternalGuards(*buffer, findings);
      return buffer->region.whole.end;
    });
  }
  if (!layout.internal_guards) next_guarded_.reset();
  Report(findings);
  return next_guarded_.has_value();
}

void WatchedMemory::CheckUnused(Region window) {
  DamageFinder finder(plan_.page_bytes);
  std::vector<uint8_t> scratch(kStepPages * plan_.page_bytes);
  uint64_t pages = 0;
  while (!window.empty()) {
    // What is free stays free, and as it has to be, as long as the books are held.
    window = space_.WithBooks(
        [&](PoolBooks& books) { return CheckNextUnused(books, window, scratch, finder, pages); });
  }
  Report(finder, pages);
}

// Looks at up to kStepPages pages that are free; returns what is left of `rest`.
Region WatchedMemory::CheckNextUnused(const PoolBooks& books, Region rest,
                                      std::vector<uint8_t>& scratch, DamageFinder& finder,
                                      uint64_t& pages) const {
  std::optional<Region> free = books.FirstFreeIn(rest);
  if (!free) return {};
  for (uint64_t left = kStepPages; left > 0 && !free->empty();) {
    const UnusedPiece piece = plan_.FirstPiece(*free);
    free->begin = piece.region.end;
    if (piece.use != UnusedUse::kPatterned) continue;
    const uint64_t count = std::min(left, piece.region.size() / plan_.page_bytes);
    free->begin = piece.region.begin + count * plan_.page_bytes;
    const std::span<uint8_t> content = std::span(scratch).first(count * plan_.page_bytes);
    if (!memory_.Read(piece.region.begin, content).ok()) continue;
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t at = piece.region.begin + i * plan_.page_bytes;
      if (!finder.Look(at, content.subspan(i * plan_.page_bytes, plan_.page_bytes))) continue;
      // Said once, then mended (UNUSED-3).
      (void)memory_.WritePattern({.begin = at, .end = at + plan_.page_bytes});
    }
    pages += count;
    left -= count;
  }
  return {.begin = free->begin, .end = rest.end};
}

}  // namespace sysmem::heaps
