// SPDX-License-Identifier: Apache-2.0
#include "core/collection.h"

#include <algorithm>
#include <string>
#include <variant>

#include "core/attempt_cost.h"
#include "core/collection_state.h"
#include "core/debug_info.h"
#include "core/describe.h"
#include "core/explain.h"
#include "core/failure_domain.h"

namespace sysmem::core {
namespace {

// The failure that the departure of `culprit` is to everybody else.
Failure Departure(const char* rule, const Node& culprit, std::string message) {
  Failure failure = Closed(std::move(message));
  failure.rule = rule;
  failure.participants.push_back({culprit.id, culprit.debug.name, ""});
  return failure;
}

Failure WithRule(const char* rule, std::string message) {
  Failure failure = Closed(std::move(message));
  failure.rule = rule;
  return failure;
}

// A reason travels to clients in one handle-channel message together with other things.
constexpr size_t kReasonBytes = 1000;

bool OnlyAsks(const Event& event) {
  return std::holds_alternative<event::Check>(event) ||
         std::holds_alternative<event::Sync>(event) ||
         std::holds_alternative<event::GetBufferCollectionId>(event) ||
         std::holds_alternative<event::IsAlternateFor>(event);
}

}  // namespace

Collection::Collection(uint64_t id, std::shared_ptr<const Settings> settings, int64_t now_ns)
    : state_(std::make_unique<State>(id, std::move(settings), now_ns)) {}
Collection::~Collection() = default;
Effects Collection::Handle(const Event& event) { return state_->Handle(event); }
uint64_t Collection::CostOf(const Event& event) const { return state_->CostOf(event); }
bool Collection::IsConnected(NodeId node) const { return state_->IsConnected(node); }
std::optional<NodeKind> Collection::KindOf(NodeId node) const { return state_->KindOf(node); }
DebugInfo Collection::DebugOf(NodeId node) const { return state_->DebugOf(node); }
bool Collection::IsReleased(NodeId node) const { return state_->IsReleased(node); }
Snapshot Collection::TakeSnapshot() const { return state_->TakeSnapshot(); }
void Collection::TakeSlice(SnapshotWalk& walk, uint64_t changes) const {
  state_->TakeSlice(walk, changes);
}
Glance Collection::TakeGlance() const { return state_->TakeGlance(); }
std::string Collection::name() const { return state_->name(); }
uint64_t Collection::version() const { return state_->version(); }
Report Collection::Explain() const { return state_->Explain(); }
bool Collection::HasFailedEarly() const { return state_->HasFailedEarly(); }
uint64_t Collection::id() const { return state_->id(); }

Collection::State::State(uint64_t id, std::shared_ptr<const Settings> settings, int64_t now_ns)
    : id_(id), settings_(std::move(settings)), slow_log_(now_ns) {}

Effects Collection::State::Handle(const Event& event) {
  effects_.clear();
  std::visit([this](const auto& e) { On(e); }, event);
  CheckStrongNodes();
  CheckBuffers();
  const bool has_lived = failure_ || result_;
  if (!finished_ && has_lived && tree_.empty() && lives_.remaining() == 0) {
    finished_ = true;
    effects_.push_back(effect::Finished{});
  }
  // Who asked and was answered has changed nothing; who asked amiss has failed.
  if (!OnlyAsks(event) || effects_.size() > 1) ++version_;
  return std::exchange(effects_, {});
}

uint64_t Collection::State::CostOf(const Event& event) const {
  ConstraintsWeight more;
  if (const auto* const set = std::get_if<event::SetConstraints>(&event)) {
    more = WeightOf(*set);
  } else if (const auto* const close = std::get_if<event::Close>(&event)) {
    const Node* node = tree_.Find(close->node);
    if (node == nullptr || !node->connected || !node->released) return 0;
  } else if (!std::holds_alternative<event::AllChildrenPresent>(event) &&
             !std::holds_alternative<event::AllocationFinished>(event)) {
    return 0;
  }
  return AttemptCost(tree_, more, settings_->limits);
}

bool Collection::State::IsConnected(NodeId node) const {
  const Node* found = tree_.Find(node);
  return found != nullptr && found->connected;
}

std::optional<NodeKind> Collection::State::KindOf(NodeId node) const {
  return IsConnected(node) ? std::optional(tree_.Find(node)->kind) : std::nullopt;
}

bool Collection::State::IsReleased(NodeId node) const {
  return IsConnected(node) && tree_.Find(node)->released;
}

DebugInfo Collection::State::DebugOf(NodeId node) const {
  const Node* found = tree_.Find(node);
  return found != nullptr ? found->debug : DebugInfo{};
}

void Collection::State::On(const event::CreateRoot& e) {
  if (finished_ || lives_.remaining() > 0) {
    return Answer(e.call, Closed("the collection has ended"));
  }
  if (!tree_.empty() || e.node == 0) {
    return Answer(e.call, Refused(Error::kProtocolDeviation, "TREE-1", "",
                                  "a collection has one root with an id, made once"));
  }
  Node& root = tree_.AddRoot(e.node);
  if (e.bound) root.kind = NodeKind::kCollection;
  root.debug = Renamed({}, e.debug, settings_->limits.debug_name_bytes);
  Answer(e.call, Nothing{});
  effects_.push_back(effect::ArmTimer{slow_log_.deadline_ns()});
  LogStep([&] { return "created with " + Describe(root); });
}

void Collection::State::On(const event::Close& e) {
  // Closing what the daemon closed before is how clients react to that: nothing is wrong with it.
  Answer(e.call, Nothing{});
  Node* node = tree_.Find(e.node);
  if (node == nullptr || !node->connected) return;
  if (node->released) {
    BecomeOrphan(*node);
  } else {
    LoseClient(*node, e.why);
  }
}

// CONV-6, CONV-7, GONE-1.
void Collection::State::BecomeOrphan(Node& node) {
  AnswerWaits(node, Closed("the client closed this node"));
  DropLifetimeTrackings(node);  // CONV-8
  node.connected = false;
  node.weak = true;
  strength_changed_ = true;
  clients_lost_ = true;
  LogStep([&] { return Describe(node) + " was released and closed"; });
  const NodeId id = node.id;
  Attempt();
  DropSpentOrphans(id);
}

// An orphan that said nothing and has nothing below it takes part in nothing any more. A collection
// that lives long would else fill up with them. Groups count their children by index, other failure
// modes make a domain that ZERO-1 counts, and outsiders can tell that a node is there which they
// track or have a reference to: those stay.
void Collection::State::DropSpentOrphans(NodeId id) {
  while (const Node* node = tree_.Find(id)) {
    const bool spent = !node->connected && !node->constraints_set && node->children.empty() &&
                       node->kind != NodeKind::kGroup &&
                       node->failure_mode == FailureMode::kPropagate && node->trackings == 0 &&
                       !node->referenced && id != tree_.root();
    if (!spent || tree_.Get(node->parent).kind == NodeKind::kGroup) return;
    const NodeId parent = node->parent;
    effects_.push_back(
        effect::NodeClosed{id, "released and not needed any more", node->kind, node->debug.name});
    tree_.RemoveSubtree(id);
    id = parent;
  }
}

void Collection::State::LoseClient(const Node& node, const std::string& why) {
  const NodeId top = FailureDomainOf(tree_, node.id);
  const Failure departure =
      Departure("FAIL-1", node,
                Describe(node) + " was closed without Release" + (why.empty() ? "" : ": " + why));
  if (node.kind == NodeKind::kToken) {
    Log(Level::kError, departure.message, {.node = node.id, .rule = departure.rule});
  }
  // FAIL-6: that a participant ends a collection by leaving it is everyday life.
  const bool everyday = node.kind == NodeKind::kCollection && top == tree_.root();
  FailSubtree(top, departure, everyday ? Level::kDebug : Level::kInfo);
}

void Collection::State::FailSubtree(NodeId top, const Failure& why, Level level) {
  const bool whole = top == tree_.root();
  std::string text =
      whole ? "the collection fails" : "a sub-tree fails, " + Describe(tree_.Get(top));
  text += ": " + why.message;
  if (whole && slow_log_.reports() > 0 && !result_) {
    text += " (more than " + std::to_string(slow_log_.LastReportMs()) + " ms after its creation)";
  }
  if (level == Level::kDebug) {
    LogStep([&] { return text; });
  } else {
    Log(level, text);
  }
  if (whole) failure_ = why;
  if (whole && !result_) nodes_at_failure_ = TakeNodeSnapshots();
  CloseSubtree(top, why);
}

void Collection::State::CloseSubtree(NodeId top, const Failure& why) {
  const std::string reason(CutUtf8(why.message, kReasonBytes));
  const bool whole = top == tree_.root();
  last_closed_ = {ChildrenFirst(tree_, top), why};
  for (NodeId id : last_closed_.nodes) {
    Node& node = tree_.Get(id);
    AnswerWaits(node, Closed(reason));
    DropLifetimeTrackings(node);
    effects_.push_back(effect::NodeClosed{id, reason, node.kind, node.debug.name});
    if (node.founder && !whole) {
      departed_[id] = {std::move(node.debug.name), std::move(node.constraints),
                       std::move(node.must_match)};
    }
  }
  tree_.RemoveSubtree(top);
  strength_changed_ = true;
  clients_lost_ = true;
  if (whole) DropBuffers();
}

void Collection::State::CloseDomainsWithoutClients() {
  if (!std::exchange(clients_lost_, false)) return;
  while (std::optional<NodeId> idle = DomainWithoutClients(tree_)) {
    const Node& node = tree_.Get(*idle);
    const NodeId top = FailureDomainOf(tree_, *idle);
    if (*idle != tree_.root()) {
      Log(Level::kError, "no client is left below " + Describe(node) + ", failure mode " +
                             FailureModeName(node.failure_mode) + ", initial allocation " +
                             (result_ ? "done" : "not done"));
      FailSubtree(top, Departure("ZERO-2", node, "no client is left below " + Describe(node)),
                  Level::kInfo);
    } else if (result_) {
      Log(Level::kInfo, "the last client is gone");
      CloseSubtree(top, Closed("the last client is gone"));
    } else {
      FailSubtree(top, WithRule("ZERO-2", "the last client is gone, and nothing was allocated"),
                  Level::kError);
    }
  }
}

// WEAK-3. While buffers are being made nothing is decided yet; the question comes up again when
// they are there.
void Collection::State::CheckStrongNodes() {
  if (!std::exchange(strength_changed_, false)) return;
  if (tree_.empty() || under_way_ || tree_.CountStrong() > 0) return;
  if (result_) {
    DropBuffers();
    // The failure of an attached sub-tree leaves orphans standing (ZERO-3). Only the end of the
    // buffers would end them, and nobody is there any more to see the difference.
    if (tree_.Count(tree_.root()).connected == 0) CloseDomainsWithoutClients();
    return;
  }
  FailSubtree(tree_.root(),
              WithRule("WEAK-3", "only weak nodes are left, and nothing was allocated"),
              Level::kWarn);
}

void Collection::State::On(const event::HeapsChanged& e) {
  auto changed = std::make_shared<Settings>(*settings_);
  changed->heaps = e.heaps;
  changed->secure_heaps = e.secure_heaps;
  changed->no_secure_memory = e.no_secure_memory;
  const bool became_ready = settings_->no_secure_memory && !e.no_secure_memory;
  const auto before = std::exchange(settings_, changed);
  if (tree_.empty()) return;
  if (became_ready && !result_ && !under_way_) return Attempt();  // SEC-2
  if (!result_ && !under_way_) return;
  const Plan& plan = result_ ? *result_ : under_way_->agreement.plan;
  const Heap& heap = plan.settings.buffer.heap;
  if (std::find(e.lost.begin(), e.lost.end(), heap) == e.lost.end()) {
    // It may give no more, but what there is of it stays, and can be joined late.
    const HeapProperties* const known = FindHeap(heap, *before);
    if (known != nullptr && FindHeap(heap, *changed) == nullptr) changed->heaps.push_back(*known);
    return;
  }
  FailSubtree(tree_.root(),
              WithRule("EXT-4", "heap " + heap.type + " " + std::to_string(heap.id) + " is gone"),
              Level::kWarn);
}

void Collection::State::On(const event::FailRoot& e) {
  if (finished_) return;
  if (!tree_.empty()) return FailSubtree(tree_.root(), e.why, Level::kWarn);
  if (!result_) failure_ = e.why;  // ends before it began
}

void Collection::State::On(const event::Tick& e) {
  ReportLeaks(e.now_ns);
  if (tree_.empty()) return;
  if (std::exchange(owes_total_time_, false)) {
    Log(Level::kInfo, "allocated at last, " + std::to_string(slow_log_.ElapsedMs(e.now_ns)) +
                          " ms after creation");
  }
  if (result_ || !slow_log_.TakeReport(e.now_ns)) return;
  for (const std::string& line : SlowReport(slow_log_, tree_)) Log(Level::kError, line);
  if (slow_log_.more()) effects_.push_back(effect::ArmTimer{slow_log_.deadline_ns()});
}

void Collection::State::Attempt() {
  bool changed = true;
  while (changed) {
    CloseDomainsWithoutClients();
    if (under_way_) return;
    changed = false;
    for (NodeId top : EligibleSubtrees(tree_)) changed |= AttemptSubtree(top);
  }
}

bool Collection::State::AttemptSubtree(NodeId top) {
  const std::vector<NodeId> pruned = PrunedSubtree(tree_, top);
  if (!AllReady(tree_, pruned)) return false;
  if (verbose_) LogParticipants(pruned);
  GroupSearch search = result_ ? FindLateAgreement(tree_, pruned, *result_, *settings_)
                               : FindAgreement(tree_, pruned, *settings_);
  if (search.no_secure_memory == NoSecureMemory::kNotYet) {  // ATT-6
    LogStep([&] { return search.result.failure().message; });
    return false;
  }
  LogRefused(search);
  if (!search.result.ok()) {
    DeliverFailure(top,
                   Explained(search, tree_, pruned, result_ ? &*result_ : nullptr, *settings_));
    return true;
  }
  Agreement agreement = std::move(search.result).value();
  if (verbose_) LogAgreed(agreement.visible);
  if (!result_) {
    StartAllocation(std::move(agreement), InShort(search, tree_, pruned));
    return false;
  }
  // LATE-3
  LogStep(
      [&] { return Describe(tree_.Get(top)) + " and who is below it get the buffers there are"; });
  DeliverSuccess(agreement.visible);
  return true;
}

void Collection::State::LogRefused(const GroupSearch& search) {
  const bool fails = !search.result.ok();
  // The only choice there is needs no line of its own: DeliverFailure tells of it.
  if (fails ? search.refused.size() < 2 : !verbose_) return;
  for (size_t i = 0; i < search.refused.size(); ++i) {
    const std::string& choice = search.refused[i].choice;
    const Failure& why = search.refused[i].why;
    Log(fails ? Level::kError : Level::kInfo,
        "combination " + std::to_string(i) + " of group children, " + choice +
            ", does not work, rule " + why.rule + ", field \"" + why.field + "\": " + why.message +
            Culprits(why),
        {.rule = why.rule, .error = ErrorName(why.error)});
  }
}

void Collection::State::AnswerWaits(Node& node, const Failure& failure) {
  for (CallId call : std::exchange(node.waits, {})) Answer(call, failure);
}

std::string Collection::State::LogPrefix() const {
  std::string prefix = "collection " + std::to_string(id_);
  if (name_) {
    prefix += " \"";
    prefix += CutUtf8(name_->text, kNameBytesInText);
    prefix += "\"";
  }
  return prefix + ": ";
}

void Collection::State::Log(Level level, const std::string& text, effect::Log::About about) {
  about.verbose = verbose_;
  effects_.push_back(effect::Log{level, LogPrefix() + text, std::move(about)});
}

// What is left of everybody's wishes, and in which choice of the groups.
void Collection::State::LogAgreed(const std::vector<NodeId>& visible) {
  const TryParticipants participants(tree_, visible, result_ ? &*result_ : nullptr);
  const auto agreed = Agree(participants.all(), *settings_);
  std::string nodes;
  for (NodeId id : visible) {
    if (nodes.size() > kReasonBytes) {
      nodes += " ...";
      break;
    }
    nodes += " " + std::to_string(id);
  }
  Log(Level::kInfo, "chosen nodes:" + nodes + "; together they want " +
                        (agreed.ok() ? Describe(agreed.value()) : std::string("nothing")));
}

void Collection::State::LogParticipants(const std::vector<NodeId>& pruned) {
  for (NodeId id : pruned) {
    const Node& node = tree_.Get(id);
    LogStep([&] {
      const Constraints constraints = node.constraints ? *node.constraints : Constraints{};
      return Describe(node) + ", child of node " + std::to_string(node.parent) + ", " +
             (node.connected ? "" : "released, ") +
             (node.constraints_set ? "takes part: " + Describe(constraints)
                                   : "without constraints") +
             (node.must_match ? "; to match buffers: " + Describe(*node.must_match) : "");
    });
  }
}

}  // namespace sysmem::core
