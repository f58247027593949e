// SPDX-License-Identifier: Apache-2.0
//
// Every message that a client can send to a node, well formed, for tests that try them all.
#pragma once

#include <functional>
#include <vector>

#include "tests/core/group_harness.h"

namespace sysmem::core::test {

using Send = std::function<CallId(Harness&, NodeId)>;

// Sends this event, wherever it goes.
template <typename E>
Send Plain(E e = {}) {
  return [e](Harness& h, NodeId node) mutable {
    e.node = node;
    return h.Say(e);
  };
}

struct Message {
  const char* name;
  Send send;
  // Which kinds of node know it.
  bool for_token;
  bool for_collection;
  bool for_group;

  bool IsFor(NodeKind kind) const {
    return kind == NodeKind::kToken        ? for_token
           : kind == NodeKind::kCollection ? for_collection
                                           : for_group;
  }
};

inline std::vector<Message> AllMessages() {
  const std::vector<uint32_t> mask{1};
  return {
      {"Duplicate", Plain(event::Duplicate{.child = 90, .rights_mask = 1}), true, false, false},
      {"DuplicateSync", Plain(event::DuplicateSync{.children = {91}, .rights_masks = mask}), true,
       false, false},
      {"CreateTokenGroup", Plain(event::CreateTokenGroup{.child = 92}), true, false, false},
      {"SetDispensable", Plain<event::SetDispensable>(), true, false, false},
      {"Bind", Plain<event::Bind>(), true, false, false},
      {"SetConstraints", Plain(event::SetConstraints{.constraints = Camping(1)}), false, true,
       false},
      {"Wait", Plain<event::Wait>(), false, true, false},
      {"Check", Plain<event::Check>(), false, true, false},
      {"AttachToken", Plain(event::AttachToken{.child = 93, .rights_mask = 1}), false, true, false},
      {"CreateChild", Plain(event::CreateChild{.child = 94}), false, false, true},
      {"CreateChildrenSync",
       Plain(event::CreateChildrenSync{.children = {95}, .rights_masks = mask}), false, false,
       true},
      {"AllChildrenPresent", Plain<event::AllChildrenPresent>(), false, false, true},
      {"Sync", Plain<event::Sync>(), true, true, true},
      {"Release", Plain<event::Release>(), true, true, true},
      {"SetName", Plain(event::SetName{.priority = 1, .name = "n"}), true, true, true},
      {"SetDebugClientInfo", Plain(event::SetDebugClientInfo{.name = "n"}), true, true, true},
      {"SetDebugTimeoutLogDeadline", Plain(event::SetDebugTimeoutLogDeadline{.deadline_ns = 1}),
       true, true, true},
      {"SetVerboseLogging", Plain<event::SetVerboseLogging>(), true, true, true},
      {"GetNodeRef", Plain<event::GetNodeRef>(), true, true, true},
      {"IsAlternateFor", Plain(event::IsAlternateFor{.other = 1}), true, true, true},
      {"SetWeak", Plain<event::SetWeak>(), true, true, true},
      {"SetWeakOk", Plain<event::SetWeakOk>(), true, true, true},
      {"AttachNodeTracking", Plain(event::AttachNodeTracking{.has_end = true}), true, true, true},
      {"AttachLifetimeTracking",
       Plain(event::AttachLifetimeTracking{.tracking = 1, .buffers_remaining = 1}), false, true,
       false},
      {"GetBufferCollectionId", Plain<event::GetBufferCollectionId>(), true, true, true},
  };
}

inline constexpr NodeId kToken = 2;
inline constexpr NodeId kCollection = 3;
inline constexpr NodeId kGroup = 4;

// Root token 1 with one of each as children, and token 5 as child of the group.
inline void MakeOneOfEach(Harness& h) {
  h.MakeTokens(2);
  h.Say(event::Bind{.node = kCollection});
  MakeAlternatives(h, 1, kGroup, {5});
}

inline NodeKind KindOf(NodeId node) {
  return node == kCollection ? NodeKind::kCollection
         : node == kGroup    ? NodeKind::kGroup
                             : NodeKind::kToken;
}

// One row: a message that breaks a rule, what the answer names, and the node it goes to.
struct BrokenRule {
  const char* name;
  NodeId node;
  Send send;
  const char* refused_by;
};

// Whether the offender is told first which rule it broke, and everybody goes then.
inline void CheckRefusal(const BrokenRule& row) {
  Harness h;
  MakeOneOfEach(h);
  const CallId call = row.send(h, row.node);
  ASSERT_EQ(h.RefusedBy(call), row.refused_by);
  const Failure failure = *h.FailureOf(call);
  EXPECT_EQ(failure.error, Error::kProtocolDeviation);
  EXPECT_FALSE(failure.message.empty());
  ASSERT_EQ(failure.participants.size(), 1u);
  EXPECT_EQ(failure.participants[0].node, row.node);
  bool closed = false;
  for (const Effect& e : h.all()) {
    closed |= std::holds_alternative<effect::NodeClosed>(e);
    const auto* answer = std::get_if<effect::Answer>(&e);
    EXPECT_FALSE(closed && answer != nullptr && answer->call == call) << "the reply comes first";
  }
  EXPECT_EQ(h.ClosedNodes(), (Ids{5, 4, 3, 2, 1}));
  EXPECT_TRUE(std::holds_alternative<effect::Finished>(h.all().back()));
  EXPECT_FALSE(h.Logged(effect::Log::Level::kError, failure.message).empty());
}

}  // namespace sysmem::core::test
