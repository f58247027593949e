// SPDX-License-Identifier: Apache-2.0
//
// Somebody who shares buffers with a holder and then leaves, so that the holder is the last one;
// and what tells of the ends. In a process of its own: the test itself must not use the library.
//
//   BufferOwner owner(daemon);
//   base::UniqueFd token = owner.Share(Strength::kStrong);
//   ... a holder joins with the token ...
//   SharedBuffer buffer = owner.Complete();
//   owner.Leave();                          // now only the holder keeps the buffer strong
//   EXPECT_FALSE(HasHungUp(buffer.close_weak_asap));
//   ... the holder lets go ...
//   EXPECT_TRUE(HangsUp(buffer.close_weak_asap));
#pragma once

#include <cstdint>
#include <string>

#include "base/unique_fd.h"
#include "tests/support/client_process.h"
#include "tests/support/daemon_process.h"

namespace sysmem::testing {

enum class Strength { kStrong, kWeak };

// What the test has of a buffer.
struct SharedBuffer {
  std::string collection_id;
  base::UniqueFd lifetime;  // a tracking end's peer: hangs up when the buffer is gone (END-5)
  base::UniqueFd close_weak_asap;  // hangs up when nothing strong is left of it (END-1)
  base::UniqueFd weak;             // a hand-out, weak and read-only
};

class BufferOwner {
 public:
  explicit BufferOwner(DaemonProcess& daemon);
  ~BufferOwner();

  // A new collection of one buffer of a page; the token for its other participant.
  base::UniqueFd Share(Strength strength);
  // Waits until that one has joined.
  SharedBuffer Complete();
  // Somebody who comes late is handed the buffer as well, reads it, and goes.
  void LetSomebodyJoinLate();
  // Gives up its own hand-out and closes the root, uncleanly: the daemon lets go as well. Returns
  // when the daemon has carried that out.
  void Leave();
  // Returns when the daemon has carried out a call that came after all that was closed before: what
  // it has not noticed now, it takes to be alive.
  void Settle();

 private:
  ClientProcess process_;
};

// Whether every copy of the other end is closed; waits for it (kPatience), or looks.
bool HangsUp(const base::UniqueFd& fd);
bool HasHungUp(const base::UniqueFd& fd);

}  // namespace sysmem::testing
