// SPDX-License-Identifier: Apache-2.0
#include "client/nodes.h"

using sysmem::base::UniqueFd;
using sysmem::client::CallMaking;
using sysmem::client::CallMakingMany;
using sysmem::client::CheckOpen;
using sysmem::client::ExportNode;
using sysmem::client::FillImport;
using sysmem::client::LeaveAndDelete;
using sysmem::client::NodeState;
using sysmem::client::QueueMaking;
using sysmem::client::QueueOn;
using sysmem::client::Report;
using sysmem2::Operation;

sysmem_node* sysmem_token_node(sysmem_token* token) { return token; }

sysmem_status sysmem_token_create(sysmem_client* client, sysmem_token** token,
                                  sysmem_failure** failure) {
  return QueueMaking(client->connection, UniqueFd(), token, failure,
                     [](Operation& operation, uint64_t, uint64_t made, uint64_t) {
                       operation.mutable_allocate_shared_collection()->set_token_handle(made);
                     });
}

sysmem_status sysmem_token_import(sysmem_client* client, int owned_fd, sysmem_token** token,
                                  sysmem_failure** failure) {
  if (auto bad = CheckOpen(owned_fd)) return Report(*std::move(bad), failure);
  return QueueMaking(client->connection, UniqueFd(owned_fd), token, failure,
                     [](Operation& operation, uint64_t, uint64_t made, uint64_t descriptor) {
                       FillImport(operation, made, descriptor, sysmem2::NODE_KIND_TOKEN);
                     });
}

sysmem_status sysmem_token_duplicate(sysmem_token* token, uint32_t rights_mask,
                                     sysmem_token** child, sysmem_failure** failure) {
  return QueueMaking(token, child, failure,
                     [rights_mask](Operation& operation, uint64_t parent, uint64_t made, uint64_t) {
                       auto* request = operation.mutable_duplicate();
                       request->set_handle(parent);
                       request->set_rights_attenuation_mask(rights_mask);
                       request->set_token_handle(made);
                     });
}

sysmem_status sysmem_token_duplicate_exported(sysmem_token* token, uint32_t rights_mask,
                                              int64_t deadline_ns, int* child_fd,
                                              sysmem_failure** failure) {
  return CallMaking(token, deadline_ns, child_fd, failure,
                    [rights_mask](Operation& operation, uint64_t parent) {
                      auto* request = operation.mutable_duplicate();
                      request->set_handle(parent);
                      request->set_rights_attenuation_mask(rights_mask);
                      request->set_exported(true);
                    });
}

sysmem_status sysmem_token_duplicate_sync(sysmem_token* token, const uint32_t* rights_masks,
                                          size_t count, int64_t deadline_ns,
                                          sysmem_token** children, sysmem_failure** failure) {
  return CallMakingMany(token, count, deadline_ns, children, failure,
                        [rights_masks](Operation& operation, uint64_t parent,
                                       const std::vector<std::shared_ptr<NodeState>>& made) {
                          auto* request = operation.mutable_duplicate_sync();
                          request->set_handle(parent);
                          auto* masks = request->mutable_rights_attenuation_masks();
                          for (size_t i = 0; i < made.size(); ++i) {
                            masks->add_masks(rights_masks[i]);
                            request->add_token_handles(made[i]->handle);
                          }
                        });
}

sysmem_status sysmem_token_set_dispensable(sysmem_token* token, sysmem_failure** failure) {
  return QueueOn(token, failure, [](Operation& operation, uint64_t handle) {
    operation.mutable_set_dispensable()->set_handle(handle);
  });
}

sysmem_status sysmem_token_bind(sysmem_token* token, sysmem_collection** collection,
                                sysmem_failure** failure) {
  const sysmem_status status =
      QueueMaking(token, collection, failure,
                  [](Operation& operation, uint64_t parent, uint64_t made, uint64_t) {
                    auto* request = operation.mutable_bind_shared_collection();
                    request->set_token_handle(parent);
                    request->set_collection_handle(made);
                  });
  if (status != SYSMEM_OK) return status;
  token->connection->RemoveNode(*token->state);
  delete token;
  return SYSMEM_OK;
}

sysmem_status sysmem_token_create_group(sysmem_token* token, sysmem_group** group,
                                        sysmem_failure** failure) {
  return QueueMaking(token, group, failure,
                     [](Operation& operation, uint64_t parent, uint64_t made, uint64_t) {
                       auto* request = operation.mutable_create_buffer_collection_token_group();
                       request->set_handle(parent);
                       request->set_group_handle(made);
                     });
}

sysmem_status sysmem_token_export(sysmem_token* token, int64_t deadline_ns, int* fd,
                                  sysmem_failure** failure) {
  const sysmem_status status = ExportNode(token, deadline_ns, fd, failure);
  if (status == SYSMEM_OK) delete token;
  return status;
}

void sysmem_token_destroy(sysmem_token* token) { LeaveAndDelete(token, true); }
void sysmem_token_close(sysmem_token* token) { LeaveAndDelete(token, false); }
