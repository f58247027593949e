// SPDX-License-Identifier: Apache-2.0
//
// What the daemon tells about itself: plain values for GetServerInfo and the Inspect service.
// Made by the engine, encoded by the transport.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/heap_properties.h"
#include "core/report.h"
#include "core/snapshot.h"
#include "server/heap_policy.h"
#include "server/sight.h"

namespace sysmem::server {

struct NamedLimit {
  std::string name;
  uint64_t value = 0;
  std::string unit;
  std::string reason;
  std::optional<uint64_t> used;  // how close we are, where it is counted
};

// What is counted and has no limit of its own.
struct NamedCounter {
  std::string name;
  uint64_t value = 0;
  std::string unit;
  std::string description;
};

struct HeapInfo {
  core::HeapProperties properties;
  bool usable = true;
  std::string why_unusable;  // empty when usable
  std::string remedy;        // likewise, or when nobody knows one
  std::string backing;       // what stands behind it; empty: its type tells
  uint64_t live_buffers = 0;
  uint64_t live_bytes = 0;
  bool secure = false;
  std::vector<NamedCounter> figures;
  // By the configuration: the owner's policy, if there is one, and the place among the preferred
  // heaps, from 1; 0: it is none of them.
  std::optional<HeapPolicy> policy;
  uint32_t preference = 0;
  // Whether whoever asks may use it. `policy->users` are told to those who see everything.
  bool may_use = true;
};

struct ServerInfo {
  std::string version;
  std::vector<std::string> features;
  std::vector<HeapInfo> heaps;
  std::vector<NamedLimit> limits;
};

// Who is on the other side. Only the uid is evidence; pid and command are labels (pids are reused).
struct PeerInfo {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string command;
  std::string library;  // Hello.library, as claimed
  // The daemon's group of administrators is among its groups, of which `gid` is the first alone.
  bool in_admin_group = false;
  bool known = true;  // false: the one who asks may not know who it is; nothing else is set then
};

// What is alive of one user's: of those who began the collections.
struct UserTotals {
  uid_t uid = 0;
  uint64_t live_buffers = 0;
  uint64_t live_bytes = 0;
  uint64_t descriptors = 0;  // that the daemon keeps for them
};

struct StatusInfo {
  std::string version;
  pid_t pid = 0;
  uid_t uid = 0;
  int64_t uptime_ns = 0;
  uint64_t sessions = 0;
  uint64_t collections = 0;
  uint64_t nodes = 0;
  uint64_t exported_nodes = 0;
  uint64_t live_buffers = 0;  // held by the daemon
  uint64_t live_bytes = 0;
  uint64_t descriptors_open = 0;
  uint64_t descriptors_limit = 0;
  uint64_t resident_bytes = 0;
  uint64_t calls_pending = 0;     // held or waiting
  bool sees_everything = false;   // the one who asks; the figures cover everything all the same
  std::vector<UserTotals> users;  // that he may see
  std::vector<NamedLimit> limits;
  std::vector<NamedCounter> counters;
};

// Who holds a node right now.
struct HolderInfo {
  core::NodeId node = 0;
  bool exported = false;       // travelling in a socketpair end
  uint64_t exported_koid = 0;  // its SO_COOKIE
  uint64_t session_id = 0;     // else the session that holds it ...
  uint64_t handle = 0;         // ... under this number
  PeerInfo peer;               // that session's peer (or the exporter's, when exported)
  int64_t age_ns = 0;          // since it has it, or the node travels
};

// How descriptors were opened.
struct HandOutInfo {
  uint32_t rights = 0;              // RES-1
  bool read_only = false;           // made without write access
  bool read_only_enforced = false;  // false = same uid as the daemon, or a heap that cannot
  core::HeapProperties heap;        // abilities of the heap the buffers come from
};

// One hand-out of a buffer that lives.
struct HolderOfBuffer {
  core::NodeId node = 0;   // 0: GetVmoInfo
  std::string debug_name;  // the node's, or the allocator's, when it was handed out
  PeerInfo peer;           // the process it was sent to
  uint64_t session_id = 0;
  bool weak = false;
  bool read_only = false;
  bool read_only_enforced = false;
  int64_t age_ns = 0;
};

struct BufferInfo {
  uint64_t index = 0;
  std::string name;  // empty if the collection had none when the buffer was made
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size_bytes = 0;  // of the memory object
  std::optional<uint64_t> physical_address;
  uint64_t hand_outs = 0;  // given out so far
  bool gone = false;
  core::BufferState state = core::BufferState::kStrong;
  std::vector<HolderOfBuffer> holders;
  bool untracked_holder = false;  // somebody has it who is not among them
};

struct CollectionSummary {
  uint64_t buffer_collection_id = 0;
  std::string name;
  core::CollectionState state = core::CollectionState::kWaiting;
  uint64_t nodes = 0;
  uint64_t connected = 0;
  uint64_t buffers = 0;
  uint64_t total_bytes = 0;
  PeerInfo creator;
  int64_t age_ns = 0;
};

// So many nodes and buffers are shown at a time.
inline constexpr uint64_t kMostItemsInPage = 1000;

// A page of what there is to see.
struct CollectionDetail {
  CollectionSummary summary;
  // The first of the nodes and, after these, buffers that are in the page; and the first after it,
  // if there is any.
  uint64_t first_item = 0;
  std::optional<uint64_t> next_item;
  Sight seen_by;  // who begins it, and holds or held a node or a buffer of it
  core::Snapshot snapshot;
  std::vector<HolderInfo> holders;  // by rising node
  std::vector<BufferInfo> buffers;
  // Why the plan is as it is, or why there is none. Set where it was asked for.
  std::shared_ptr<const core::ReportText> explanation;
};

class BufferSet;

// A collection in short, before it is known whether whoever asks may see it.
struct CollectionGlance {
  CollectionSummary summary;  // without its buffers
  core::Glance seen;
  Sight seen_by;
  std::shared_ptr<BufferSet> buffers;  // null while there are none
};

// Hand-outs that live, of one session; each buffer counts once.
struct Holdings {
  uint64_t buffers = 0;
  uint64_t bytes = 0;
  uint64_t hand_outs = 0;
};

// So many collections of a session are told. A compositor has some tens; more would only make the
// list of sessions long.
inline constexpr uint64_t kMostCollectionsOfSession = 1000;

struct SessionInfo {
  uint64_t id = 0;
  PeerInfo peer;
  bool open = true;
  uint64_t handles = 0;
  uint64_t waits_pending = 0;
  uint64_t calls_held = 0;
  uint64_t next_number = 0;
  int64_t age_ns = 0;
  int64_t ended_ns = 0;               // CLOCK_MONOTONIC of its end; 0 while open
  int64_t ended_ago_ns = 0;           // counted when it is asked for
  std::string end_reason;             // name of the reason, empty while open: "SEQUENCE_GAP"
  std::string end_message;            // one sentence
  std::vector<uint64_t> collections;  // ids of those in which it holds, or held last, nodes; rising
  uint64_t collections_left_out = 0;  // greater ones
  uint64_t descriptors_unread = 0;    // sent to it
  Holdings holdings;                  // counted when it is asked for
};

}  // namespace sysmem::server
