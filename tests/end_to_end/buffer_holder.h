// SPDX-License-Identifier: Apache-2.0
//
// A participant, in a process of its own, that keeps nothing of its buffer but what one way of
// holding keeps, and lets go when told.
//
//   BufferHolder holder(daemon, kOtherClientUid, Access::kReadOnly, HoldAsMapping);
//   holder.Join(owner.Share(Strength::kStrong));
//   SharedBuffer buffer = owner.Complete();
//   ASSERT_TRUE(holder.Holds());
//   ...
//   holder.LetGo();
//   EXPECT_TRUE(HangsUp(buffer.lifetime));
//   holder.End();
#pragma once

#include <sys/types.h>

#include <functional>

#include "base/unique_fd.h"
#include "tests/support/client_process.h"
#include "tests/support/daemon_process.h"
#include "tests/support/holding.h"

namespace sysmem::testing {

enum class Access { kReadOnly, kWritable };

class BufferHolder {
 public:
  // `hold` runs in that process, and so does what it returns. What it expects is expected there.
  BufferHolder(DaemonProcess& daemon, uid_t uid, Access access,
               std::function<sysmem::testing::LetGo(base::UniqueFd hand_out)> hold);

  // Does not wait.
  void Join(base::UniqueFd token) { process_.control().Send("token", std::move(token)); }
  // Waits until it holds. False: the kernel refuses this way, and its process ends.
  bool Holds() { return process_.control().Receive().text == "holding"; }
  // Does not wait. The process stays: its death is not what ends the hold.
  void LetGo() { process_.control().Send("let go"); }
  // Ends the process if it runs, and expects that all went well in it. REQUIRES: told to let go.
  void End();

  Process& process() { return process_.process(); }

 private:
  ClientProcess process_;
};

}  // namespace sysmem::testing
