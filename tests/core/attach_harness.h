// SPDX-License-Identifier: Apache-2.0
//
// What the tests of attached tokens share.
#pragma once

#include "tests/core/collection_harness.h"

namespace sysmem::core::test {

// Camping buffers, and `headroom` more by min_buffer_count.
inline Constraints WithRoom(uint32_t camping, uint32_t count) {
  Constraints c = Camping(camping);
  c.min_buffer_count = count;
  return c;
}

inline Constraints AtMost(uint64_t bytes) {
  Constraints c = Camping(0);
  c.memory->min_size_bytes.reset();
  c.memory->max_size_bytes = bytes;
  return c;
}

inline CallId Attach(Harness& h, NodeId node, NodeId child, uint32_t mask = kSameRights) {
  return h.Say(event::AttachToken{.node = node, .child = child, .rights_mask = mask});
}

// Nodes 1 and 2 share `count` buffers, of which they need two.
inline void ShareBuffers(Harness& h, uint32_t count = 4) {
  h.MakeTokens(1);
  h.BindAndConstrain(1, WithRoom(1, count));
  h.BindAndConstrain(2, Camping(1));
  h.FinishAllocation();
}

inline Ids NodesOf(const Harness& h) {
  Ids ids;
  for (const NodeSnapshot& node : h.Look().nodes) ids.push_back(node.id);
  return ids;
}

}  // namespace sysmem::core::test
