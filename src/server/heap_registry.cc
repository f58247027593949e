// SPDX-License-Identifier: Apache-2.0
#include "server/heap_registry.h"

#include <algorithm>
#include <utility>

namespace sysmem::server {
namespace {

bool Is(const heaps::Heap& candidate, const core::Heap& heap) {
  return candidate.properties().heap == heap;
}

}  // namespace

HeapRegistry::HeapRegistry(core::Settings base, std::vector<std::shared_ptr<heaps::Heap>> own,
                           std::shared_ptr<heaps::Heap> contiguous_ram)
    : base_(std::move(base)),
      own_(std::move(own)),
      contiguous_ram_(std::move(contiguous_ram)),
      no_secure_memory_(base_.no_secure_memory) {
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
  for (const Entry& entry : provided_) settings->heaps.push_back(entry.heap->properties());
  for (const Entry& entry : secure_) {
    settings->heaps.push_back(entry.heap->properties());
    settings->secure_heaps.push_back(entry.heap->properties().heap);
  }
  settings->no_secure_memory = no_secure_memory_;
  settings_ = std::move(settings);
}

std::shared_ptr<heaps::Heap> HeapRegistry::Find(const core::Heap& heap) const {
  for (const auto& candidate : own_) {
    if (Is(*candidate, heap)) return candidate;
  }
  const std::lock_guard lock(mutex_);
  for (const Entry& entry : provided_) {
    if (Is(*entry.heap, heap)) return entry.heap;
  }
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
  if (std::any_of(own_.begin(), own_.end(), [&](const auto& own) { return Is(*own, heap); })) {
    return true;
  }
  const std::lock_guard lock(mutex_);
  return std::any_of(secure_.begin(), secure_.end(),
                     [&](const Entry& entry) { return Is(*entry.heap, heap); });
}

std::vector<HeapRegistry::Entry> HeapRegistry::Entries() const {
  std::vector<Entry> entries;
  for (const auto& heap : own_) entries.push_back({heap, heap->backing()});
  if (contiguous_ram_) entries.push_back({contiguous_ram_, contiguous_ram_->backing()});
  const std::lock_guard lock(mutex_);
  entries.insert(entries.end(), provided_.begin(), provided_.end());
  entries.insert(entries.end(), secure_.begin(), secure_.end());
  return entries;
}

size_t HeapRegistry::provided() const {
  const std::lock_guard lock(mutex_);
  return provided_.size();
}

std::shared_ptr<const core::Settings> HeapRegistry::settings() const {
  const std::lock_guard lock(mutex_);
  return settings_;
}

void HeapRegistry::Add(Entry entry) {
  const core::Heap name = entry.heap->properties().heap;
  std::shared_ptr<heaps::Heap> former;  // may end without the lock
  std::unique_lock lock(mutex_);
  const auto found = std::find_if(provided_.begin(), provided_.end(),
                                  [&](const Entry& one) { return Is(*one.heap, name); });
  if (found == provided_.end()) {
    provided_.push_back(std::move(entry));
  } else {
    former = std::exchange(*found, std::move(entry)).heap;
  }
  Announce(std::move(lock), name, former != nullptr);
}

void HeapRegistry::Remove(const std::shared_ptr<heaps::Heap>& heap) {
  std::unique_lock lock(mutex_);
  const auto found = std::find_if(provided_.begin(), provided_.end(),
                                  [&](const Entry& one) { return one.heap == heap; });
  if (found == provided_.end()) return;
  provided_.erase(found);
  Announce(std::move(lock), heap->properties().heap, true);
}

void HeapRegistry::SetSecure(std::vector<Entry> heaps, std::optional<core::NoSecureMemory> none) {
  std::unique_lock lock(mutex_);
  secure_.swap(heaps);
  no_secure_memory_ = none;
  Announce(std::move(lock), {}, false);
}

// Whoever finds another thread at it leaves the change to that one.
void HeapRegistry::Announce(std::unique_lock<std::mutex> lock, core::Heap lost, bool any_lost) {
  Rebuild();
  if (any_lost) lost_.push_back(std::move(lost));
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
