// SPDX-License-Identifier: Apache-2.0
#include "server/known_buffers.h"

#include <algorithm>

namespace sysmem::server {

void KnownBuffers::Add(const std::vector<heaps::BufferIdentity>& buffers,
                       const Settings& settings) {
  std::lock_guard lock(mutex_);
  for (const heaps::BufferIdentity& buffer : buffers) known_.insert_or_assign(buffer, settings);
}

// Without a time of birth the next file with this inode number would be taken for the buffer.
void KnownBuffers::LetGo(const std::vector<heaps::BufferIdentity>& buffers, uid_t owner,
                         bool handed_out) {
  std::lock_guard lock(mutex_);
  for (const heaps::BufferIdentity& buffer : buffers) {
    if (!handed_out || buffer.born_ns == 0) {
      known_.erase(buffer);
      continue;
    }
    former_[owner].push_back(buffer);
    ++former_count_;
    if (former_count_ > max_former_) ForgetOldest();
  }
}

void KnownBuffers::ForgetOldest() {
  const auto most = std::max_element(
      former_.begin(), former_.end(),
      [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  known_.erase(most->second.front());
  most->second.pop_front();
  --former_count_;
  if (most->second.empty()) former_.erase(most);
}

KnownBuffers::Settings KnownBuffers::Find(const heaps::BufferIdentity& buffer) const {
  std::lock_guard lock(mutex_);
  const auto found = known_.find(buffer);
  return found == known_.end() ? nullptr : found->second;
}

size_t KnownBuffers::former() const {
  std::lock_guard lock(mutex_);
  return former_count_;
}

}  // namespace sysmem::server
