// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/cast.h"

#include <utility>

#include "tools/sysmemctl/client_constraints.h"

namespace sysmem::ctl {
namespace {

constexpr uint32_t kReadOnly = core::kHandOutRights & ~core::kRightWrite;

uint32_t MaskOf(const scenario::Node& node) {
  return node.read_only ? kReadOnly : SYSMEM_SAME_RIGHTS;
}

}  // namespace

Cast::Cast(Client& client, const scenario::Scenario& scenario, Faults faults)
    : client_(client), scenario_(scenario), faults_(std::move(faults)) {
  const std::vector<scenario::Node>& nodes = scenario_.nodes;
  parts_.resize(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    comes_with_.push_back(i == 0 || nodes[i].attached ? i : comes_with_[nodes[i].parent]);
  }
}

Result<void> Cast::Play(Deadline deadline) {
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (comes_with_[i] != i) continue;
    if (i != 0 && !parts_[scenario_.nodes[i].parent].buffers) continue;  // nothing to attach to
    if (Result<void> joined = Join(i, deadline); !joined.ok()) return joined;
  }
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (faults_.leaving.contains(scenario_.nodes[i].name)) Leave(i);
  }
  if (Result<void> heard = client_.Roundtrip(); !heard.ok()) return heard;
  if (!faults_.leaving.empty()) AwaitSignals(deadline);
  return {};
}

// Once nobody holds them strongly, until the weak ones have been told to let go.
void Cast::AwaitSignals(Deadline deadline) const {
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (parts_[i].buffers && !scenario_.nodes[i].weak) return;
  }
  for (const Part& part : parts_) {
    for (size_t i = 0; part.buffers && i < part.buffers->count(); ++i) {
      const int signal = (*part.buffers)[i].close_weak_asap_fd;
      if (signal >= 0) static_cast<void>(AwaitHangup(signal, deadline));
    }
  }
}

// `top` and those who come with it: the tokens first, then what they say, then what it brings.
Result<void> Cast::Join(size_t top, Deadline deadline) {
  const auto each = [&](const auto& action) -> Result<void> {
    for (size_t i = top; i < parts_.size(); ++i) {
      if (comes_with_[i] != top) continue;
      if (Result<void> done = action(i); !done.ok()) return done;
    }
    return {};
  };
  Result<void> made = each([&](size_t i) -> Result<void> {
    Result<void> there = i == top ? MakeTop(i) : Make(i);
    return there.ok() ? Prepare(i) : there;
  });
  if (!made.ok()) return made;
  Result<void> closed = each([&](size_t i) -> Result<void> {
    if (!IsGroup(i)) return {};
    Result<void> present = parts_[i].group->AllChildrenPresent();
    parts_[i].group.reset();
    return present;
  });
  if (!closed.ok()) return closed;
  for (const bool leaves : {true, false}) {
    Result<void> spoken = each([&](size_t i) -> Result<void> {
      if (IsGroup(i) || scenario_.nodes[i].released != leaves) return {};
      return Speak(i);
    });
    if (!spoken.ok()) return spoken;
  }
  // Also where nobody waits long, everything has been said.
  if (Result<void> heard = client_.Roundtrip(); !heard.ok()) return heard;
  return each([&](size_t i) { return Await(i, deadline); });
}

Result<void> Cast::MakeTop(size_t top) {
  if (top != 0) {
    Result<Token> token =
        parts_[scenario_.nodes[top].parent].collection->AttachToken(MaskOf(scenario_.nodes[top]));
    if (!token.ok()) return token.failure();
    parts_[top].token.emplace(*std::move(token));
    return {};
  }
  Result<Token> token = client_.CreateToken();
  if (!token.ok()) return token.failure();
  Result<uint64_t> id = token->GetBufferCollectionId();
  if (!id.ok()) return id.failure();
  collection_id_ = *id;
  parts_[top].token.emplace(*std::move(token));
  return {};
}

Result<Token> Cast::MakeToken(size_t parent, uint32_t rights_mask) {
  Part& from = parts_[parent];
  return from.group ? from.group->CreateChild(rights_mask) : from.token->Duplicate(rights_mask);
}

Result<void> Cast::Make(size_t i) {
  const scenario::Node& node = scenario_.nodes[i];
  if (!IsGroup(i)) {
    Result<Token> token = MakeToken(node.parent, MaskOf(node));
    if (!token.ok()) return token.failure();
    parts_[i].token.emplace(*std::move(token));
    return {};
  }
  // Groups are made from tokens, so a group in a group needs one in between, which then goes.
  std::optional<Token> between;
  if (IsGroup(node.parent)) {
    Result<Token> token = MakeToken(node.parent, SYSMEM_SAME_RIGHTS);
    if (!token.ok()) return token.failure();
    between.emplace(*std::move(token));
  }
  Result<Group> group = (between ? *between : *parts_[node.parent].token).CreateGroup();
  if (!group.ok()) return group.failure();
  parts_[i].group.emplace(*std::move(group));
  return {};
}

Result<void> Cast::Prepare(size_t i) {
  const scenario::Node& node = scenario_.nodes[i];
  if (IsGroup(i)) return parts_[i].group->SetDebugClientInfo(node.name, 0);
  Token& token = *parts_[i].token;
  Result<void> done = token.SetDebugClientInfo(node.name, 0);
  if (done.ok() && node.dispensable) done = token.SetDispensable();
  if (done.ok() && node.weak) done = token.SetWeak();
  if (done.ok() && node.weak) done = token.SetWeakOk(/*for_child_nodes_also=*/true);
  return done;
}

Result<void> Cast::Speak(size_t i) {
  const scenario::Node& node = scenario_.nodes[i];
  Part& part = parts_[i];
  if (faults_.unbound.contains(node.name)) return {};
  if (node.released && !node.constraints) {
    part.token.reset();
    return {};
  }
  // CONV-5: a collection gets the name that its allocator has when it is bound.
  if (Result<void> named = client_.SetDebugClientInfo(node.name, 0); !named.ok()) return named;
  Result<Collection> bound = std::move(*part.token).Bind();
  part.token.reset();
  if (!bound.ok()) return bound.failure();
  part.collection.emplace(*std::move(bound));
  if (faults_.silent.contains(node.name)) return {};
  const std::optional<Constraints> needs =
      node.constraints ? std::optional(ToClient(*node.constraints)) : std::nullopt;
  if (Result<void> said = part.collection->SetConstraints(needs); !said.ok()) return said;
  if (node.released) {
    part.collection.reset();
    return {};
  }
  // It goes on when nobody here has the patience any more: as those of real programs would.
  Result<PendingWait> wait = part.collection->StartWait(Deadline::Never());
  if (!wait.ok()) return wait.failure();
  part.wait.emplace(*std::move(wait));
  return {};
}

Result<void> Cast::Await(size_t i, Deadline deadline) {
  Part& part = parts_[i];
  if (!part.wait) return {};
  Result<Buffers> brought = part.wait->Finish(deadline);
  if (!brought.ok() && brought.failure().status == Status::kTimeout) return brought.failure();
  part.wait.reset();
  if (brought.ok()) {
    part.buffers.emplace(*std::move(brought));
    return {};
  }
  if (brought.failure().status == Status::kDisconnected) return brought.failure();
  part.failure = brought.failure();
  return {};
}

bool Cast::WasNotChosen(size_t i) const {
  const size_t top = comes_with_[i];
  if (!parts_[i].failure || !parts_[top].buffers) return false;
  while (i != top) {
    i = scenario_.nodes[i].parent;
    if (IsGroup(i)) return true;
  }
  return false;
}

void Cast::Leave(size_t i) {
  parts_[i].buffers.reset();
  parts_[i].collection.reset();
}

}  // namespace sysmem::ctl
