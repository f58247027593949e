// SPDX-License-Identifier: Apache-2.0
#include "server/heap_registry.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sysmem::server {
namespace {

bool Is(const heaps::Heap& candidate, const core::Heap& heap) {
  return candidate.properties().heap == heap;
}

// Types of heaps in `some` of which there are none in `others`.
std::vector<std::string> Missing(const std::vector<heaps::FoundHeap>& some,
                                 const std::vector<heaps::FoundHeap>& others) {
  std::vector<std::string> types;
  for (const heaps::FoundHeap& one : some) {
    const bool is_there = std::any_of(others.begin(), others.end(),
                                      [&](const auto& other) { return other.heap == one.heap; });
    if (!is_there) types.push_back(one.properties.heap.type);
  }
  return types;
}

}  // namespace

HeapRegistry::HeapRegistry(core::Settings base, std::vector<std::shared_ptr<heaps::Heap>> own,
                           std::shared_ptr<heaps::Heap> contiguous_ram,
                           std::vector<heaps::FoundHeap> devices)
    : base_(std::move(base)),
      own_(std::move(own)),
      contiguous_ram_(std::move(contiguous_ram)),
      no_secure_memory_(base_.no_secure_memory) {
  SetDevices(std::move(devices));
  Rebuild();
}

void HeapRegistry::Rebuild() {
  auto settings = std::make_shared<core::Settings>(base_);
  for (const auto& heap : own_) {
    core::HeapProperties& properties = settings->heaps.emplace_back(heap->properties());
    if (contiguous_ram_ && Is(*contiguous_ram_, properties.heap)) {
      properties.physically_contiguous = true;
    }
  }
  for (const heaps::FoundHeap& device : devices_) settings->heaps.push_back(device.properties);
  for (const Entry& entry : provided_) settings->heaps.push_back(entry.heap->properties());
  for (const Entry& entry : secure_) {
    settings->heaps.push_back(entry.heap->properties());
    settings->secure_heaps.push_back(entry.heap->properties().heap);
  }
  settings->no_secure_memory = no_secure_memory_;
  settings_ = std::move(settings);
}

const HeapRegistry::Entry* HeapRegistry::FindProvided(const core::Heap& heap) const {
  const auto found = std::find_if(provided_.begin(), provided_.end(),
                                  [&](const Entry& one) { return Is(*one.heap, heap); });
  return found == provided_.end() ? nullptr : &*found;
}

const heaps::FoundHeap* HeapRegistry::FindDevice(const core::Heap& heap) const {
  const auto found = std::find_if(devices_.begin(), devices_.end(),
                                  [&](const auto& one) { return one.properties.heap == heap; });
  return found == devices_.end() ? nullptr : &*found;
}

std::shared_ptr<heaps::Heap> HeapRegistry::Find(const core::Heap& heap) const {
  for (const auto& candidate : own_) {
    if (Is(*candidate, heap)) return candidate;
  }
  const std::lock_guard lock(mutex_);
  if (const heaps::FoundHeap* device = FindDevice(heap)) return device->heap;
  if (const Entry* provided = FindProvided(heap)) return provided->heap;
  for (const Entry& entry : secure_) {
    if (Is(*entry.heap, heap)) return entry.heap;
  }
  return nullptr;
}

std::shared_ptr<heaps::Heap> HeapRegistry::AllocatorFor(
    const core::BufferMemorySettings& buffer) const {
  const bool from_pool = buffer.is_physically_contiguous && contiguous_ram_ != nullptr &&
                         Is(*contiguous_ram_, buffer.heap);
  return from_pool ? contiguous_ram_ : Find(buffer.heap);
}

bool HeapRegistry::IsOwn(const core::Heap& heap) const {
  const std::lock_guard lock(mutex_);
  return IsOwnLocked(heap);
}

bool HeapRegistry::IsOwnLocked(const core::Heap& heap) const {
  return std::any_of(own_.begin(), own_.end(), [&](const auto& own) { return Is(*own, heap); }) ||
         FindDevice(heap) != nullptr || IsSecureLocked(heap);
}

bool HeapRegistry::IsSecureLocked(const core::Heap& heap) const {
  return std::any_of(secure_.begin(), secure_.end(),
                     [&](const Entry& entry) { return Is(*entry.heap, heap); });
}

std::vector<HeapRegistry::Entry> HeapRegistry::Entries() const {
  std::vector<Entry> entries;
  for (const auto& heap : own_) entries.push_back({heap, heap->backing()});
  if (contiguous_ram_) entries.push_back({contiguous_ram_, contiguous_ram_->backing()});
  const std::lock_guard lock(mutex_);
  for (const heaps::FoundHeap& device : devices_)
    entries.push_back({device.heap, device.node.path});
  entries.insert(entries.end(), provided_.begin(), provided_.end());
  entries.insert(entries.end(), secure_.begin(), secure_.end());
  return entries;
}

std::vector<heaps::FoundHeap> HeapRegistry::Unusable() const {
  const std::lock_guard lock(mutex_);
  return unusable_;
}

size_t HeapRegistry::provided() const {
  const std::lock_guard lock(mutex_);
  return provided_.size();
}

std::shared_ptr<const core::Settings> HeapRegistry::settings() const {
  const std::lock_guard lock(mutex_);
  return settings_;
}

bool HeapRegistry::Add(Entry entry) {
  const core::Heap name = entry.heap->properties().heap;
  std::shared_ptr<heaps::Heap> former;  // may end without the lock
  std::unique_lock lock(mutex_);
  if (IsOwnLocked(name)) return false;
  const auto found = std::find_if(provided_.begin(), provided_.end(),
                                  [&](const Entry& one) { return Is(*one.heap, name); });
  if (found == provided_.end()) {
    provided_.push_back(std::move(entry));
    Announce(std::move(lock), {});
  } else {
    former = std::exchange(*found, std::move(entry)).heap;
    Announce(std::move(lock), {name});
  }
  return true;
}

void HeapRegistry::Remove(const std::shared_ptr<heaps::Heap>& heap) {
  std::unique_lock lock(mutex_);
  const auto found = std::find_if(provided_.begin(), provided_.end(),
                                  [&](const Entry& one) { return one.heap == heap; });
  if (found == provided_.end()) return;
  provided_.erase(found);
  Announce(std::move(lock), {heap->properties().heap});
}

void HeapRegistry::KeepKnown(heaps::FoundHeap& found) const {
  if (const Entry* provided = FindProvided(found.properties.heap); found.heap && provided) {
    found.heap.reset();
    found.why_unusable = "another process serves a heap of this name: " + provided->backing;
  }
  const heaps::FoundHeap* const known = FindDevice(found.properties.heap);
  if (found.heap && known != nullptr && known->node == found.node) found.heap = known->heap;
}

HeapRegistry::DeviceChanges HeapRegistry::SetDevices(std::vector<heaps::FoundHeap> found) {
  std::vector<heaps::FoundHeap> former = found;  // all of these end without the lock
  std::unique_lock lock(mutex_);
  for (heaps::FoundHeap& one : found) KeepKnown(one);
  const auto unusable = std::stable_partition(
      found.begin(), found.end(), [](const heaps::FoundHeap& one) { return one.heap != nullptr; });
  unusable_.assign(std::make_move_iterator(unusable), std::make_move_iterator(found.end()));
  found.erase(unusable, found.end());
  DeviceChanges changes{.come = Missing(found, devices_), .gone = Missing(devices_, found)};
  former.insert(former.end(), devices_.begin(), devices_.end());
  devices_ = std::move(found);
  if (!changes.come.empty() || !changes.gone.empty()) Announce(std::move(lock), {});
  return changes;
}

std::optional<core::Heap> HeapRegistry::SetSecure(std::vector<Entry> heaps,
                                                  std::optional<core::NoSecureMemory> none) {
  std::unique_lock lock(mutex_);
  for (const Entry& entry : heaps) {
    const core::Heap name = entry.heap->properties().heap;
    if (IsSecureLocked(name)) continue;
    if (IsOwnLocked(name) || FindProvided(name) != nullptr) return name;
  }
  secure_.swap(heaps);
  no_secure_memory_ = none;
  Announce(std::move(lock), {});
  return std::nullopt;
}

// Whoever finds another thread at it leaves the change to that one.
void HeapRegistry::Announce(std::unique_lock<std::mutex> lock, std::vector<core::Heap> lost) {
  Rebuild();
  lost_.insert(lost_.end(), std::make_move_iterator(lost.begin()),
               std::make_move_iterator(lost.end()));
  changed_ = true;
  if (std::exchange(announcing_, true)) return;
  while (std::exchange(changed_, false)) {
    std::vector<core::Heap> gone = std::exchange(lost_, {});
    lock.unlock();
    if (on_change_) on_change_(std::move(gone));
    lock.lock();
  }
  announcing_ = false;
}

}  // namespace sysmem::server
