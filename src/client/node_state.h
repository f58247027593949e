// SPDX-License-Identifier: Apache-2.0
//
// What the library knows of one node, shared between the program's object and the connection.
//
//   made --(refused)--> never was
//        --(NODE_CLOSED)--> closed
//        --(destroy, close, bind, export)--> left: the program has no object any more
//
// Guarded by the connection's lock.
#pragma once

#include <sysmem/node.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "base/event_fd.h"
#include "client/failure.h"

namespace sysmem::client {

// A listener as the program gave it; its data is freed when no callback can use it any more.
struct Listener {
  ~Listener() {
    if (functions.free_data != nullptr) functions.free_data(data);
  }
  sysmem_node_listener functions{};
  void* data = nullptr;
};

struct NodeState {
  explicit NodeState(uint64_t node_handle) : handle(node_handle) {}

  const uint64_t handle;
  bool never_was = false;  // the call that should have made it was refused
  bool released = false;   // Release was sent
  bool left = false;
  // Why the node is gone; set once.
  std::optional<Failure> closed;
  bool closed_by_daemon = false;  // by NODE_CLOSED: the daemon still answers calls on the handle
  bool closed_reported = false;
  // The first call on this node that broke a rule: it may be why the node closes.
  std::optional<Failure> refusal;
  std::optional<Failure> unreported_refusal;
  std::shared_ptr<Listener> listener;
  std::optional<base::EventFd> closed_event;
};

}  // namespace sysmem::client
