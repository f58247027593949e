// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "client/buffers.h"
#include "client/constraints.h"
#include "client/nodes.h"
#include "client/text.h"

using sysmem::base::BorrowedFd;
using sysmem::base::UniqueFd;
using sysmem::client::CallMaking;
using sysmem::client::CallOn;
using sysmem::client::CheckConstraints;
using sysmem::client::CheckOpen;
using sysmem::client::ExportNode;
using sysmem::client::FillImport;
using sysmem::client::InvalidArgument;
using sysmem::client::LeaveAndDelete;
using sysmem::client::MakeBuffers;
using sysmem::client::QueueMaking;
using sysmem::client::QueueOn;
using sysmem::client::Report;
using sysmem2::Operation;

namespace {

void FillConstraints(Operation& operation, uint64_t handle, const sysmem_constraints* constraints) {
  auto* request = operation.mutable_set_constraints();
  request->set_handle(handle);
  if (constraints != nullptr) *request->mutable_constraints() = constraints->message;
}

// What the fast way to take part has in common, once the bind is queued: `*collection` is set.
sysmem_status FinishJoin(const sysmem_constraints* constraints, int64_t deadline_ns,
                         sysmem_collection** collection, sysmem_buffers** buffers,
                         sysmem_failure** failure) {
  sysmem_status status = sysmem_collection_set_constraints(*collection, constraints, failure);
  if (status == SYSMEM_OK) {
    status = sysmem_collection_wait(*collection, deadline_ns, buffers, failure);
  }
  if (status != SYSMEM_OK && status != SYSMEM_TIMEOUT) {
    sysmem_collection_destroy(std::exchange(*collection, nullptr));
  }
  return status;
}

}  // namespace

sysmem_node* sysmem_collection_node(sysmem_collection* collection) { return collection; }

sysmem_status sysmem_collection_create_non_shared(sysmem_client* client,
                                                  sysmem_collection** collection,
                                                  sysmem_failure** failure) {
  return QueueMaking(
      client->connection, UniqueFd(), collection, failure,
      [](Operation& operation, uint64_t, uint64_t made, uint64_t) {
        operation.mutable_allocate_non_shared_collection()->set_collection_handle(made);
      });
}

sysmem_status sysmem_collection_bind_fd(sysmem_client* client, int owned_fd,
                                        sysmem_collection** collection, sysmem_failure** failure) {
  if (auto bad = CheckOpen(owned_fd)) return Report(*std::move(bad), failure);
  return QueueMaking(client->connection, UniqueFd(owned_fd), collection, failure,
                     [](Operation& operation, uint64_t, uint64_t made, uint64_t descriptor) {
                       auto* request = operation.mutable_bind_shared_collection();
                       request->set_token_descriptor(descriptor);
                       request->set_collection_handle(made);
                     });
}

sysmem_status sysmem_collection_import(sysmem_client* client, int owned_fd,
                                       sysmem_collection** collection, sysmem_failure** failure) {
  if (auto bad = CheckOpen(owned_fd)) return Report(*std::move(bad), failure);
  return QueueMaking(client->connection, UniqueFd(owned_fd), collection, failure,
                     [](Operation& operation, uint64_t, uint64_t made, uint64_t descriptor) {
                       FillImport(operation, made, descriptor, sysmem2::NODE_KIND_COLLECTION);
                     });
}

sysmem_status sysmem_collection_set_constraints(sysmem_collection* collection,
                                                const sysmem_constraints* constraints,
                                                sysmem_failure** failure) {
  if (auto bad = CheckConstraints(constraints)) return Report(*std::move(bad), failure);
  return QueueOn(collection, failure, [constraints](Operation& operation, uint64_t handle) {
    FillConstraints(operation, handle, constraints);
  });
}

sysmem_status sysmem_collection_set_constraints_matching(sysmem_collection* collection,
                                                         const sysmem_constraints* constraints,
                                                         int must_match_fd,
                                                         sysmem_failure** failure) {
  if (auto bad = CheckConstraints(constraints)) return Report(*std::move(bad), failure);
  UniqueFd copy = sysmem::base::Dup(BorrowedFd(must_match_fd));
  if (!copy) return Report(InvalidArgument("must_match_fd", "the descriptor is not open"), failure);
  return QueueOn(collection, std::move(copy), failure,
                 [constraints](Operation& operation, uint64_t handle, uint64_t descriptor) {
                   FillConstraints(operation, handle, constraints);
                   operation.mutable_set_constraints()->set_must_match_vmo(descriptor);
                 });
}

sysmem_status sysmem_collection_wait(sysmem_collection* collection, int64_t deadline_ns,
                                     sysmem_buffers** buffers, sysmem_failure** failure) {
  auto result =
      CallOn(collection, {.deadline_ns = deadline_ns, .waits = true, .asks_outcome = true},
             [](Operation& operation, uint64_t handle) {
               operation.mutable_wait_for_all_buffers_allocated()->set_handle(handle);
             });
  if (!result.ok()) return Report(std::move(result.failure()), failure);
  auto made = MakeBuffers(*collection->connection,
                          result->wait_for_all_buffers_allocated().buffer_collection_info());
  if (!made.ok()) return Report(std::move(made.failure()), failure);
  *buffers = made->release();
  return SYSMEM_OK;
}

sysmem_status sysmem_collection_check(sysmem_collection* collection, int64_t deadline_ns,
                                      sysmem_failure** failure) {
  auto result = CallOn(collection, {.deadline_ns = deadline_ns, .asks_outcome = true},
                       [](Operation& operation, uint64_t handle) {
                         operation.mutable_check_all_buffers_allocated()->set_handle(handle);
                       });
  return result.ok() ? SYSMEM_OK : Report(std::move(result.failure()), failure);
}

sysmem_status sysmem_token_join(sysmem_token* token, const sysmem_constraints* constraints,
                                int64_t deadline_ns, sysmem_collection** collection,
                                sysmem_buffers** buffers, sysmem_failure** failure) {
  if (auto bad = CheckConstraints(constraints)) return Report(*std::move(bad), failure);
  const sysmem_status status = sysmem_token_bind(token, collection, failure);
  if (status != SYSMEM_OK) {
    if (status != SYSMEM_INVALID_ARGUMENT) sysmem_token_destroy(token);
    return status;
  }
  return FinishJoin(constraints, deadline_ns, collection, buffers, failure);
}

sysmem_status sysmem_join(sysmem_client* client, int owned_fd,
                          const sysmem_constraints* constraints, int64_t deadline_ns,
                          sysmem_collection** collection, sysmem_buffers** buffers,
                          sysmem_failure** failure) {
  if (auto bad = CheckOpen(owned_fd)) return Report(*std::move(bad), failure);
  UniqueFd token(owned_fd);
  if (auto bad = CheckConstraints(constraints)) return Report(*std::move(bad), failure);
  const sysmem_status status =
      sysmem_collection_bind_fd(client, token.release(), collection, failure);
  if (status != SYSMEM_OK) return status;
  return FinishJoin(constraints, deadline_ns, collection, buffers, failure);
}

sysmem_status sysmem_collection_attach_token(sysmem_collection* collection, uint32_t rights_mask,
                                             sysmem_token** token, sysmem_failure** failure) {
  return QueueMaking(collection, token, failure,
                     [rights_mask](Operation& operation, uint64_t parent, uint64_t made, uint64_t) {
                       auto* request = operation.mutable_attach_token();
                       request->set_handle(parent);
                       request->set_rights_attenuation_mask(rights_mask);
                       request->set_token_handle(made);
                     });
}

sysmem_status sysmem_collection_attach_token_exported(sysmem_collection* collection,
                                                      uint32_t rights_mask, int64_t deadline_ns,
                                                      int* token_fd, sysmem_failure** failure) {
  return CallMaking(collection, deadline_ns, token_fd, failure,
                    [rights_mask](Operation& operation, uint64_t parent) {
                      auto* request = operation.mutable_attach_token();
                      request->set_handle(parent);
                      request->set_rights_attenuation_mask(rights_mask);
                      request->set_exported(true);
                    });
}

sysmem_status sysmem_collection_attach_lifetime_tracking(sysmem_collection* collection,
                                                         int owned_fd, uint32_t buffers_remaining,
                                                         sysmem_failure** failure) {
  if (auto bad = CheckOpen(owned_fd)) return Report(*std::move(bad), failure);
  return QueueOn(collection, UniqueFd(owned_fd), failure,
                 [=](Operation& operation, uint64_t handle, uint64_t descriptor) {
                   auto* request = operation.mutable_attach_lifetime_tracking();
                   request->set_handle(handle);
                   request->set_server_end(descriptor);
                   request->set_buffers_remaining(buffers_remaining);
                 });
}

sysmem_status sysmem_collection_export(sysmem_collection* collection, int64_t deadline_ns, int* fd,
                                       sysmem_failure** failure) {
  const sysmem_status status = ExportNode(collection, deadline_ns, fd, failure);
  if (status == SYSMEM_OK) delete collection;
  return status;
}

void sysmem_collection_destroy(sysmem_collection* collection) { LeaveAndDelete(collection, true); }
void sysmem_collection_close(sysmem_collection* collection) { LeaveAndDelete(collection, false); }
