// SPDX-License-Identifier: Apache-2.0
#include "scenario/simulate.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "core/collection.h"

namespace sysmem::scenario {
namespace {

constexpr uint32_t kReadOnly = core::kHandOutRights & ~core::kRightWrite;

class Simulation {
 public:
  explicit Simulation(const Scenario& scenario)
      : nodes_(scenario.nodes),
        settings_(SettingsOf(scenario)),
        collection_(kCollectionId, settings_, kBornNs),
        next_id_(IdOf(scenario.nodes.size())) {
    outcome_.nodes.resize(nodes_.size());
    for (size_t i = 0; i < nodes_.size(); ++i) {
      comes_with_.push_back(i == 0 || nodes_[i].attached ? i : comes_with_[nodes_[i].parent]);
    }
  }

  Outcome Run() && {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (comes_with_[i] == i) Join(i);
    }
    Conclude();
    return std::move(outcome_);
  }

 private:
  static std::shared_ptr<const core::Settings> SettingsOf(const Scenario& scenario) {
    auto settings = std::make_shared<core::Settings>(scenario.settings);
    settings->limits.nodes_per_collection += 2 * static_cast<uint32_t>(scenario.nodes.size());
    return settings;
  }

  bool IsGroup(size_t i) const { return nodes_[i].kind == Node::Kind::kGroup; }

  template <typename Message>
  core::CallId Say(Message message) {
    const core::CallId call = ++last_call_;
    message.call = call;
    Take(message);
    return call;
  }

  void Take(core::Event event) {
    core::Effects effects = collection_.Handle(event);
    std::optional<core::AttemptId> attempt;
    for (const core::Effect& effect : effects) {
      if (const auto* answer = std::get_if<core::effect::Answer>(&effect)) Take(*answer);
      if (const auto* allocate = std::get_if<core::effect::Allocate>(&effect)) {
        attempt = allocate->attempt;
      }
    }
    outcome_.steps.push_back({std::move(event), std::move(effects)});
    if (attempt) Take(core::event::AllocationFinished{.attempt = *attempt});
  }

  void Take(const core::effect::Answer& answer) {
    const auto wait = waits_.find(answer.call);
    const size_t speaker = wait == waits_.end() ? speaker_ : wait->second;
    if (const auto* grant = std::get_if<core::Grant>(&answer.result)) {
      outcome_.nodes[speaker].grant = *grant;
    }
    const auto* failure = std::get_if<core::Failure>(&answer.result);
    if (failure != nullptr && !outcome_.nodes[speaker].failure) {
      outcome_.nodes[speaker].failure = *failure;
    }
  }

  // `top` and those who come with it: the tokens first, then what they say. One token more, let go
  // of when all of them wait, makes that the moment of the attempt, so that each hears of it.
  void Join(size_t top) {
    speaker_ = nodes_[top].parent;
    if (!MakeTop(top)) {
      never_came_.push_back(top);
      return;
    }
    Prepare(top);
    for (size_t i = top + 1; i < nodes_.size(); ++i) {
      if (comes_with_[i] != top) continue;
      speaker_ = nodes_[i].parent;
      Make(i);
      Prepare(i);
    }
    ForEach(
        top, [this](size_t i) { return IsGroup(i); }, [this](size_t i) { CloseGroup(i); });
    const auto leaves = [this](size_t i) { return !IsGroup(i) && nodes_[i].released; };
    const auto stays = [this](size_t i) { return !IsGroup(i) && !nodes_[i].released; };
    const core::NodeId starter = next_id_++;
    speaker_ = top;
    MakeToken(IdOf(top), false, starter, core::kSameRights);
    ForEach(top, leaves, [this](size_t i) { SpeakAndGo(i); });
    ForEach(top, stays, [this](size_t i) { SpeakAndWait(i); });
    speaker_ = top;
    Leave(starter);
  }

  template <typename Which, typename Do>
  void ForEach(size_t top, Which which, Do action) {
    for (size_t i = top; i < nodes_.size(); ++i) {
      if (comes_with_[i] != top || !which(i)) continue;
      speaker_ = i;
      action(i);
    }
  }

  bool MakeTop(size_t top) {
    if (top == 0) {
      Say(core::event::CreateRoot{.node = IdOf(0), .debug = {nodes_[0].name, 0}});
      return true;
    }
    const core::NodeId parent = IdOf(nodes_[top].parent);
    if (!collection_.IsConnected(parent)) return false;
    Say(core::event::AttachToken{
        .node = parent, .child = IdOf(top), .rights_mask = MaskOf(nodes_[top])});
    return collection_.IsConnected(IdOf(top));
  }

  static uint32_t MaskOf(const Node& node) {
    return node.read_only ? kReadOnly : core::kSameRights;
  }

  void Make(size_t i) {
    const core::NodeId parent = IdOf(nodes_[i].parent);
    const bool is_alternative = IsGroup(nodes_[i].parent);
    if (!IsGroup(i)) return MakeToken(parent, is_alternative, IdOf(i), MaskOf(nodes_[i]));
    if (!is_alternative) {
      Say(core::event::CreateTokenGroup{.node = parent, .child = IdOf(i)});
      return;
    }
    // Groups are made from tokens, so a group in a group needs one in between.
    const core::NodeId between = next_id_++;
    MakeToken(parent, is_alternative, between, core::kSameRights);
    Say(core::event::CreateTokenGroup{.node = between, .child = IdOf(i)});
    Leave(between);
  }

  void MakeToken(core::NodeId parent, bool is_alternative, core::NodeId child, uint32_t mask) {
    if (is_alternative) {
      Say(core::event::CreateChild{.node = parent, .child = child, .rights_mask = mask});
    } else {
      Say(core::event::Duplicate{.node = parent, .child = child, .rights_mask = mask});
    }
  }

  void Prepare(size_t i) {
    speaker_ = i;
    const core::NodeId id = IdOf(i);
    Say(core::event::SetDebugClientInfo{.node = id, .name = nodes_[i].name});
    if (nodes_[i].dispensable) Say(core::event::SetDispensable{.node = id});
    if (!nodes_[i].weak) return;
    Say(core::event::SetWeak{.node = id});
    Say(core::event::SetWeakOk{.node = id, .for_child_nodes_also = true});
  }

  void CloseGroup(size_t i) {
    Say(core::event::AllChildrenPresent{.node = IdOf(i)});
    Leave(IdOf(i));
  }

  void Speak(size_t i) {
    Say(core::event::Bind{.node = IdOf(i), .allocator_debug = core::DebugInfo{nodes_[i].name, 0}});
    Say(core::event::SetConstraints{.node = IdOf(i), .constraints = nodes_[i].constraints});
  }

  void SpeakAndGo(size_t i) {
    if (nodes_[i].constraints) Speak(i);
    Leave(IdOf(i));
  }

  void SpeakAndWait(size_t i) {
    Speak(i);
    waits_[last_call_ + 1] = i;
    Say(core::event::Wait{.node = IdOf(i)});
  }

  void Leave(core::NodeId id) {
    Say(core::event::Release{.node = id});
    Say(core::event::Close{.node = id, .why = "handle closed"});
  }

  void Conclude() {
    const core::Snapshot now = collection_.TakeSnapshot();
    outcome_.settings = settings_;
    outcome_.plan = now.plan;
    outcome_.failure = now.failure;
    outcome_.report = collection_.Explain();
    is_there_.resize(nodes_.size());
    for (const core::NodeSnapshot& node : now.nodes) {
      if (node.id <= nodes_.size()) is_there_[node.id - 1] = node.allocated;
    }
    for (size_t i = 0; i < nodes_.size(); ++i) {
      outcome_.nodes[i].fate = FateOf(i);
    }
  }

  Fate FateOf(size_t i) const {
    const size_t top = comes_with_[i];
    const bool came = std::find(never_came_.begin(), never_came_.end(), top) == never_came_.end();
    if (!came) return Fate::kNeverCame;
    if (is_there_[i]) return Fate::kTakesPart;
    if (outcome_.failure || IsDenied(top)) return Fate::kFailed;
    // Gone without a word: a released token that asked for nothing, or an alternative.
    if (nodes_[i].released && !nodes_[i].constraints) return Fate::kTakesPart;
    return IsBeforeTheChosen(i) ? Fate::kUnfit : Fate::kNotNeeded;
  }

  // Whether a younger brother of the alternative that node i belongs to was taken.
  bool IsBeforeTheChosen(size_t i) const {
    while (i != 0 && !IsGroup(nodes_[i].parent)) i = nodes_[i].parent;
    for (size_t brother = i + 1; brother < nodes_.size(); ++brother) {
      if (nodes_[brother].parent == nodes_[i].parent && is_there_[brother]) return true;
    }
    return false;
  }

  // Whether somebody of an attached sub-tree was told that nothing fits.
  bool IsDenied(size_t top) const {
    for (size_t i = top; i < nodes_.size(); ++i) {
      const auto& failure = outcome_.nodes[i].failure;
      if (comes_with_[i] == top && failure && failure->outcome != core::Outcome::kClosed) {
        return true;
      }
    }
    return false;
  }

  const std::vector<Node>& nodes_;
  const std::shared_ptr<const core::Settings> settings_;
  core::Collection collection_;
  core::NodeId next_id_;
  core::CallId last_call_ = 0;
  size_t speaker_ = 0;                    // who waits for the next answer
  std::map<core::CallId, size_t> waits_;  // who waits for buffers
  std::vector<size_t> comes_with_;        // the root or the attached node above each
  std::vector<size_t> never_came_;
  std::vector<bool> is_there_;  // at the end: it is allocated
  Outcome outcome_;
};

}  // namespace

Outcome Simulate(const Scenario& scenario) { return Simulation(scenario).Run(); }

}  // namespace sysmem::scenario
