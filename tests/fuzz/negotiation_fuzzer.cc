// SPDX-License-Identifier: Apache-2.0
//
// Constraints that strangers send, negotiated. Whatever they want, everybody gets an answer, and
// what is allocated is within the limits and fits the machine; so also for one who comes later.
//
// Input: a RunRequest. Each of its SetConstraints becomes a participant, the last one also the late
// comer.
#include <google/protobuf/stubs/logging.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "core/collection.h"
#include "server/transport/batch.h"
#include "sysmem2/session.pb.h"
#include "tests/fuzz/require.h"

namespace sysmem::fuzz {
namespace {

constexpr size_t kParticipantsAtMost = 5;
constexpr core::NodeId kRoot = 1;
constexpr core::NodeId kFirstParticipant = 2;
constexpr core::NodeId kLateComer = 100;

using Wishes = std::vector<std::optional<core::Constraints>>;

Wishes ReadWishes(const uint8_t* data, size_t size) {
  sysmem2::RunRequest request;
  if (!request.ParseFromArray(data, static_cast<int>(size))) return {};
  const server::transport::ReadBody body = server::transport::ParseBatch(request);
  Wishes wishes;
  for (const server::Operation& operation : body.operations) {
    const auto* message = std::get_if<server::op::NodeMessage>(&operation);
    if (message == nullptr || wishes.size() == kParticipantsAtMost) continue;
    const auto* set = std::get_if<core::event::SetConstraints>(&message->event);
    if (set != nullptr) wishes.push_back(set->constraints);
  }
  return wishes;
}

std::shared_ptr<const core::Settings> TheMachine() {
  auto settings = std::make_shared<core::Settings>();
  settings->heaps.push_back({.heap = {.type = core::kHeapSystemRam},
                             .cpu_domain = true,
                             .ram_domain = true,
                             .inaccessible_domain = true,
                             .tells_holders_apart = true,
                             .reports_end = true,
                             .reduces_rights = true});
  return settings;
}

void RequireWithinLimits(const core::Plan& plan, const core::Limits& limits) {
  const core::BufferMemorySettings& memory = plan.settings.buffer;
  Require(plan.buffer_count <= limits.buffers_per_collection, "no more buffers than allowed");
  Require(memory.size_bytes > 0, "a buffer has a size");
  Require(memory.raw_vmo_size >= memory.size_bytes, "the memory holds the buffer");
  Require(memory.raw_vmo_size % limits.page_bytes == 0, "memory comes in pages");
  Require(memory.raw_vmo_size <= limits.buffer_bytes, "no buffer is larger than allowed");
  Require(memory.raw_vmo_size * plan.buffer_count <= limits.collection_bytes,
          "no collection is larger than allowed");
}

// A collection, and the heap that serves it.
class Negotiation {
 public:
  void Say(core::Event event) {
    Take(collection_.Handle(event));
    while (under_way_ != 0) {
      const core::AttemptId attempt = std::exchange(under_way_, 0);
      Take(collection_.Handle(core::event::AllocationFinished{.attempt = attempt}));
    }
  }
  // Binds a token and says what it wants; its wait is to be answered.
  void Join(core::NodeId node, const std::optional<core::Constraints>& wish) {
    Say(core::event::Bind{.call = Call(), .node = node});
    Say(core::event::SetConstraints{.call = Call(), .node = node, .constraints = wish});
    Say(core::event::Wait{.call = Call(), .node = node});
  }
  core::CallId Call() {
    open_.insert(++last_call_);
    return last_call_;
  }
  bool AllAnswered() const { return open_.empty(); }
  const core::Collection& collection() const { return collection_; }

 private:
  void Take(const core::Effects& effects) {
    for (const core::Effect& effect : effects) {
      if (const auto* answer = std::get_if<core::effect::Answer>(&effect)) {
        Require(open_.erase(answer->call) == 1, "a call is answered once");
      }
      if (const auto* allocate = std::get_if<core::effect::Allocate>(&effect)) {
        RequireWithinLimits(allocate->plan, settings_->limits);
        under_way_ = allocate->attempt;
      }
    }
  }

  const std::shared_ptr<const core::Settings> settings_ = TheMachine();
  core::Collection collection_{/*id=*/7, settings_, /*now_ns=*/0};
  core::AttemptId under_way_ = 0;
  core::CallId last_call_ = 0;
  std::set<core::CallId> open_;
};

void Negotiate(const Wishes& wishes) {
  Negotiation all;
  all.Say(core::event::CreateRoot{.call = all.Call(), .node = kRoot});
  for (size_t i = 0; i + 1 < wishes.size(); ++i) {
    all.Say(core::event::Duplicate{.call = all.Call(),
                                   .node = kRoot,
                                   .child = kFirstParticipant + i,
                                   .rights_mask = core::kSameRights});
  }
  for (size_t i = 0; i + 1 < wishes.size(); ++i) all.Join(kFirstParticipant + i, wishes[i]);
  all.Join(kRoot, wishes.back());
  Require(all.AllAnswered(), "when all have spoken, all are answered");
  all.Say(core::event::AttachToken{
      .call = all.Call(), .node = kRoot, .child = kLateComer, .rights_mask = core::kSameRights});
  all.Join(kLateComer, wishes.back());
  Require(all.AllAnswered(), "who comes late is answered");
  (void)all.collection().TakeSnapshot();
}

}  // namespace
}  // namespace sysmem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool kQuiet = [] {
    google::protobuf::SetLogHandler(nullptr);  // it would tell of every string that is no UTF-8
    return true;
  }();
  const auto wishes = sysmem::fuzz::ReadWishes(data, size);
  if (kQuiet && !wishes.empty()) sysmem::fuzz::Negotiate(wishes);
  return 0;
}
