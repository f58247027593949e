// SPDX-License-Identifier: Apache-2.0
//
// The objects behind sysmem_token, sysmem_collection and sysmem_group, and the four shapes that
// their functions come in:
//
//   QueueOn       a call without result on a node         sysmem_node_set_name
//   QueueMaking   a call without result that makes a node sysmem_token_duplicate
//   CallOn        a call with a result                    sysmem_node_sync
//   CallMaking    a call that makes a node and exports it sysmem_token_duplicate_exported
//
// All of them check their node first, and explain a failure by what is known of the node.
// Thread-safe.
#pragma once

#include <sysmem/node.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "client/connection.h"
#include "client/failure.h"
#include "client/node_state.h"

struct sysmem_client {
  std::shared_ptr<sysmem::client::Connection> connection;
  int64_t close_timeout_ns = 0;
};

struct sysmem_node {
  std::shared_ptr<sysmem::client::Connection> connection;
  std::shared_ptr<sysmem::client::NodeState> state;
};
struct sysmem_token : sysmem_node {};
struct sysmem_collection : sysmem_node {};
struct sysmem_group : sysmem_node {};

namespace sysmem::client {

// Writes an operation; the node's handle is given.
using FillOnNode = std::function<void(sysmem2::Operation& operation, uint64_t handle)>;
// The same with the number of the first descriptor.
using FillWithDescriptor =
    std::function<void(sysmem2::Operation& operation, uint64_t handle, uint64_t descriptor)>;
// Writes an operation that makes the node `made`. `parent` is 0 if it is made by the session.
using FillMaking = std::function<void(sysmem2::Operation& operation, uint64_t parent, uint64_t made,
                                      uint64_t descriptor)>;

// Before a descriptor is taken over: one that is not open could not be sent, and with it went the
// session.
std::optional<Failure> CheckOpen(int fd, std::string_view field = "owned_fd");

sysmem_status QueueOn(sysmem_node* node, sysmem_failure** failure, const FillOnNode& fill);
// `fd` is sent along and owned by the call.
sysmem_status QueueOn(sysmem_node* node, base::UniqueFd fd, sysmem_failure** failure,
                      const FillWithDescriptor& fill);

Outcome<sysmem2::OperationResult> CallOn(sysmem_node* node, Connection::CallOptions options,
                                         const FillOnNode& fill);
Outcome<sysmem2::OperationResult> CallOn(sysmem_node* node, base::UniqueFd fd,
                                         Connection::CallOptions options,
                                         const FillWithDescriptor& fill);

// Queues the call that makes `made`. `fd` and `parent` may be empty.
Outcome<Done> QueueMakingNode(Connection& connection, std::shared_ptr<NodeState> parent,
                              std::shared_ptr<NodeState> made, base::UniqueFd fd,
                              const FillMaking& fill);

// Makes the object of a new node and queues the call that makes it: by the session...
template <typename Handle>
sysmem_status QueueMaking(const std::shared_ptr<Connection>& connection, base::UniqueFd fd,
                          Handle** out, sysmem_failure** failure, const FillMaking& fill,
                          std::shared_ptr<NodeState> parent = nullptr) {
  auto made = connection->AddNode();
  auto queued = QueueMakingNode(*connection, std::move(parent), made, std::move(fd), fill);
  if (!queued.ok()) {
    connection->RemoveNode(*made);
    return Report(std::move(queued.failure()), failure);
  }
  *out = new Handle{{connection, std::move(made)}};
  return SYSMEM_OK;
}
// ... or below `parent`.
template <typename Handle>
sysmem_status QueueMaking(sysmem_node* parent, Handle** out, sysmem_failure** failure,
                          const FillMaking& fill) {
  if (parent == nullptr) return Report(InvalidArgument("node", "the node is NULL"), failure);
  if (auto gone = parent->connection->NodeGone(*parent->state)) {
    return Report(*std::move(gone), failure);
  }
  return QueueMaking(parent->connection, base::UniqueFd(), out, failure, fill, parent->state);
}

// A call on `parent` that makes a node which leaves as a descriptor at once.
sysmem_status CallMaking(sysmem_node* parent, int64_t deadline_ns, int* fd,
                         sysmem_failure** failure, const FillOnNode& fill);
// A call on `parent` that makes `count` tokens.
using FillMakingMany = std::function<void(sysmem2::Operation& operation, uint64_t parent,
                                          const std::vector<std::shared_ptr<NodeState>>& made)>;
sysmem_status CallMakingMany(sysmem_node* parent, size_t count, int64_t deadline_ns,
                             sysmem_token** children, sysmem_failure** failure,
                             const FillMakingMany& fill);

// Session.Export: on success the node has left the session.
sysmem_status ExportNode(sysmem_node* node, int64_t deadline_ns, int* fd, sysmem_failure** failure);
// Session.Import.
void FillImport(sysmem2::Operation& operation, uint64_t handle, uint64_t descriptor,
                sysmem2::NodeKind kind);

// The only descriptor that a result names.
Outcome<base::UniqueFd> ClaimOnly(Connection& connection, const sysmem2::OperationResult& result);

// Frees the object; the daemon is told. NULL is fine.
template <typename Handle>
void LeaveAndDelete(Handle* handle, bool clean) {
  if (handle == nullptr) return;
  handle->connection->Leave(*handle->state, clean);
  delete handle;
}

}  // namespace sysmem::client
