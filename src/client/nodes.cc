// SPDX-License-Identifier: Apache-2.0
#include "client/nodes.h"

#include <fcntl.h>

#include "client/result_descriptors.h"

namespace sysmem::client {
namespace {

constexpr size_t kMaxNodesPerCall = 64;  // MESSAGE_LIMIT_DUPLICATES, MESSAGE_LIMIT_CREATE_CHILDREN

std::optional<Failure> CheckNode(const sysmem_node* node, bool asks_outcome = false) {
  if (node == nullptr) return InvalidArgument("node", "the node is NULL");
  const Connection& connection = *node->connection;
  return asks_outcome ? connection.OutcomeGone(*node->state) : connection.NodeGone(*node->state);
}

std::vector<base::UniqueFd> AsList(base::UniqueFd fd) {
  std::vector<base::UniqueFd> list;
  if (fd) list.push_back(std::move(fd));
  return list;
}

void QueueQuietly(Connection& connection, uint64_t handle, base::UniqueFd fd,
                  const FillWithDescriptor& fill) {
  static_cast<void>(
      connection.Queue({.record = {.handle = handle, .quiet = true},
                        .fill = [&](sysmem2::Operation& operation,
                                    uint64_t descriptor) { fill(operation, handle, descriptor); },
                        .descriptors = AsList(std::move(fd))}));
}

// A node that nobody waits for any more leaves cleanly.
void GiveBack(Connection& connection, uint64_t handle) {
  QueueQuietly(connection, handle, {}, [](sysmem2::Operation& operation, uint64_t node, uint64_t) {
    operation.mutable_release()->set_handle(node);
  });
  QueueQuietly(connection, handle, {}, [](sysmem2::Operation& operation, uint64_t node, uint64_t) {
    operation.mutable_close_handle()->set_handle(node);
  });
  connection.Flush();
}

void ImportQuietly(Connection& connection, uint64_t handle, base::UniqueFd fd) {
  QueueQuietly(connection, handle, std::move(fd),
               [](sysmem2::Operation& operation, uint64_t node, uint64_t descriptor) {
                 FillImport(operation, node, descriptor, sysmem2::NODE_KIND_UNSPECIFIED);
               });
}

}  // namespace

std::optional<Failure> CheckOpen(int fd, std::string_view field) {
  if (::fcntl(fd, F_GETFD) != -1) return std::nullopt;
  return InvalidArgument(field, "the descriptor is not open");
}

sysmem_status QueueOn(sysmem_node* node, sysmem_failure** failure, const FillOnNode& fill) {
  return QueueOn(
      node, base::UniqueFd(), failure,
      [&](sysmem2::Operation& operation, uint64_t handle, uint64_t) { fill(operation, handle); });
}

sysmem_status QueueOn(sysmem_node* node, base::UniqueFd fd, sysmem_failure** failure,
                      const FillWithDescriptor& fill) {
  if (auto gone = CheckNode(node)) return Report(*std::move(gone), failure);
  const uint64_t handle = node->state->handle;
  auto queued = node->connection->Queue(
      {.record = {.handle = handle},
       .fill = [&](sysmem2::Operation& operation,
                   uint64_t descriptor) { fill(operation, handle, descriptor); },
       .descriptors = AsList(std::move(fd))});
  return queued.ok() ? SYSMEM_OK : Report(std::move(queued.failure()), failure);
}

Outcome<sysmem2::OperationResult> CallOn(sysmem_node* node, Connection::CallOptions options,
                                         const FillOnNode& fill) {
  return CallOn(
      node, base::UniqueFd(), std::move(options),
      [&](sysmem2::Operation& operation, uint64_t handle, uint64_t) { fill(operation, handle); });
}

Outcome<sysmem2::OperationResult> CallOn(sysmem_node* node, base::UniqueFd fd,
                                         Connection::CallOptions options,
                                         const FillWithDescriptor& fill) {
  if (auto gone = CheckNode(node, options.asks_outcome)) return *std::move(gone);
  const uint64_t handle = node->state->handle;
  auto result = node->connection->Call(
      {.record = {.handle = handle},
       .fill = [&](sysmem2::Operation& operation,
                   uint64_t descriptor) { fill(operation, handle, descriptor); },
       .descriptors = AsList(std::move(fd))},
      std::move(options));
  if (result.ok()) return result;
  return node->connection->Explain(*node->state, std::move(result.failure()));
}

Outcome<Done> QueueMakingNode(Connection& connection, std::shared_ptr<NodeState> parent,
                              std::shared_ptr<NodeState> made, base::UniqueFd fd,
                              const FillMaking& fill) {
  const uint64_t above = parent ? parent->handle : 0;
  const uint64_t handle = made->handle;
  return connection.Queue(
      {.record = {.handle = above, .made = std::move(made), .parent = std::move(parent)},
       .fill = [&](sysmem2::Operation& operation,
                   uint64_t descriptor) { fill(operation, above, handle, descriptor); },
       .descriptors = AsList(std::move(fd))});
}

Outcome<base::UniqueFd> ClaimOnly(Connection& connection, const sysmem2::OperationResult& result) {
  const std::vector<uint64_t> numbers = DescriptorsNamed(result);
  base::UniqueFd fd = numbers.empty() ? base::UniqueFd() : connection.Claim(numbers.front());
  if (fd) return fd;
  return Failure{.status = SYSMEM_SYSTEM,
                 .message = "the daemon named a descriptor that did not come"};
}

sysmem_status CallMaking(sysmem_node* parent, int64_t deadline_ns, int* fd,
                         sysmem_failure** failure, const FillOnNode& fill) {
  if (auto gone = CheckNode(parent)) return Report(*std::move(gone), failure);
  Connection& connection = *parent->connection;
  const auto late = [&connection](const sysmem2::OperationResult& result) {
    auto made = ClaimOnly(connection, result);
    if (!made.ok()) return;
    const uint64_t handle = connection.NewHandle();
    ImportQuietly(connection, handle, std::move(*made));
    GiveBack(connection, handle);
  };
  auto result = CallOn(parent, {.deadline_ns = deadline_ns, .late = late}, fill);
  if (!result.ok()) return Report(std::move(result.failure()), failure);
  auto made = ClaimOnly(connection, *result);
  if (!made.ok()) return Report(std::move(made.failure()), failure);
  *fd = made->release();
  return SYSMEM_OK;
}

sysmem_status CallMakingMany(sysmem_node* parent, size_t count, int64_t deadline_ns,
                             sysmem_token** children, sysmem_failure** failure,
                             const FillMakingMany& fill) {
  if (auto gone = CheckNode(parent)) return Report(*std::move(gone), failure);
  if (count > kMaxNodesPerCall) {
    return Report(InvalidArgument("rights_masks", "at most 64 tokens can be made in one call"),
                  failure);
  }
  Connection& connection = *parent->connection;
  std::vector<std::shared_ptr<NodeState>> made(count);
  for (auto& node : made) node = connection.AddNode();
  const auto late = [&connection, made](const sysmem2::OperationResult&) {
    for (const auto& node : made) GiveBack(connection, node->handle);
  };
  auto result = CallOn(
      parent, {.deadline_ns = deadline_ns, .late = late},
      [&](sysmem2::Operation& operation, uint64_t handle) { fill(operation, handle, made); });
  if (!result.ok()) {
    for (const auto& node : made) connection.RemoveNode(*node);
    return Report(std::move(result.failure()), failure);
  }
  for (size_t i = 0; i < count; ++i) {
    children[i] = new sysmem_token{{parent->connection, std::move(made[i])}};
  }
  return SYSMEM_OK;
}

sysmem_status ExportNode(sysmem_node* node, int64_t deadline_ns, int* fd,
                         sysmem_failure** failure) {
  if (auto gone = CheckNode(node)) return Report(*std::move(gone), failure);
  Connection& connection = *node->connection;
  // The program still has its object when this comes: the node moves back behind it.
  const auto late = [&connection, state = node->state](const sysmem2::OperationResult& result) {
    auto exported = ClaimOnly(connection, result);
    if (!exported.ok()) return;
    const bool left = connection.Locked([&] { return state->left; });
    const uint64_t handle = left ? connection.NewHandle() : state->handle;
    ImportQuietly(connection, handle, std::move(*exported));
    left ? GiveBack(connection, handle) : connection.Flush();
  };
  auto result = CallOn(node, {.deadline_ns = deadline_ns, .late = late},
                       [](sysmem2::Operation& operation, uint64_t handle) {
                         operation.mutable_export_node()->set_handle(handle);
                       });
  if (!result.ok()) return Report(std::move(result.failure()), failure);
  auto exported = ClaimOnly(connection, *result);
  connection.RemoveNode(*node->state);
  if (!exported.ok()) return Report(std::move(exported.failure()), failure);
  *fd = exported->release();
  return SYSMEM_OK;
}

void FillImport(sysmem2::Operation& operation, uint64_t handle, uint64_t descriptor,
                sysmem2::NodeKind kind) {
  sysmem2::ImportRequest* request = operation.mutable_import_node();
  request->set_descriptor_number(descriptor);
  request->set_handle(handle);
  request->set_expected_kind(kind);
}

}  // namespace sysmem::client
