// SPDX-License-Identifier: Apache-2.0
//
// Which heaps of the kernel this process can use, and why not the others.
//
//   for (heaps::FoundHeap& found : heaps::DiscoverDeviceHeaps(gate)) {
//     if (found.heap) ...                         // put it to use
//     else Tell(found.properties.heap.type, found.why_unusable, found.remedy);
//   }
//
// What does not exist is told of too, where people look for it: the heap "system" of /dev/dma_heap
// and UDMABUF. heaps/device_watch.h says when it is worth to look again.
//
// Thread-safe. Blocks for some system calls per node, and takes a page from each to try it.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "heaps/heap.h"
#include "heaps/reservation_gate.h"
#include "heaps/udmabuf_heap.h"

namespace sysmem::heaps {

// A node below /dev; another one that has taken its place has another inode or is another device.
struct DeviceNode {
  std::string path;
  dev_t file_system = 0;
  ino_t inode = 0;
  dev_t device = 0;
  bool operator==(const DeviceNode&) const = default;
};

struct FoundHeap {
  std::shared_ptr<Heap> heap;       // null: it cannot be used
  core::HeapProperties properties;  // of one that cannot be used only which one it would be
  DeviceNode node;                  // of one that can be used: where it was found
  std::string why_unusable;         // a sentence without its full stop
  std::string remedy;               // what an administrator can do; likewise, or empty
};

// Where the kernel shows its devices; for tests that describe another machine.
struct DevicePlaces {
  std::string dma_heaps = "/dev/dma_heap";
  std::string dma_heap_class = "/sys/class/dma_heap";
  std::string udmabuf = "/dev/udmabuf";
  std::string udmabuf_class = "/sys/class/misc/udmabuf";
};

// Sorted by name, UDMABUF last. `gate` outlives the heaps.
std::vector<FoundHeap> DiscoverDeviceHeaps(ReservationGate& gate, const DevicePlaces& places = {},
                                           const UdmabufHeapOptions& udmabuf = {});

}  // namespace sysmem::heaps
