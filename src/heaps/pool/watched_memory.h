// SPDX-License-Identifier: Apache-2.0
//
// The memory of a pool (pool_memory.h) with what makes writing to the wrong place known: guards at
// both ends of the pool and, if wanted, around each buffer, and the pattern in pages that nobody
// has (server behaviour 7.3, 7.4). Damage is told to whoever the pool complains to, and counted.
//
// Thread-safe; but Maintain is called by one thread at a time, and of a region on its way (see
// pool_books.h) one thread speaks at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "heaps/pool/pool_damage.h"
#include "heaps/pool/pool_memory.h"
#include "heaps/pool/pool_space.h"
#include "heaps/pool/unused_pages.h"
#include "heaps/reservation_gate.h"

namespace sysmem::heaps {

class WatchedMemory {
 public:
  // Makes every page what it is while nobody has it, which takes memory: the gate is asked.
  // The space outlives this. Errors: as Heap::Allocate.
  static absl::StatusOr<std::unique_ptr<WatchedMemory>> Create(PoolSpace& space, MemfdMaker& maker,
                                                               ReservationGate& gate);

  const PoolMemory& memory() const { return memory_; }
  const UnusedPagePlan& plan() const { return plan_; }

  // For a region on its way to be a buffer: looks for damage one last time, makes its pages a hole,
  // writes its guards (POOL-8, POOL-9). Errors: the kernel's; the region is to be given back.
  absl::Status Prepare(const PoolRegion& region);
  // For one on its way back: looks at its guards, then makes its pages unused ones.
  void CheckGuardsOf(const LiveBuffer& buffer);
  void MakeUnused(Region region);

  // Looks at what is due, a slice at a time: guards, a part of all unused pages, and what was given
  // back lately. As Heap::Maintain.
  int64_t Maintain(int64_t now_ns);

 private:
  WatchedMemory(PoolSpace& space, PoolMemory memory);

  struct GuardFindings {
    uint64_t passed = 0;
    uint64_t failed = 0;
    struct Damage {
      std::string guard;
      uint64_t offset = 0;
      std::vector<uint8_t> content;
      DamagedBytes bytes;
    };
    std::vector<Damage> damages;  // the first few
  };

  absl::Status Fill(ReservationGate& gate);
  uint64_t MostPatternedBytes() const;
  absl::Status LoanOrZero(Region region);

  void CheckGuard(Region where, const std::string& guard, GuardFindings& findings) const;
  void CheckInternalGuards(const LiveBuffer& buffer, GuardFindings& findings) const;
  void Report(const GuardFindings& findings);
  void Report(const DamageFinder& finder, uint64_t pages);

  bool CheckMoreGuards();
  void CheckUnused(Region window);
  Region CheckNextUnused(const PoolBooks& books, Region rest, std::vector<uint8_t>& scratch,
                         DamageFinder& finder, uint64_t& pages) const;
  ReportContext ContextOf(Region region);
  Severity HowBad() const;

  PoolSpace& space_;
  PoolMemory memory_;
  UnusedPagePlan plan_;
  std::atomic<int64_t> quiet_until_ns_;  // about pages that cannot be loaned

  // Of Maintain alone:
  bool started_ = false;
  int64_t next_guards_ns_ = 0;
  int64_t next_slice_ns_ = 0;
  int64_t next_recent_ns_ = 0;
  uint64_t slice_ = 0;
  std::optional<uint64_t> next_guarded_;  // where a check of guards goes on
};

}  // namespace sysmem::heaps
