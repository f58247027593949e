// SPDX-License-Identifier: Apache-2.0
//
// What clients may say to a node and when: the tables of server-behaviour.md 2.4, 2.5 and 2.7.
// Groups, also the making of one, are in collection_groups.cc.
//
// Every handler reads like a row there: find the node, hold the message against the rules in their
// order (the first broken one decides), answer, do it. A broken rule fails the sender's domain.
#include <algorithm>

#include "core/attempt_cost.h"
#include "core/collection_state.h"
#include "core/debug_info.h"
#include "core/describe.h"
#include "core/existing_buffers.h"
#include "core/failure_domain.h"

namespace sysmem::core {
Node* Collection::State::Reachable(NodeId id, CallId call) {
  Node* node = tree_.Find(id);
  if (node != nullptr && node->connected) return node;
  Answer(call, WhyClosed(id));
  return nullptr;
}

// What decided often stands in the same batch as the wait behind it: that one is told as much as
// those that waited before (DEL-3), else it would be a matter of luck whether a client that asked
// for too much learns so. Whose message broke a rule is nobody else's business (FAIL-5).
Failure Collection::State::WhyClosed(NodeId id) const {
  Failure failure = last_closed_.Has(id) ? last_closed_.why : Failure{};
  if (failure.outcome != Outcome::kError) failure.error = Error::kUnspecified;
  const std::string what = "node " + std::to_string(id) + " is closed";
  failure.message = failure.message.empty() ? what : what + ": " + failure.message;
  failure.outcome = Outcome::kClosed;
  return failure;
}

bool Collection::State::Obeys(const Node& node, CallId call, std::initializer_list<Rule> rules) {
  const Rule* broken =
      std::find_if(rules.begin(), rules.end(), [](const Rule& rule) { return rule.broken; });
  if (broken == rules.end()) return true;
  const std::string subject = *broken->field == '\0' ? "the node" : broken->field;
  Refuse(node, call,
         Refused(Error::kProtocolDeviation, broken->rule, broken->field,
                 subject + " " + broken->message));
  return false;
}

bool Collection::State::AnyUnusable(const std::vector<NodeId>& children) const {
  std::vector<NodeId> sorted = children;
  std::sort(sorted.begin(), sorted.end());
  const bool twice = std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
  return twice || std::any_of(sorted.begin(), sorted.end(),
                              [this](NodeId id) { return id == 0 || tree_.Find(id) != nullptr; });
}

bool Collection::State::HasRoomFor(size_t children, const Node& node, CallId call) {
  const size_t limit = settings_->limits.nodes_per_collection;
  if (children <= limit - std::min(limit, tree_.size())) return true;
  Refuse(node, call,
         Refused(Error::kProtocolDeviation, "nodes_per_collection", "",
                 "a collection has at most " + std::to_string(limit) +
                     " nodes (limit nodes_per_collection), and this one has " +
                     std::to_string(tree_.size())));
  return false;
}

bool Collection::State::HasRoomFor(const ConstraintsWeight& weight, const Node& node, CallId call) {
  const uint64_t limit = settings_->limits.image_formats_per_collection;
  uint64_t there = 0;
  tree_.ForEach([&there](const Node& other) { there += other.weight.entries; });
  if (weight.entries <= limit - std::min(limit, there)) return true;
  Refuse(node, call,
         Refused(Error::kProtocolDeviation, "image_formats_per_collection",
                 "constraints.image_format_constraints",
                 "the participants of a collection name at most " + std::to_string(limit) +
                     " pairs of pixel format and modifier (limit image_formats_per_collection); "
                     "there are " +
                     std::to_string(there) + ", and this one names " +
                     std::to_string(weight.entries)));
  return false;
}

void Collection::State::Refuse(const Node& node, CallId call, Failure why) {
  why.participants.push_back({node.id, node.debug.name, ""});
  Answer(call, why);
  why.message = Describe(node) + " broke rule " + why.rule + ": " + why.message;
  Log(Level::kError, why.message,
      {.node = node.id, .rule = why.rule, .error = ErrorName(why.error)});
  FailSubtree(FailureDomainOf(tree_, node.id), why, Level::kInfo);
}

Node& Collection::State::AddChild(const Node& parent, NodeId child, NodeKind kind,
                                  uint32_t rights_mask) {
  Node& node = tree_.AddChild(parent.id, child, rights_mask);
  node.kind = kind;
  LogStep([&] { return Describe(node) + " was made from node " + std::to_string(parent.id); });
  return node;
}

void Collection::State::MakeTokens(const Makers& makers, NodeId maker, CallId call,
                                   const std::vector<NodeId>& children,
                                   const std::optional<std::vector<uint32_t>>& rights_masks) {
  Node* node = Reachable(maker, call);
  if (node == nullptr) return;
  const std::vector<uint32_t> masks = rights_masks.value_or(std::vector<uint32_t>{});
  const bool any_zero = std::find(masks.begin(), masks.end(), 0u) != masks.end();
  const bool unusable = masks.size() != children.size() || AnyUnusable(children);
  const char* const rule = makers.rule;
  if (!Obeys(*node, call,
             {{node->kind != makers.kind, "2.4", "", makers.only_for_them},
              {node->released, rule, "", kWasReleased},
              {node->all_children_present, rule, "", kIsComplete},
              {!rights_masks, rule, "rights_attenuation_masks", kMissing},
              {any_zero, rule, "rights_attenuation_masks", "must not hold 0"},
              {unusable, rule, "token_handles", "must be one new token for each mask"}})) {
    return;
  }
  if (!HasRoomFor(masks.size(), *node, call)) return;
  Answer(call, Nothing{});
  for (size_t i = 0; i < masks.size(); ++i) {
    AddChild(*node, children[i], NodeKind::kToken, masks[i]);
  }
}

// --- Tokens (2.5)

void Collection::State::On(const event::Duplicate& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  if (!Obeys(*node, e.call,
             {{node->kind != NodeKind::kToken, "2.4", "", kForTokens},
              {!e.rights_mask, "2.5", "rights_attenuation_mask", kMissing},
              {AnyUnusable({e.child}), "2.5", "token_handle", kMissing},
              {node->released, "2.5", "", kWasReleased}})) {
    return;
  }
  if (!HasRoomFor(1, *node, e.call)) return;
  Answer(e.call, Nothing{});
  if (*e.rights_mask == 0) {
    Log(Level::kWarn, Describe(*node) +
                          " duplicates with the deprecated rights mask 0, which is "
                          "taken as \"same rights\"");
  }
  AddChild(*node, e.child, NodeKind::kToken, *e.rights_mask == 0 ? kSameRights : *e.rights_mask);
}

void Collection::State::On(const event::DuplicateSync& e) {
  MakeTokens({NodeKind::kToken, kForTokens, "2.5"}, e.node, e.call, e.children, e.rights_masks);
}

// FAIL-2: raises the mode from its lowest value only, which on an attached token changes nothing.
void Collection::State::On(const event::SetDispensable& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  if (!Obeys(*node, e.call, {{node->kind != NodeKind::kToken, "2.4", "", kForTokens}})) return;
  Answer(e.call, Nothing{});
  if (node->failure_mode != FailureMode::kPropagate) return;
  node->failure_mode = FailureMode::kPropagateBeforeAllocation;
  LogStep([&] { return Describe(*node) + " is dispensable once it is allocated"; });
}

void Collection::State::On(const event::Bind& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  if (!Obeys(*node, e.call,
             {{node->kind != NodeKind::kToken, "CONV-4", "token", "is not a token (any more)"},
              {node->released, "CONV-4", "token", kWasReleased}})) {
    return;
  }
  Answer(e.call, Nothing{});
  node->kind = NodeKind::kCollection;
  if (e.allocator_debug) {
    node->debug = Renamed({}, *e.allocator_debug, settings_->limits.debug_name_bytes);
  }
  LogStep([&] { return Describe(*node) + " was bound"; });
}

// --- Collections (2.7)

void Collection::State::On(const event::SetConstraints& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  std::string foreign;
  if (e.not_a_buffer) foreign = "must be a buffer that was made here, and is " + *e.not_a_buffer;
  if (!Obeys(*node, e.call,
             {{node->kind != NodeKind::kCollection, "2.4", "", kForCollections},
              {node->constraints_set, "2.7", "", "has set its constraints before"},
              {node->released, "2.7", "", kWasReleased},
              {e.not_a_buffer.has_value(), "2.7", "must_match_vmo", foreign.c_str()}})) {
    return;
  }
  const ConstraintsWeight weight = WeightOf(e);
  if (!HasRoomFor(weight, *node, e.call)) return;
  Answer(e.call, Nothing{});
  node->constraints_set = true;
  node->constraints = e.constraints;
  if (e.must_match) node->must_match = AsConstraints(*e.must_match);
  node->denied_heaps = e.denied_heaps.value_or(std::vector<std::string>{});
  node->weight = weight;
  LogStep([&] {
    return Describe(*node) + (e.constraints ? " set constraints" : " set no constraints") +
           (e.must_match ? " and gave buffers to match" : "");
  });
  Attempt();
}

void Collection::State::On(const event::Wait& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  if (!Obeys(*node, e.call,
             {{node->kind != NodeKind::kCollection, "2.4", "", kForCollections},
              {node->released, "2.7", "", kWasReleased},
              {!node->constraints_set, "2.7", "", "must set constraints before it waits"},
              {node->weak && !node->weak_ok, "2.7", "", "is weak and did not say SetWeakOk"}})) {
    return;
  }
  node->has_waited = true;
  if (e.call == 0) return;
  if (node->allocated) return Answer(e.call, GrantTo(*node, e.call));  // DEL-6
  node->waits.push_back(e.call);
}

void Collection::State::On(const event::CancelWait& e) {
  Node* node = tree_.Find(e.node);
  if (node == nullptr || std::erase(node->waits, e.wait) == 0) return;
  Failure cancelled;
  cancelled.outcome = Outcome::kCancelled;
  cancelled.message = "the wait was taken back by its client";
  Answer(e.wait, cancelled);
}

void Collection::State::On(const event::Check& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  if (!Obeys(*node, e.call,
             {{node->kind != NodeKind::kCollection, "2.4", "", kForCollections},
              {node->released, "2.7", "", kWasReleased}})) {
    return;
  }
  if (node->allocated) return Answer(e.call, Nothing{});  // DEL-6
  Failure pending;
  pending.error = Error::kPending;
  pending.rule = "2.7";
  pending.message = "the allocation is not decided yet";
  Answer(e.call, pending);
}

void Collection::State::On(const event::AttachToken& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  if (!Obeys(*node, e.call,
             {{node->kind != NodeKind::kCollection, "2.4", "", kForCollections},
              {!e.rights_mask, "2.7", "rights_attenuation_mask", kMissing},
              {AnyUnusable({e.child}), "2.7", "token_handle", kMissing},
              {node->released, "2.7", "", kWasReleased},
              {e.rights_mask == 0u, "2.7", "rights_attenuation_mask", "must not be 0"},
              {node->weak, "WEAK-6", "", "is weak and cannot bring others in"}})) {
    return;
  }
  if (!HasRoomFor(1, *node, e.call)) return;
  Answer(e.call, Nothing{});
  Node& child = tree_.AddChild(node->id, e.child, *e.rights_mask);
  child.failure_mode = FailureMode::kDoNotPropagate;
  child.debug = Attached(node->debug, settings_->limits.debug_name_bytes);
  LogStep([&] { return Describe(child) + " was attached to node " + std::to_string(node->id); });
}

// --- Every kind of node (2.4)

void Collection::State::On(const event::Sync& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  if (!Obeys(*node, e.call, {{node->released, "2.4", "", kWasReleased}})) return;
  Answer(e.call, Nothing{});
}

void Collection::State::On(const event::Release& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  const bool undecided = node->kind == NodeKind::kGroup && !node->all_children_present;
  if (!Obeys(*node, e.call,
             {{undecided, "2.4", "", "must have all children present before it is released"},
              {node->released, "2.4", "", "was released before"}})) {
    return;
  }
  Answer(e.call, Nothing{});
  node->released = true;
}

void Collection::State::On(const event::SetName& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  if (!Obeys(*node, e.call,
             {{node->released, "2.4", "", kWasReleased},
              {!e.priority, "2.4", "priority", kMissing},
              {!e.name, "2.4", "name", kMissing}})) {
    return;
  }
  Answer(e.call, Nothing{});
  if (name_ && *e.priority <= name_->priority) return;  // DBG-1
  name_ = Name{*e.name, *e.priority};
}

void Collection::State::On(const event::SetDebugClientInfo& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  if (!Obeys(*node, e.call,
             {{node->released, "2.4", "", kWasReleased}, {!e.name, "2.4", "name", kMissing}})) {
    return;
  }
  Answer(e.call, Nothing{});
  node->debug = Renamed(node->debug, {*e.name, e.id}, settings_->limits.debug_name_bytes);
}

void Collection::State::On(const event::SetDebugTimeoutLogDeadline& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  if (!Obeys(*node, e.call,
             {{node->released, "2.4", "", kWasReleased},
              {!e.deadline_ns, "2.4", "deadline", kMissing}})) {
    return;
  }
  Answer(e.call, Nothing{});
  if (result_ || !slow_log_.MoveFirstReport(*e.deadline_ns)) return;  // SLOW-1
  effects_.push_back(effect::ArmTimer{*e.deadline_ns});
}

void Collection::State::On(const event::SetVerboseLogging& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  if (!Obeys(*node, e.call, {{node->released, "2.4", "", kWasReleased}})) return;
  Answer(e.call, Nothing{});
  verbose_ = true;
  LogStep([&] { return Describe(*node) + " asked for verbose logging"; });
}

void Collection::State::On(const event::SetWeak& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  if (!Obeys(*node, e.call,
             {{node->released, "2.4", "", kWasReleased},
              {IsReady(*node), "2.4", "", "is ready for allocation, too late to become weak"}})) {
    return;
  }
  Answer(e.call, Nothing{});
  node->weak = true;
  node->weak_ok = true;
  strength_changed_ = true;
  LogStep([&] { return Describe(*node) + " became weak"; });
}

void Collection::State::On(const event::SetWeakOk& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  if (!Obeys(*node, e.call,
             {{node->has_waited, "2.4", "", "has waited for its buffers before"},
              {node->released, "2.4", "", kWasReleased}})) {
    return;
  }
  Answer(e.call, Nothing{});
  node->weak_ok = true;
  if (e.for_child_nodes_also.value_or(false)) node->weak_ok_for_children = true;
}

void Collection::State::On(const event::AttachNodeTracking& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  const uint32_t limit = settings_->limits.node_trackings_per_node;
  const std::string too_many = "would be one more than the " + std::to_string(limit) +
                               " a node can have (limit node_trackings_per_node)";
  if (!Obeys(*node, e.call,
             {{node->released, "2.4", "", kWasReleased},
              {!e.has_end, "2.4", "server_end", kMissing},
              {node->trackings >= limit, "2.4", "server_end", too_many.c_str()}})) {
    return;
  }
  Answer(e.call, Nothing{});
  ++node->trackings;
}

void Collection::State::On(const event::GetBufferCollectionId& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  if (!Obeys(*node, e.call, {{node->released, "2.4", "", kWasReleased}})) return;
  Answer(e.call, id_);
}

void Collection::State::On(const event::BadMessage& e) {
  Node* node = Reachable(e.node, e.call);
  if (node == nullptr) return;
  Refuse(*node, e.call, e.why);
}

}  // namespace sysmem::core
