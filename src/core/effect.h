// SPDX-License-Identifier: Apache-2.0
//
// Everything one logical buffer collection can want from the world.
//
// Collection::Handle returns effects in the order in which they must become visible: an Answer
// that stands before a NodeClosed must reach the client before it (DEL-3). The engine carries them
// out after the call, never inside it.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/event.h"
#include "core/plan.h"

namespace sysmem::core {

// What a waiting participant receives (5.3). The engine makes one hand-out per buffer for it.
struct Grant {
  Plan plan;
  uint64_t buffer_collection_id = 0;
  bool with_buffers = false;  // RES-3: false = settings only, no descriptors
  uint32_t rights = 0;        // RES-1: those of the usage AND every mask on the path
  bool writable = false;      // `rights` has the right to write
  bool operator==(const Grant&) const = default;
};

// Whoever receives it may name the node to others, who may ask IsAlternateFor about it.
struct Reference {
  NodeId node = 0;
  bool operator==(const Reference&) const = default;
};

namespace effect {

// The one answer to the event with this call id.
struct Answer {
  CallId call = 0;
  std::variant<Nothing, uint64_t /* buffer collection id */, Grant, Failure, bool /* alternate */,
               Reference>
      result;
  bool operator==(const Answer&) const = default;
};

// The daemon has closed this node: whoever holds it learns of it. The node no longer exists. Every
// node gets exactly one, children before their parents, also where nobody is left to be told: an
// orphan, or the node whose own Close brought its domain down. What was kept for the node ends with
// it: its constraints count no more, so now is the time to close its tracking ends (TRK-1).
struct NodeClosed {
  NodeId node = 0;
  std::string why;  // for people; clients get no error code (FAIL-4)
  bool operator==(const NodeClosed&) const = default;
};

// Make plan.buffer_count buffers; answer with event AllocationFinished for the same attempt.
struct Allocate {
  AttemptId attempt = 0;
  Plan plan;
  std::string name;  // collection name at this moment, empty if none (BUF-2)
  uint64_t buffer_collection_id = 0;
  bool operator==(const Allocate&) const = default;
};

// Drop the daemon's own handles to every buffer (GONE-3), those of an attempt under way included.
struct DropBuffers {
  bool operator==(const DropBuffers&) const = default;
};

// Send a Tick at or after this time. Replaces the earlier one.
struct ArmTimer {
  int64_t deadline_ns = 0;
  bool operator==(const ArmTimer&) const = default;
};

// A line for the log (6.4). Client-supplied text in it is already escaped by nobody: the engine
// escapes when it prints.
struct Log {
  enum class Level : uint8_t { kDebug, kInfo, kWarn, kError };
  Level level = Level::kInfo;
  std::string text;
  bool operator==(const Log&) const = default;
};

// The tree is empty and nothing is pending. Sent once, as the last effect of its event; whatever
// comes later changes nothing and is only answered (kClosed, a Close with success).
struct Finished {
  bool operator==(const Finished&) const = default;
};

}  // namespace effect

using Effect = std::variant<effect::Answer, effect::NodeClosed, effect::Allocate,
                            effect::DropBuffers, effect::ArmTimer, effect::Log, effect::Finished>;
using Effects = std::vector<Effect>;

}  // namespace sysmem::core
