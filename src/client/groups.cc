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

sysmem_node* sysmem_group_node(sysmem_group* group) { return group; }

sysmem_status sysmem_group_import(sysmem_client* client, int owned_fd, sysmem_group** group,
                                  sysmem_failure** failure) {
  if (auto bad = CheckOpen(owned_fd)) return Report(*std::move(bad), failure);
  return QueueMaking(client->connection, UniqueFd(owned_fd), group, failure,
                     [](Operation& operation, uint64_t, uint64_t made, uint64_t descriptor) {
                       FillImport(operation, made, descriptor, sysmem2::NODE_KIND_GROUP);
                     });
}

sysmem_status sysmem_group_create_child(sysmem_group* group, uint32_t rights_mask,
                                        sysmem_token** child, sysmem_failure** failure) {
  return QueueMaking(group, child, failure,
                     [rights_mask](Operation& operation, uint64_t parent, uint64_t made, uint64_t) {
                       auto* request = operation.mutable_create_child();
                       request->set_handle(parent);
                       request->set_token_handle(made);
                       request->set_rights_attenuation_mask(rights_mask);
                     });
}

sysmem_status sysmem_group_create_child_exported(sysmem_group* group, uint32_t rights_mask,
                                                 int64_t deadline_ns, int* child_fd,
                                                 sysmem_failure** failure) {
  return CallMaking(group, deadline_ns, child_fd, failure,
                    [rights_mask](Operation& operation, uint64_t parent) {
                      auto* request = operation.mutable_create_child();
                      request->set_handle(parent);
                      request->set_rights_attenuation_mask(rights_mask);
                      request->set_exported(true);
                    });
}

sysmem_status sysmem_group_create_children_sync(sysmem_group* group, const uint32_t* rights_masks,
                                                size_t count, int64_t deadline_ns,
                                                sysmem_token** children, sysmem_failure** failure) {
  return CallMakingMany(group, count, deadline_ns, children, failure,
                        [rights_masks](Operation& operation, uint64_t parent,
                                       const std::vector<std::shared_ptr<NodeState>>& made) {
                          auto* request = operation.mutable_create_children_sync();
                          request->set_handle(parent);
                          auto* masks = request->mutable_rights_attenuation_masks();
                          for (size_t i = 0; i < made.size(); ++i) {
                            masks->add_masks(rights_masks[i]);
                            request->add_token_handles(made[i]->handle);
                          }
                        });
}

sysmem_status sysmem_group_all_children_present(sysmem_group* group, sysmem_failure** failure) {
  return QueueOn(group, failure, [](Operation& operation, uint64_t handle) {
    operation.mutable_all_children_present()->set_handle(handle);
  });
}

sysmem_status sysmem_group_export(sysmem_group* group, int64_t deadline_ns, int* fd,
                                  sysmem_failure** failure) {
  const sysmem_status status = ExportNode(group, deadline_ns, fd, failure);
  if (status == SYSMEM_OK) delete group;
  return status;
}

void sysmem_group_destroy(sysmem_group* group) { LeaveAndDelete(group, true); }
void sysmem_group_close(sysmem_group* group) { LeaveAndDelete(group, false); }
