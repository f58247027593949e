// SPDX-License-Identifier: Apache-2.0
//
// A core::Collection with everything it ever did, for tests.
//
//   Harness h;
//   h.Say(event::CreateRoot{.node = 1});
//   CallId wait = h.Say(event::Wait{.node = 1});
//   EXPECT_EQ(h.OutcomeOf(wait), Outcome::kRefused);
//
// Say gives the event a call id of its own and returns it; Do passes an event on as it is. The
// heap is played by FinishAllocation and RefuseAllocation. Whoever was handed buffers lets go of
// them when the daemon does, unless the test says HoldBuffers.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/collection.h"
#include "core/negotiate.h"

namespace sysmem::core::test {

using Ids = std::vector<NodeId>;

inline std::shared_ptr<Settings> SystemRamOnly() {
  auto settings = std::make_shared<Settings>();
  settings->heaps.push_back({.heap = {.type = kHeapSystemRam},
                             .cpu_domain = true,
                             .ram_domain = true,
                             .inaccessible_domain = true,
                             .tells_holders_apart = true,
                             .reports_end = true,
                             .reduces_rights = true});
  return settings;
}

// Recipe K-PICKY(size) of conformance.md 0.5.
inline Constraints Picky(uint64_t size) {
  Constraints c;
  c.usage = BufferUsage{.cpu = kCpuUsageReadOften | kCpuUsageWriteOften};
  c.min_buffer_count_for_camping = 1;
  c.memory = MemoryConstraints{.min_size_bytes = size,
                               .max_size_bytes = size,
                               .physically_contiguous_required = false,
                               .secure_required = false,
                               .cpu_domain_supported = true,
                               .ram_domain_supported = false,
                               .inaccessible_domain_supported = false};
  return c;
}

// Recipe K-CAMP(count).
inline Constraints Camping(uint32_t count) {
  Constraints c = Picky(4096);
  c.min_buffer_count_for_camping = count;
  return c;
}

class Harness {
 public:
  static constexpr uint64_t kId = 77;
  static constexpr int64_t kBorn = 1'000'000'000;

  explicit Harness(std::shared_ptr<const Settings> settings = SystemRamOnly())
      : collection_(kId, std::move(settings), kBorn) {}

  // The effects of this one event, and of the end of the buffers if it brought that about.
  Effects Do(const Event& event) {
    const size_t before = all_.size();
    Handle(event);
    if (!hold_buffers_ && drops_ > 0) LetGoOfBuffers();
    return {all_.begin() + static_cast<std::ptrdiff_t>(before), all_.end()};
  }

  // From now on hand-outs live until the test says LetGo.
  void HoldBuffers() { hold_buffers_ = true; }
  // Nothing is left of what this call was answered with, of one buffer.
  void LetGo(CallId call, uint32_t buffer) {
    std::erase(hand_outs_, std::pair(call, buffer));
    Handle(event::HandOutEnded{call, buffer});
  }
  void LetGo(CallId call) {
    const auto all = hand_outs_;
    for (const auto& [of, buffer] : all) {
      if (of == call) LetGo(call, buffer);
    }
  }
  // Nobody has the buffer any more.
  void EndBuffer(uint32_t buffer) {
    const auto all = hand_outs_;
    for (const auto& [call, of] : all) {
      if (of == buffer) LetGo(call, buffer);
    }
    Handle(event::BufferGone{buffer});
  }

  template <typename Message>
  CallId Say(Message message) {
    message.call = ++last_call_;
    Do(message);
    return last_call_;
  }

  // A root token with `children` duplicates, ids 1, 2, 3 ...
  void MakeTokens(size_t children) {
    Say(event::CreateRoot{.node = 1});
    for (size_t i = 0; i < children; ++i) {
      Say(event::Duplicate{.node = 1, .child = 2 + i, .rights_mask = kSameRights});
    }
  }
  CallId Constrain(NodeId node, std::optional<Constraints> constraints) {
    return Say(event::SetConstraints{.node = node, .constraints = std::move(constraints)});
  }
  void BindAndConstrain(NodeId node, std::optional<Constraints> constraints) {
    Say(event::Bind{.node = node});
    Constrain(node, std::move(constraints));
  }
  void ReleaseAndClose(NodeId node) {
    Say(event::Release{.node = node});
    Say(event::Close{.node = node, .why = "handle closed"});
  }

  // The heap answers the latest Allocate.
  void FinishAllocation() {
    Do(event::AllocationFinished{.attempt = Last<effect::Allocate>()->attempt});
  }
  void RefuseAllocation() {
    Failure no_memory;
    no_memory.error = Error::kNoMemory;
    no_memory.message = "the heap is full";
    Do(event::AllocationFinished{.attempt = Last<effect::Allocate>()->attempt,
                                 .failure = no_memory});
  }

  const effect::Answer* AnswerTo(CallId call) const {
    for (const Effect& e : all_) {
      const auto* answer = std::get_if<effect::Answer>(&e);
      if (answer != nullptr && answer->call == call) return answer;
    }
    return nullptr;
  }
  bool Pending(CallId call) const { return AnswerTo(call) == nullptr; }
  bool Succeeded(CallId call) const {
    return !Pending(call) && !std::holds_alternative<Failure>(AnswerTo(call)->result);
  }
  std::optional<Grant> GrantOf(CallId call) const { return ResultOf<Grant>(call); }
  std::optional<Failure> FailureOf(CallId call) const { return ResultOf<Failure>(call); }
  std::optional<Outcome> OutcomeOf(CallId call) const {
    std::optional<Failure> failure = FailureOf(call);
    return failure ? std::optional(failure->outcome) : std::nullopt;
  }
  std::optional<Error> ErrorOf(CallId call) const {
    std::optional<Failure> failure = FailureOf(call);
    return failure && failure->outcome == Outcome::kError ? std::optional(failure->error)
                                                          : std::nullopt;
  }
  // "rule field" of a refused call, "" if it was not refused.
  std::string RefusedBy(CallId call) const {
    std::optional<Failure> failure = FailureOf(call);
    if (!failure || failure->outcome != Outcome::kRefused) return "";
    return failure->field.empty() ? failure->rule : failure->rule + " " + failure->field;
  }

  // Nodes in the order in which the collection closed them.
  std::vector<NodeId> ClosedNodes() const {
    std::vector<NodeId> nodes;
    for (const Effect& e : all_) {
      if (const auto* closed = std::get_if<effect::NodeClosed>(&e)) nodes.push_back(closed->node);
    }
    return nodes;
  }
  template <typename Kind>
  size_t Count() const {
    return static_cast<size_t>(std::count_if(
        all_.begin(), all_.end(), [](const Effect& e) { return std::holds_alternative<Kind>(e); }));
  }
  template <typename Kind>
  const Kind* Last() const {
    for (auto e = all_.rbegin(); e != all_.rend(); ++e) {
      if (const Kind* found = std::get_if<Kind>(&*e)) return found;
    }
    return nullptr;
  }
  bool Finished() const { return Count<effect::Finished>() > 0; }
  // Lines logged at this level that hold `part`.
  std::vector<std::string> Logged(effect::Log::Level level, const std::string& part = "") const {
    std::vector<std::string> lines;
    for (const Effect& e : all_) {
      const auto* log = std::get_if<effect::Log>(&e);
      if (log != nullptr && log->level == level && log->text.find(part) != std::string::npos) {
        lines.push_back(log->text);
      }
    }
    return lines;
  }

  bool IsConnected(NodeId node) const { return collection_.IsConnected(node); }
  const Collection& collection() const { return collection_; }
  Snapshot Look() const { return collection_.TakeSnapshot(); }
  NodeSnapshot Look(NodeId node) const {
    for (const NodeSnapshot& one : Look().nodes) {
      if (one.id == node) return one;
    }
    ADD_FAILURE() << "there is no node " << node;
    return NodeSnapshot{};
  }
  const Effects& all() const { return all_; }

 private:
  void Handle(const Event& event) {
    for (Effect& effect : collection_.Handle(event)) {
      if (const auto* answer = std::get_if<effect::Answer>(&effect)) Note(*answer);
      if (std::holds_alternative<effect::DropBuffers>(effect)) ++drops_;
      all_.push_back(std::move(effect));
    }
  }
  void Note(const effect::Answer& answer) {
    if (const auto* grant = std::get_if<Grant>(&answer.result)) {
      for (uint32_t i = 0; i < grant->buffers.size(); ++i) {
        if (grant->buffers[i].vmo) hand_outs_.emplace_back(answer.call, i);
      }
    }
    const auto* info = std::get_if<VmoInfo>(&answer.result);
    if (info != nullptr && info->share.vmo) hand_outs_.emplace_back(answer.call, info->buffer);
  }
  void LetGoOfBuffers() {
    drops_ = 0;
    const auto count = static_cast<uint32_t>(Look().buffers.size());
    for (uint32_t i = 0; i < count; ++i) EndBuffer(i);
  }

  template <typename T>
  std::optional<T> ResultOf(CallId call) const {
    const effect::Answer* answer = AnswerTo(call);
    const T* result = answer == nullptr ? nullptr : std::get_if<T>(&answer->result);
    return result == nullptr ? std::nullopt : std::optional<T>(*result);
  }

  Collection collection_;
  CallId last_call_ = 0;
  Effects all_;
  bool hold_buffers_ = false;
  size_t drops_ = 0;
  std::vector<std::pair<CallId, uint32_t>> hand_outs_;  // that live
};

}  // namespace sysmem::core::test
