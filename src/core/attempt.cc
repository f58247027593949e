// SPDX-License-Identifier: Apache-2.0
#include "core/attempt.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/blame.h"
#include "core/existing_buffers.h"
#include "core/group_choice.h"

namespace sysmem::core {
namespace {

// Stands in for the table of a collection that sent SetConstraints without one (2.7).
const Constraints& EmptyConstraints() {
  static const Constraints empty;
  return empty;
}

std::string PreferredChoice(const std::vector<RefusedChoice>& refused) {
  return "; the preferred one: " + refused.front().why.message;
}

Failure TooManyChoices(const std::vector<RefusedChoice>& refused) {
  Failure failure = refused.front().why;
  failure.error = Error::kTooManyGroupChildCombinations;
  failure.rule = "GRP-6";
  failure.field.clear();
  failure.message = "the first " + std::to_string(refused.size()) +
                    " combinations of group children do not work, and no more are tried (limit "
                    "group_combinations)" +
                    PreferredChoice(refused);
  return failure;
}

Failure NoChoiceWorks(const std::vector<RefusedChoice>& refused) {
  Failure failure = refused.front().why;
  if (refused.size() > 1) {
    failure.message = "none of the " + std::to_string(refused.size()) +
                      " combinations of group children works" + PreferredChoice(refused);
  }
  return failure;
}

// INIT-3: what those are told who require secure memory that is not to be had. Nothing if nobody
// does.
std::optional<Failure> NoneToBeHad(NoSecureMemory why,
                                   const std::vector<Participant>& participants) {
  Failure failure;
  for (const Participant& one : participants) {
    const auto& memory = ConstraintsOf(one).memory;
    if (!memory || !memory->secure_required.value_or(false)) continue;
    failure.participants.push_back({.node = one.node, .name = one.name, .value = "true"});
  }
  if (failure.participants.empty()) return std::nullopt;
  failure.error = Error::kUnspecified;
  failure.rule = "INIT-3";
  failure.field = "buffer_memory_constraints.secure_required";
  failure.message = why == NoSecureMemory::kNotYet
                        ? "secure memory is required, and its driver has not registered yet"
                        : "secure memory is required, and its driver has unregistered";
  return failure;
}

// `plan_for(participants)` is one try.
template <typename PlanFor>
GroupSearch TryChoices(const NodeTree& tree, const std::vector<NodeId>& pruned,
                       const Plan* existing, const Settings& settings, PlanFor plan_for) {
  const size_t limit = settings.limits.group_combinations;
  const std::optional<NoSecureMemory> no_secure_memory =
      existing == nullptr ? settings.no_secure_memory : std::nullopt;
  GroupChoice choice(tree, pruned);
  std::vector<RefusedChoice> refused;
  do {
    if (!refused.empty() && refused.size() >= limit) {
      Failure too_many = TooManyChoices(refused);
      return {std::move(too_many), std::move(refused)};
    }
    std::vector<NodeId> visible = choice.Visible();
    const TryParticipants participants(tree, visible, existing);
    const std::vector<Participant>& all = participants.all();
    if (no_secure_memory) {
      if (auto none = NoneToBeHad(*no_secure_memory, all)) {
        return {*std::move(none), std::move(refused), no_secure_memory};
      }
    }
    Result<Plan, Refusal> plan = plan_for(all);
    if (plan.ok()) {
      return {Agreement{std::move(plan).value(), std::move(visible)}, std::move(refused)};
    }
    refused.push_back(
        {choice.Describe(), Blame(plan.failure(), participants.all()), std::move(plan).failure()});
  } while (choice.Next());
  Failure none = NoChoiceWorks(refused);
  return {std::move(none), std::move(refused)};
}

}  // namespace

std::vector<NodeId> EligibleSubtrees(const NodeTree& tree) {
  if (tree.empty()) return {};
  std::vector<NodeId> tops = tree.BreadthFirst(
      tree.root(), [&tree](const Node& node) { return tree.Get(node.parent).allocated; });
  std::erase_if(tops, [&tree](NodeId id) { return tree.Get(id).allocated; });
  return tops;
}

std::vector<NodeId> PrunedSubtree(const NodeTree& tree, NodeId top) {
  return tree.BreadthFirst(
      top, [](const Node& node) { return node.failure_mode != FailureMode::kDoNotPropagate; });
}

bool IsReady(const Node& node) {
  if (!node.connected) return true;
  switch (node.kind) {
    case NodeKind::kToken:
      return false;
    case NodeKind::kCollection:
      return node.constraints_set;
    case NodeKind::kGroup:
      return node.all_children_present;
  }
  return false;
}

bool AllReady(const NodeTree& tree, const std::vector<NodeId>& nodes) {
  return std::all_of(nodes.begin(), nodes.end(),
                     [&tree](NodeId id) { return IsReady(tree.Get(id)); });
}

std::vector<Participant> ParticipantsAmong(const NodeTree& tree, const std::vector<NodeId>& nodes) {
  std::vector<Participant> participants;
  for (NodeId id : nodes) {
    const Node& node = tree.Get(id);
    if (!node.constraints_set) continue;
    const Constraints& asked = node.constraints ? *node.constraints : EmptyConstraints();
    participants.push_back({.node = id,
                            .name = node.debug.name,
                            .constraints = &asked,
                            .denied_heaps = WantsBuffers(asked) ? &node.denied_heaps : nullptr});
  }
  return participants;
}

std::vector<Participant> BuffersToMatch(const NodeTree& tree, const std::vector<NodeId>& nodes) {
  std::vector<Participant> buffers;
  for (NodeId id : nodes) {
    const Node& node = tree.Get(id);
    if (!node.must_match) continue;
    buffers.push_back(AsParticipantToMatch(*node.must_match, id, node.debug.name));
  }
  return buffers;
}

TryParticipants::TryParticipants(const NodeTree& tree, const std::vector<NodeId>& visible,
                                 const Plan* existing) {
  const std::vector<NodeId> present =
      existing != nullptr ? AllocatedNodes(tree) : std::vector<NodeId>{};
  Append(ParticipantsAmong(tree, present));
  first_newcomer_ = all_.size();
  Append(ParticipantsAmong(tree, visible));
  if (existing != nullptr) {
    buffers_ = AsConstraints(*existing);
    Append({AsParticipant(buffers_)});
  }
  first_old_match_ = all_.size();
  Append(BuffersToMatch(tree, present));
  first_new_match_ = all_.size();
  Append(BuffersToMatch(tree, visible));
}

void TryParticipants::Append(std::vector<Participant> more) {
  all_.insert(all_.end(), std::make_move_iterator(more.begin()),
              std::make_move_iterator(more.end()));
}

GroupSearch FindAgreement(const NodeTree& tree, const std::vector<NodeId>& pruned,
                          const Settings& settings) {
  return TryChoices(tree, pruned, nullptr, settings,
                    [&](const std::vector<Participant>& participants) {
                      return TryToPlan(participants, settings);
                    });
}

std::vector<NodeId> AllocatedNodes(const NodeTree& tree) {
  return tree.BreadthFirst(tree.root(), [](const Node& node) { return node.allocated; });
}

GroupSearch FindLateAgreement(const NodeTree& tree, const std::vector<NodeId>& pruned,
                              const Plan& existing, const Settings& settings) {
  return TryChoices(tree, pruned, &existing, settings,
                    [&](const std::vector<Participant>& participants) -> Result<Plan, Refusal> {
                      if (auto no = WhyRefused(participants, existing, settings))
                        return *std::move(no);
                      return existing;
                    });
}

}  // namespace sysmem::core
