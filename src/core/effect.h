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
#include "core/node_kind.h"
#include "core/plan.h"

namespace sysmem::core {

// What of one buffer a participant receives.
struct BufferShare {
  bool vmo = false;              // a hand-out of its own
  bool close_weak_asap = false;  // the signal of END-1
  bool operator==(const BufferShare&) const = default;
};

// What a waiting participant receives (5.3). Its hand-outs are known by the call it answers, until
// event HandOutEnded has told of each.
struct Grant {
  Plan plan;
  uint64_t buffer_collection_id = 0;
  bool with_buffers = false;         // RES-3: false = settings only, no descriptors
  bool weak = false;                 // RES-5: its hand-outs keep no buffer alive
  uint32_t rights = 0;               // RES-1: those of the usage AND every mask on the path
  bool writable = false;             // `rights` has the right to write
  std::vector<BufferShare> buffers;  // one for each of the plan, by index
  bool operator==(const Grant&) const = default;
};

// The part of GetVmoInfo that depends on who holds the buffer (G6, G7).
struct VmoInfo {
  uint32_t buffer = 0;
  BufferShare share;  // a vmo is weak, and known by the call it answers
  bool operator==(const VmoInfo&) const = default;
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
               Reference, VmoInfo>
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
  // What it was: for whoever tells of it, and no part of what happened.
  NodeKind kind = NodeKind::kToken;
  std::string name = {};  // its debug name
  bool operator==(const NodeClosed& other) const { return node == other.node && why == other.why; }
};

// Make plan.buffer_count buffers; answer with event AllocationFinished for the same attempt.
struct Allocate {
  AttemptId attempt = 0;
  Plan plan;
  std::string name;  // collection name at this moment, empty if none (BUF-2)
  uint64_t buffer_collection_id = 0;
  bool operator==(const Allocate&) const = default;
};

// The daemon's own strong handles to every buffer are given up (GONE-3, WEAK-3), those of an
// attempt under way included. From now on buffers live by what was handed out: event BufferGone is
// due for each of them.
struct DropBuffers {
  bool operator==(const DropBuffers&) const = default;
};

// Nothing strong is left of this buffer: tell everybody who holds its close_weak_asap (END-1).
struct CloseWeakAsap {
  uint32_t buffer = 0;
  bool operator==(const CloseWeakAsap&) const = default;
};

// Close this lifetime-tracking end (LIFE-1, LIFE-2).
struct CloseLifetimeTracking {
  TrackingId tracking = 0;
  bool operator==(const CloseLifetimeTracking&) const = default;
};

// A weak hand-out outlived the last strong one by far: an error for the log, to which the engine
// adds who was given it (END-6).
struct ReportLeak {
  uint32_t buffer = 0;
  CallId hand_out = 0;
  std::string text;
  bool operator==(const ReportLeak&) const = default;
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
  // What programs may read of it. 0 or empty: the line is about none.
  struct About {
    NodeId node = 0;
    std::string rule;
    std::string error;
    bool verbose = false;  // SetVerboseLogging was asked for
  };
  Level level = Level::kInfo;
  std::string text;
  About about = {};
  // What it is about is left out: it follows from what happened, as the text does.
  bool operator==(const Log& other) const { return level == other.level && text == other.text; }
};

// The tree is empty, no buffer is left, and nothing is pending. Sent once, as the last effect of
// its event; whatever comes later changes nothing and is only answered (kClosed, a Close with
// success).
struct Finished {
  bool operator==(const Finished&) const = default;
};

}  // namespace effect

using Effect =
    std::variant<effect::Answer, effect::NodeClosed, effect::Allocate, effect::DropBuffers,
                 effect::CloseWeakAsap, effect::CloseLifetimeTracking, effect::ReportLeak,
                 effect::ArmTimer, effect::Log, effect::Finished>;
using Effects = std::vector<Effect>;

}  // namespace sysmem::core
