// SPDX-License-Identifier: Apache-2.0
//
// The heaps there are now: the daemon's own, which stay; those of the kernel's devices and of
// providers, which come and go.
//
// What comes of a provider ends with it (EXT-4). A dma-buf does not end with the node below /dev
// that it came from: collections keep their buffers, and nothing new is made.
//
// SYSTEM_RAM may be two heaps: contiguous memory comes from a pool, the rest from the heap of that
// name (HEAP-4). Collections know one, which can be contiguous if there is a pool.
//
// Collections learn of changes one after the other, in their order, and never from two threads at a
// time: the last thing a collection hears is how it is.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/plan.h"
#include "core/settings.h"
#include "heaps/discovery.h"
#include "heaps/heap.h"

namespace sysmem::server {

class HeapRegistry {
 public:
  struct Entry {
    std::shared_ptr<heaps::Heap> heap;
    std::string backing;  // for people: "provider pid 4711 (camera-pool), user 0"
  };
  // Called without locks, after each change or several. `lost`: whose former provider is gone.
  using OnChange = std::function<void(std::vector<core::Heap> lost)>;

  // `base`: everything but the heaps. `contiguous_ram`: may be null. `devices`: as for SetDevices.
  HeapRegistry(core::Settings base, std::vector<std::shared_ptr<heaps::Heap>> own,
               std::shared_ptr<heaps::Heap> contiguous_ram = nullptr,
               std::vector<heaps::FoundHeap> devices = {});

  // Before the first change; not thread-safe.
  void SetOnChange(OnChange on_change) { on_change_ = std::move(on_change); }

  std::shared_ptr<heaps::Heap> Find(const core::Heap& heap) const;
  // Who makes such buffers.
  std::shared_ptr<heaps::Heap> AllocatorFor(const core::BufferMemorySettings& buffer) const;
  // The daemon's, or of secure memory: no provider may serve it.
  bool IsOwn(const core::Heap& heap) const;
  std::vector<Entry> Entries() const;
  // Those of the kernel that cannot be used, with the reason.
  std::vector<heaps::FoundHeap> Unusable() const;
  size_t provided() const;

  // What the next attempts go by. A new object after each change.
  std::shared_ptr<const core::Settings> settings() const;

  // A provider is ready (EXT-2). It takes the place of another one of the same heap (EXT-3). False,
  // and nothing happens, if the heap is the daemon's own by now (IsOwn).
  [[nodiscard]] bool Add(Entry entry);
  // Nothing happens if another one has taken its place (EXT-4).
  void Remove(const std::shared_ptr<heaps::Heap>& heap);

  // The heaps of secure memory that a process drives, instead of those there were, and whether it
  // can be had (Settings::no_secure_memory). None is lost by that: buffers stay what they are.
  // The name of another heap that is in the way, and nothing happens, if there is one.
  [[nodiscard]] std::optional<core::Heap> SetSecure(std::vector<Entry> heaps,
                                                    std::optional<core::NoSecureMemory> none);

  // What the kernel has by now (heaps/discovery.h). Heaps of nodes that were known before stay the
  // objects they were. One whose name a provider serves already is not put to use.
  struct DeviceChanges {
    std::vector<std::string> come;  // heap types
    std::vector<std::string> gone;
  };
  DeviceChanges SetDevices(std::vector<heaps::FoundHeap> found);

 private:
  // These: REQUIRES mutex_ held.
  void Rebuild();
  void KeepKnown(heaps::FoundHeap& found) const;
  const Entry* FindProvided(const core::Heap& heap) const;
  const heaps::FoundHeap* FindDevice(const core::Heap& heap) const;
  bool IsOwnLocked(const core::Heap& heap) const;
  bool IsSecureLocked(const core::Heap& heap) const;
  void Announce(std::unique_lock<std::mutex> lock, std::vector<core::Heap> lost);

  const core::Settings base_;
  const std::vector<std::shared_ptr<heaps::Heap>> own_;
  const std::shared_ptr<heaps::Heap> contiguous_ram_;
  OnChange on_change_;

  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::vector<Entry> provided_;
  std::vector<Entry> secure_;
  std::optional<core::NoSecureMemory> no_secure_memory_;
  std::vector<heaps::FoundHeap> devices_;  // that can be used
  std::vector<heaps::FoundHeap> unusable_;
  std::shared_ptr<const core::Settings> settings_;
  std::vector<core::Heap> lost_;  // not announced yet
  bool changed_ = false;          // likewise
  bool announcing_ = false;
};

}  // namespace sysmem::server
