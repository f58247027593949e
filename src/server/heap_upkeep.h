// SPDX-License-Identifier: Apache-2.0
//
// The thread that lets heaps do what they do by themselves (Heap::Maintain), each when it wants it.
// It sleeps until the first of them is due; where none ever is, there is no thread.
//
//   HeapUpkeep upkeep;
//   upkeep.Add(heap);          // Maintain is called at once, and from then on when it is due
//   ...
//   upkeep.Stop();
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "heaps/heap.h"

namespace sysmem::server {

class HeapUpkeep {
 public:
  HeapUpkeep();
  ~HeapUpkeep();  // as Stop

  // Before the heap is used.
  void Add(std::shared_ptr<heaps::Heap> heap);
  // No heap is called any more when this returns.
  void Stop();

 private:
  class Schedule;
  const std::shared_ptr<Schedule> schedule_;  // heaps have weak pointers to it
};

}  // namespace sysmem::server
