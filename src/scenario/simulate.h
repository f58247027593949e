// SPDX-License-Identifier: Apache-2.0
//
// Plays a scenario through the core: the messages that its participants would send, in a well-
// behaved order, to a heap that always delivers. No daemon and no memory is needed.
//
//   Outcome outcome = Simulate(scenario);
//   if (outcome.plan) ... else Explain(*outcome.failure);
//
// The order: the root makes everybody's tokens; who is released says what it needs and goes; the
// others say what they need and wait; then those who are attached come, one after the other in the
// order of the nodes. Deterministic. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/effect.h"
#include "core/event.h"
#include "core/failure.h"
#include "core/plan.h"
#include "core/report.h"
#include "scenario/scenario.h"

namespace sysmem::scenario {

// What became of one node.
enum class Fate : uint8_t {
  kTakesPart,  // it shares the buffers, or its constraints went into them
  kNotNeeded,  // an alternative of a group; an earlier one works
  kUnfit,      // an alternative that does not work with the others; a later one does
  kFailed,     // with everybody, or, attached, alone
  kNeverCame,  // attached to somebody who is gone
};

struct NodeOutcome {
  Fate fate = Fate::kTakesPart;
  std::optional<core::Grant> grant;      // of participants that waited for buffers
  std::optional<core::Failure> failure;  // of those that waited in vain
};

struct Step {
  core::Event event;
  core::Effects effects;
};

// Of the collection that is simulated.
inline constexpr uint64_t kCollectionId = 2;
inline constexpr int64_t kBornNs = 0;

struct Outcome {
  // What was agreed on by those who were there at the beginning, or why nothing was.
  std::optional<core::Plan> plan;
  std::optional<core::Failure> failure;
  core::Report report;             // why; of those who came later each failure has its own
  std::vector<NodeOutcome> nodes;  // of Scenario::nodes, in the same order
  std::vector<Step> steps;         // all that was said and answered
  // The scenario's own, with room for nodes that the file does not name.
  std::shared_ptr<const core::Settings> settings;
};

// Number of a node in events and failures.
constexpr core::NodeId IdOf(size_t position) { return position + 1; }

Outcome Simulate(const Scenario& scenario);

}  // namespace sysmem::scenario
