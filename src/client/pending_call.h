// SPDX-License-Identifier: Apache-2.0
//
// One call between its sending and its delivery.
//
// Life: started (in a completion queue) -> arrived (out of the queue, reply parsed) -> delivered
// (after everything the daemon said before it). Kept alive by `self` while gRPC holds it, and by
// whoever waits for it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/batch.h"
#include "client/call_channel.h"
#include "sysmem2/session.pb.h"

namespace sysmem::client {

// A place among the callbacks that Dispatch runs: taken when its turn in the daemon's order has
// come, filled a moment later. Guarded by the connection's lock.
struct CallbackPlace {
  std::function<void()> run;  // empty once filled: nobody is to be called any more
  bool filled = false;
};

struct PendingCall : RawCall {
  enum class Form {
    kRun,    // a batch
    kNamed,  // a method that no batch can carry; the reply stays bytes
  };

  Form form = Form::kRun;
  uint64_t number = 0;
  std::vector<OperationRecord> records;  // kRun: what it carries
  bool unattended = false;               // in the connection's lazy queue
  bool brings_descriptors = false;       // likely, and soon, and somebody waits for them
  std::shared_ptr<PendingCall> self;     // while it is in a completion queue

  // Written by the thread that takes it out of its queue.
  std::string reply;      // kNamed
  sysmem2::RunReply run;  // kRun

  // Guarded by the connection's lock:
  bool out_of_queue = false;
  bool delivered = false;
  bool lost = false;                     // the session ended before a reply came
  std::function<void()> on_delivered;    // runs once, under no lock
  std::shared_ptr<CallbackPlace> place;  // taken at delivery, if on_delivered will fill it
};

}  // namespace sysmem::client
