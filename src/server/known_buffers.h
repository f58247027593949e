// SPDX-License-Identifier: Apache-2.0
//
// Which buffer a descriptor belongs to that a client shows: how the buffers made here were made, by
// their identity (VMO-2, PART-3).
//
// A buffer is known while the daemon holds it, and afterwards too, since clients may go on using
// it: whoever can show a descriptor proves that it still is. Of buffers that nobody has any more no
// sign comes, so those that the daemon has let go of are remembered up to a limit; who let go of
// most loses his oldest ones first. Nothing is kept open for this.
//
// Thread-safe.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "core/plan.h"
#include "heaps/buffer_identity.h"

namespace sysmem::server {

class KnownBuffers {
 public:
  using Settings = std::shared_ptr<const core::SingleBufferSettings>;

  explicit KnownBuffers(size_t max_former) : max_former_(max_former) {}

  // Before the first of them is handed out.
  void Add(const std::vector<heaps::BufferIdentity>& buffers, const Settings& settings);

  // The daemon closes them next. `owner`: the user for whom they were made; `handed_out`: whether
  // anybody else can have them.
  void LetGo(const std::vector<heaps::BufferIdentity>& buffers, uid_t owner, bool handed_out);

  // How this buffer was made; nullptr if it is none that is known.
  Settings Find(const heaps::BufferIdentity& buffer) const;

  // Those remembered after they were let go of.
  size_t former() const;

 private:
  void ForgetOldest();  // REQUIRES: mutex_ is held, and there is a former one

  const size_t max_former_;
  mutable std::mutex mutex_;
  std::map<heaps::BufferIdentity, Settings> known_;
  std::map<uid_t, std::deque<heaps::BufferIdentity>> former_;  // oldest first; none is empty
  size_t former_count_ = 0;
};

}  // namespace sysmem::server
