// SPDX-License-Identifier: Apache-2.0
//
// What the tests of groups share.
#pragma once

#include "tests/core/collection_harness.h"

namespace sysmem::core::test {

inline CallId MakeGroup(Harness& h, NodeId token, NodeId group) {
  return h.Say(event::CreateTokenGroup{.node = token, .child = group});
}

inline CallId MakeChild(Harness& h, NodeId group, NodeId child,
                        std::optional<uint32_t> mask = std::nullopt) {
  return h.Say(event::CreateChild{.node = group, .child = child, .rights_mask = mask});
}

inline CallId Weaken(Harness& h, NodeId node) { return h.Say(event::SetWeak{.node = node}); }

inline CallId Complete(Harness& h, NodeId group) {
  return h.Say(event::AllChildrenPresent{.node = group});
}

// A group below `token` with these children.
inline void MakeAlternatives(Harness& h, NodeId token, NodeId group, const Ids& children) {
  MakeGroup(h, token, group);
  for (NodeId child : children) MakeChild(h, group, child);
}

// Root token 1, below it group 2, below that tokens 3 and 4.
inline void MakeTwoAlternatives(Harness& h) {
  h.Say(event::CreateRoot{.node = 1});
  MakeAlternatives(h, 1, 2, {3, 4});
}

}  // namespace sysmem::core::test
