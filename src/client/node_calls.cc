// SPDX-License-Identifier: Apache-2.0
//
// What all nodes can do.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/unix_socket.h"
#include "client/nodes.h"
#include "client/text.h"

using sysmem::base::BorrowedFd;
using sysmem::base::UniqueFd;
using sysmem::client::CallOn;
using sysmem::client::CheckOpen;
using sysmem::client::CheckText;
using sysmem::client::ClaimOnly;
using sysmem::client::FromStatus;
using sysmem::client::InvalidArgument;
using sysmem::client::Listener;
using sysmem::client::QueueOn;
using sysmem::client::Report;
using sysmem2::Operation;

namespace {

constexpr size_t kMaxNameBytes = sysmem2::MESSAGE_LIMIT_NAME_BYTES;
constexpr size_t kMaxClientNameBytes = sysmem2::MESSAGE_LIMIT_CLIENT_NAME_BYTES;

}  // namespace

sysmem_status sysmem_node_sync(sysmem_node* node, int64_t deadline_ns, sysmem_failure** failure) {
  auto result = CallOn(
      node, {.deadline_ns = deadline_ns},
      [](Operation& operation, uint64_t handle) { operation.mutable_sync()->set_handle(handle); });
  return result.ok() ? SYSMEM_OK : Report(std::move(result.failure()), failure);
}

sysmem_status sysmem_node_release(sysmem_node* node, sysmem_failure** failure) {
  const sysmem_status status = QueueOn(node, failure, [](Operation& operation, uint64_t handle) {
    operation.mutable_release()->set_handle(handle);
  });
  if (status == SYSMEM_OK) node->connection->Locked([node] { node->state->released = true; });
  return status;
}

sysmem_status sysmem_node_set_name(sysmem_node* node, uint32_t priority, const char* name,
                                   sysmem_failure** failure) {
  if (auto bad = CheckText(name, "name", kMaxNameBytes)) return Report(*std::move(bad), failure);
  return QueueOn(node, failure, [=](Operation& operation, uint64_t handle) {
    auto* request = operation.mutable_set_name();
    request->set_handle(handle);
    request->set_priority(priority);
    request->set_name(name);
  });
}

sysmem_status sysmem_node_set_debug_client_info(sysmem_node* node, const char* name, uint64_t id,
                                                sysmem_failure** failure) {
  if (auto bad = CheckText(name, "name", kMaxClientNameBytes)) {
    return Report(*std::move(bad), failure);
  }
  return QueueOn(node, failure, [=](Operation& operation, uint64_t handle) {
    auto* request = operation.mutable_set_debug_client_info();
    request->set_handle(handle);
    request->set_name(name);
    request->set_id(id);
  });
}

sysmem_status sysmem_node_set_debug_timeout_log_deadline(sysmem_node* node, int64_t deadline_ns,
                                                         sysmem_failure** failure) {
  return QueueOn(node, failure, [=](Operation& operation, uint64_t handle) {
    auto* request = operation.mutable_set_debug_timeout_log_deadline();
    request->set_handle(handle);
    request->set_deadline(deadline_ns);
  });
}

sysmem_status sysmem_node_set_verbose_logging(sysmem_node* node, sysmem_failure** failure) {
  return QueueOn(node, failure, [](Operation& operation, uint64_t handle) {
    operation.mutable_set_verbose_logging()->set_handle(handle);
  });
}

sysmem_status sysmem_node_get_buffer_collection_id(sysmem_node* node, int64_t deadline_ns,
                                                   uint64_t* id, sysmem_failure** failure) {
  auto result =
      CallOn(node, {.deadline_ns = deadline_ns}, [](Operation& operation, uint64_t handle) {
        operation.mutable_get_buffer_collection_id()->set_handle(handle);
      });
  if (!result.ok()) return Report(std::move(result.failure()), failure);
  *id = result->get_buffer_collection_id().buffer_collection_id();
  return SYSMEM_OK;
}

sysmem_status sysmem_node_get_node_ref(sysmem_node* node, int64_t deadline_ns, int* node_ref_fd,
                                       sysmem_failure** failure) {
  auto result =
      CallOn(node, {.deadline_ns = deadline_ns}, [](Operation& operation, uint64_t handle) {
        operation.mutable_get_node_ref()->set_handle(handle);
      });
  if (!result.ok()) return Report(std::move(result.failure()), failure);
  auto reference = ClaimOnly(*node->connection, *result);
  if (!reference.ok()) return Report(std::move(reference.failure()), failure);
  *node_ref_fd = reference->release();
  return SYSMEM_OK;
}

sysmem_status sysmem_node_is_alternate_for(sysmem_node* node, int node_ref_fd, int64_t deadline_ns,
                                           bool* is_alternate, sysmem_failure** failure) {
  UniqueFd copy = sysmem::base::Dup(BorrowedFd(node_ref_fd));
  if (!copy) return Report(InvalidArgument("node_ref_fd", "the descriptor is not open"), failure);
  auto result = CallOn(node, std::move(copy), {.deadline_ns = deadline_ns},
                       [](Operation& operation, uint64_t handle, uint64_t descriptor) {
                         auto* request = operation.mutable_is_alternate_for();
                         request->set_handle(handle);
                         request->set_node_ref(descriptor);
                       });
  if (!result.ok()) return Report(std::move(result.failure()), failure);
  *is_alternate = result->is_alternate_for().is_alternate();
  return SYSMEM_OK;
}

sysmem_status sysmem_node_set_weak(sysmem_node* node, sysmem_failure** failure) {
  return QueueOn(node, failure, [](Operation& operation, uint64_t handle) {
    operation.mutable_set_weak()->set_handle(handle);
  });
}

sysmem_status sysmem_node_set_weak_ok(sysmem_node* node, bool for_child_nodes_also,
                                      sysmem_failure** failure) {
  return QueueOn(node, failure, [=](Operation& operation, uint64_t handle) {
    auto* request = operation.mutable_set_weak_ok();
    request->set_handle(handle);
    request->set_for_child_nodes_also(for_child_nodes_also);
  });
}

sysmem_status sysmem_node_attach_tracking(sysmem_node* node, int owned_fd,
                                          sysmem_failure** failure) {
  if (auto bad = CheckOpen(owned_fd)) return Report(*std::move(bad), failure);
  return QueueOn(node, UniqueFd(owned_fd), failure,
                 [](Operation& operation, uint64_t handle, uint64_t descriptor) {
                   auto* request = operation.mutable_attach_node_tracking();
                   request->set_handle(handle);
                   request->set_server_end(descriptor);
                 });
}

void sysmem_node_set_listener(sysmem_node* node, const struct sysmem_node_listener* listener,
                              void* data) {
  std::shared_ptr<Listener> copy;
  if (listener != nullptr) {
    copy = std::make_shared<Listener>();
    // A program built with an older header has a shorter structure.
    std::memcpy(&copy->functions, listener,
                std::min(listener->struct_size, sizeof(copy->functions)));
    copy->data = data;
  }
  node->connection->SetListener(*node->state, std::move(copy));
}

sysmem_status sysmem_node_closed_fd(sysmem_node* node, int* fd, sysmem_failure** failure) {
  if (node->connection->IsForkedCopy()) return Report(*node->connection->Dead(), failure);
  auto event = node->connection->ClosedFd(*node->state);
  if (!event.ok()) return Report(std::move(event.failure()), failure);
  *fd = event->release();
  return SYSMEM_OK;
}

bool sysmem_node_is_closed(const sysmem_node* node) {
  return node->connection->NodeGone(*node->state).has_value();
}

sysmem_status sysmem_token_fd_id(int fd, uint64_t* id, sysmem_failure** failure) {
  const auto cookie = sysmem::base::SocketCookie(BorrowedFd(fd));
  if (!cookie.ok()) return Report(FromStatus(SYSMEM_INVALID_ARGUMENT, cookie.status()), failure);
  *id = *cookie;
  return SYSMEM_OK;
}

sysmem_status sysmem_validate_token(sysmem_client* client, uint64_t token_id, int64_t deadline_ns,
                                    bool* is_known, sysmem_failure** failure) {
  auto result = client->connection->Call(
      {.fill =
           [token_id](Operation& operation, uint64_t) {
             operation.mutable_validate_buffer_collection_token()->set_token_server_koid(token_id);
           }},
      {.deadline_ns = deadline_ns});
  if (!result.ok()) return Report(std::move(result.failure()), failure);
  *is_known = result->validate_buffer_collection_token().is_known();
  return SYSMEM_OK;
}

sysmem_status sysmem_validate_token_fd(sysmem_client* client, int fd, int64_t deadline_ns,
                                       bool* is_known, sysmem_failure** failure) {
  uint64_t id = 0;
  const sysmem_status status = sysmem_token_fd_id(fd, &id, failure);
  if (status != SYSMEM_OK) return status;
  return sysmem_validate_token(client, id, deadline_ns, is_known, failure);
}
