// SPDX-License-Identifier: Apache-2.0
//
// Heaps that the program serves: what the library keeps of one, and of a call that is to be
// answered.
//
//   TakeProviderCall --(reply)--> a place among dispatch's callbacks --> the program's callback
//        ^                                                                      |
//        +--- sent when the callback has returned, with the answer if it is there already
//
// A registration shares the numbers of nodes, and so it shares what the connection knows of nodes:
// its end and its refusals come to the program by a node's listener.
#pragma once

#include <sysmem/heap.h>

#include <memory>
#include <string>

#include "base/unique_fd.h"
#include "client/connection.h"
#include "client/node_state.h"
#include "client/settings.h"
#include "sysmem2/heap.pb.h"

namespace sysmem::client {

// The program's callbacks; its data is freed when no copy of this is left.
struct HeapListener {
  ~HeapListener() {
    if (functions.free_data != nullptr) functions.free_data(data);
  }
  sysmem_heap_listener functions{};
  void* data = nullptr;
};

struct ServedHeap {
  ServedHeap(std::shared_ptr<NodeState> state, std::shared_ptr<HeapListener> callbacks)
      : registration(std::move(state)), listener(std::move(callbacks)) {}

  const std::shared_ptr<NodeState> registration;
  // Guarded by the connection's lock. Null once the program has destroyed the heap.
  std::shared_ptr<HeapListener> listener;
};

// A call that the program has to answer.
struct HeapCall {
  HeapCall(std::shared_ptr<Connection> session, std::shared_ptr<NodeState> state, uint64_t call_id)
      : connection(std::move(session)), registration(std::move(state)), id(call_id) {}

  const std::shared_ptr<Connection> connection;
  const std::shared_ptr<NodeState> registration;
  const uint64_t id;
  // In its callback: what is sent when that has returned takes the answer along. Shared with
  // dispatch, which outlives the call. Guarded by the connection's lock.
  std::shared_ptr<bool> in_callback = std::make_shared<bool>(false);
  base::UniqueFd fd;  // offered, or the last of a buffer
};

// Answers that the call did not work.
sysmem_status RefuseCall(const HeapCall& call, const std::string& why, sysmem_failure** failure);

// Has the daemon's next call fetched for the program.
Outcome<Done> FetchCall(const std::shared_ptr<Connection>& connection,
                        const std::shared_ptr<ServedHeap>& heap);

}  // namespace sysmem::client

struct sysmem_heap {
  std::shared_ptr<sysmem::client::Connection> connection;
  std::shared_ptr<sysmem::client::ServedHeap> served;
};

struct sysmem_heap_allocation : sysmem::client::HeapCall {
  using HeapCall::HeapCall;
  std::unique_ptr<sysmem::client::Settings> settings;
  sysmem_heap_allocation_info info{};
};

struct sysmem_heap_deletion : sysmem::client::HeapCall {
  using HeapCall::HeapCall;
  sysmem_heap_deletion_info info{};
};
