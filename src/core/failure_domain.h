// SPDX-License-Identifier: Apache-2.0
//
// Who falls with whom (server-behaviour.md 2.1, 2.2; the modes are explained in
// failure_mode.h).
//
//   NodeId top = FailureDomainOf(tree, failing);          // what to fail
//   for (NodeId id : ChildrenFirst(tree, top)) ...        // in which order to tell
//   tree.RemoveSubtree(top);
//
// Pure questions to a tree: nothing is changed and nobody is told here. Thread-safe on a tree that
// does not change meanwhile.
#pragma once

#include <optional>
#include <vector>

#include "core/node_tree.h"

namespace sysmem::core {

// FAIL-1: the top of the sub-tree that fails when `failing` does.
// REQUIRES: the node exists.
NodeId FailureDomainOf(const NodeTree& tree, NodeId failing);

// GONE-2: `top` and everything below it, every child before its parent.
// REQUIRES: the node exists.
std::vector<NodeId> ChildrenFirst(const NodeTree& tree, NodeId top);

// ZERO-1: the top of a failure domain in which no client is connected any more, if there is one;
// of several the one deepest and youngest. The failure of what is returned may climb (dispensable
// nodes before allocation), so give it to FailureDomainOf. Takes one pass over the tree.
std::optional<NodeId> DomainWithoutClients(const NodeTree& tree);

}  // namespace sysmem::core
