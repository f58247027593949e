// SPDX-License-Identifier: Apache-2.0
//
// What falls with what: the failure mode of a node (server-behaviour.md 2.1). A plain value.
#pragma once

#include <cstdint>

namespace sysmem::core {

// How far the failure of a node travels.
//
// A *failure domain* is what falls together. When a node fails (its client breaks a rule, or is
// gone without Release), the failure climbs from the node towards the root, and the mode of each
// node on the way says whether it climbs on to that node's parent:
//
//   mode                          set by                        climbs to the parent
//   kPropagate                    every node at birth           always
//   kPropagateBeforeAllocation    token.SetDispensable          while this node is not allocated
//   kDoNotPropagate               AttachToken; also given to    never
//                                 the unselected children of
//                                 groups when they are dropped
//
// Where it stops (at the latest at the root, whose own mode means nothing) that node and everything
// below it fail: all nodes, nested domains and attached sub-trees included (FAIL-3). Nothing
// survives a failed ancestor, and nothing beside or above the failed sub-tree is touched (GONE-4).
//
// So by default one collection is one domain: every participant needs every other. A dispensable
// participant is needed until the buffers exist and is then expendable. An attached one was never
// needed: its sub-tree is allocated later and by itself, out of buffers that already exist, and is
// kept out of the readiness and the constraints of its parent's domain (ATT-3).
//
// "Allocated" is meant per node: the node's own logical allocation has succeeded. A mode is not
// inherited; children are born with kPropagate and so fall with the node they hang under.
enum class FailureMode : uint8_t { kPropagate, kPropagateBeforeAllocation, kDoNotPropagate };

// "DO_NOT_PROPAGATE" and so on.
const char* FailureModeName(FailureMode mode);

}  // namespace sysmem::core
