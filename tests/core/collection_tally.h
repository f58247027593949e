// SPDX-License-Identifier: Apache-2.0
//
// What the simulation has seen so far.
#pragma once

#include <cstdint>

namespace sysmem::core::test {

// What came of the lives so far: proof that the simulation reaches what it is meant to reach.
struct Tally {
  uint64_t events = 0;
  uint64_t grants = 0;
  uint64_t conflicts = 0;
  uint64_t refusals = 0;
  uint64_t heap_refusals = 0;
  uint64_t cancelled = 0;
  uint64_t late_heap_answers = 0;
  uint64_t normal_ends = 0;
  uint64_t late_grants = 0;  // to participants that were attached
  uint64_t late_conflicts = 0;
  uint64_t domains_fallen = 0;     // attached ones, alone
  uint64_t unchosen = 0;           // clients below a child that its group did not choose
  uint64_t alternates = 0;         // pairs of them that were asked about
  uint64_t expendable_fallen = 0;  // dispensable ones, alone
  uint64_t weak_ends = 0;          // before allocation, for want of strong nodes
  uint64_t weak_drops = 0;         // of the buffers, while weak nodes stayed
  uint64_t second_choices = 0;     // groups whose first child was not chosen
  uint64_t weak_only_ends = 0;     // of collections whose weak nodes had nothing left (WEAK-4)
  uint64_t outlived = 0;           // buffers that went after their last node
  uint64_t trackings_ended = 0;    // of lifetimes
  uint64_t weak_infos = 0;         // weak handles through GetVmoInfo
  uint64_t too_late = 0;           // refused for want of strong ones
  uint64_t leaks = 0;
  uint64_t lives = 0;
};

}  // namespace sysmem::core::test
