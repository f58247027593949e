// SPDX-License-Identifier: Apache-2.0
//
// What happens in the daemon, one thing at a time, as Inspect.NextEvents tells it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/failure.h"
#include "core/heap_properties.h"
#include "core/snapshot.h"
#include "server/inspection.h"

namespace sysmem::server {

// The protocol's EventKind says what each means and which fields it sets.
enum class WatchKind : uint8_t {
  kSessionOpened,
  kSessionEnded,
  kCollectionBegun,
  kCollectionNamed,
  kCollectionFailed,
  kCollectionEnded,
  kNodeMade,
  kNodeBound,
  kNodeReady,
  kNodeReleased,
  kNodeClosed,
  kNodeFailed,
  kAllocationBegun,
  kAllocationSucceeded,
  kAllocationFailed,
  kAllocationSlow,
  kBufferGone,
  kWeakBufferHeld,
  kHeapUsable,
  kHeapUnusable,
  kProviderCame,
  kProviderWent,
  kLimitReached,
};

struct WatchEvent {
  WatchKind kind = WatchKind::kSessionOpened;
  int64_t time_ns = 0;  // CLOCK_REALTIME
  uint64_t buffer_collection_id = 0;
  std::string collection_name;
  core::NodeId node = 0;
  std::optional<core::NodeKind> node_kind;
  std::string debug_name;
  uint64_t session_id = 0;
  PeerInfo peer{.known = false};  // who
  uint32_t buffers = 0;
  uint64_t bytes = 0;  // of all of them
  core::Heap heap{.type = ""};
  std::optional<int64_t> duration_ns;
  std::optional<uint32_t> buffer_index;
  core::Error error = core::Error::kUnspecified;
  std::string rule;
  std::string message;  // one sentence, names in it escaped
};

// NextEvents' result.
struct WatchedEvents {
  struct Numbered {
    uint64_t number = 0;
    WatchEvent event;
  };
  std::vector<Numbered> events;
  uint64_t next_after = 0;
  uint64_t lost = 0;
};

}  // namespace sysmem::server
