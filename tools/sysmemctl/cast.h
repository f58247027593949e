// SPDX-License-Identifier: Apache-2.0
//
// The participants of a scenario, played against a real daemon.
//
//   Cast cast(client, scenario, {});
//   if (Result<void> played = cast.Play(deadline); !played.ok()) ...
//   for (const Cast::Part& part : cast.parts()) ...
//
// They are nodes of one session. They say what they do in a simulation, in the same order.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <sysmem/sysmem.hpp>
#include <vector>

#include "scenario/scenario.h"

namespace sysmem::ctl {

// Faults to play, by the names of participants.
struct Faults {
  std::set<std::string> unbound;  // never bind their token
  std::set<std::string> silent;   // bind it, and never say what they need
  std::set<std::string> leaving;  // let go of everything as soon as they have their buffers
};

class Cast {
 public:
  // What one participant or group has at the moment.
  struct Part {
    std::optional<Token> token;
    std::optional<Collection> collection;
    std::optional<Group> group;
    std::optional<PendingWait> wait;
    std::optional<Buffers> buffers;
    std::optional<Failure> failure;  // what its wait brought instead
  };

  // Both must outlive it.
  Cast(Client& client, const scenario::Scenario& scenario, Faults faults);

  // Everything up to the buffers, or until `deadline`. Failures of the negotiation are in the
  // parts; this one fails with the session, or with TIMEOUT when somebody has not answered by then.
  Result<void> Play(Deadline deadline);

  // 0 before Play.
  uint64_t collection_id() const { return collection_id_; }
  // One for each node of the scenario, in its order.
  const std::vector<Part>& parts() const { return parts_; }
  // It has nothing because a group chose another of its children: no failure.
  bool WasNotChosen(size_t i) const;

 private:
  bool IsGroup(size_t i) const { return scenario_.nodes[i].kind == scenario::Node::Kind::kGroup; }
  Result<void> Join(size_t top, Deadline deadline);
  Result<void> MakeTop(size_t top);
  Result<void> Make(size_t i);
  Result<Token> MakeToken(size_t parent, uint32_t rights_mask);
  Result<void> Prepare(size_t i);
  Result<void> Speak(size_t i);
  Result<void> Await(size_t i, Deadline deadline);
  void Leave(size_t i);
  void AwaitSignals(Deadline deadline) const;

  Client& client_;
  const scenario::Scenario& scenario_;
  const Faults faults_;
  std::vector<Part> parts_;
  std::vector<size_t> comes_with_;  // the root, or the attached one above
  uint64_t collection_id_ = 0;
};

}  // namespace sysmem::ctl
