// SPDX-License-Identifier: Apache-2.0
//
// The daemon without its wire: sessions, collections, heaps.
//
// The transport opens sessions and submits parsed requests; tests do the same without any gRPC.
// One core per logical collection runs behind its own mailbox (collection_host.h); sessions meet
// only in there and in the export table. Locks are leaves: never two at once, none while calling
// the transport, closing a foreign descriptor or logging.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "core/effect.h"
#include "core/settings.h"
#include "heaps/discovery.h"
#include "heaps/heap.h"
#include "heaps/reservation_gate.h"
#include "server/heap_policy.h"
#include "server/heap_registry.h"
#include "server/inspection.h"
#include "server/last_close.h"
#include "server/log_fields.h"
#include "server/secure_memory_options.h"
#include "server/session.h"
#include "server/session_end.h"

namespace sysmem::server {

class EventLoop;
class Recorder;

// Named limits of the daemon, each with its unit in its name and its reason beside it. The
// inspector lists them (limits.cc).
struct EngineLimits {
  // Half of the streams one connection may have open, so that the call that ends a wait still
  // finds one.
  uint32_t waits_per_session = 512;
  // Calls held behind a hole in the running numbers, and how long a hole may last: gRPC reorders by
  // a few calls and microseconds, anything beyond is a lost call.
  uint32_t held_calls_per_session = 256;
  int64_t hole_ns = 2'000'000'000;
  // How long a reply may wait for a client that does not read its handle channel.
  int64_t outbox_stall_ns = 5'000'000'000;
  // Sent by a client and not yet named by a call.
  uint32_t received_descriptors_per_session = 64;
  // A table, not a resource of the kernel: bounds the daemon's memory per session.
  uint32_t handles_per_session = 16384;
  // Allocations up to this size are made in the collection's turn: cheaper than a thread hop.
  uint64_t inline_allocation_bytes = 256 << 10;
  // Attempts that look at up to so many image formats (participants x formats x tries) are made by
  // the thread that brought the last constraints: about a millisecond. Others go to a thread of
  // their own, since gRPC has but two.
  uint64_t inline_attempt_formats = 2048;
  // Descriptors of one buffer that were handed out and are in use: each is asked about when one of
  // them is closed, in some microseconds. More than a hundred participants with ten waits each.
  uint32_t hand_outs_per_buffer = 1024;
  // Heaps that other processes serve: a table, looked through in each attempt.
  uint32_t provided_heaps = 32;
  // How long a provider may take over one call. Only collections on its own heap wait meanwhile.
  int64_t provider_answer_ns = 5'000'000'000;

  // What NextEvents can still tell: seconds of a busy daemon, for readers that are slow for so
  // long.
  uint32_t events_kept = 4096;
  uint64_t events_kept_bytes = 2 << 20;
  // Calls of it that wait: each is looked at with each event.
  uint32_t event_reads_per_session = 4;
  // What is remembered of them: enough to find the one that just failed.
  uint32_t ended_sessions_kept = 64;

  // These follow RLIMIT_NOFILE; see LimitsFor.
  uint64_t descriptors = 1024;     // the process's limit itself
  uint32_t sessions = 64;          // three descriptors each
  uint32_t sessions_per_uid = 32;  // half, so that one user never locks all others out
  uint32_t exported_nodes = 128;   // one descriptor each
  uint32_t buffers = 512;          // one descriptor each, and one for each close_weak_asap
  uint32_t buffers_per_uid = 256;  // half, so that one user never locks all others out
  uint32_t spare = 64;             // open for what nobody has asked for yet
  uint32_t held_descriptors = 64;  // kept for clients: tracking ends, node references
  uint32_t udmabuf = 32;           // memfds behind udmabufs, and weak holders of these
  uint64_t unread_descriptors_in_all = 256;  // in flight, over all sessions
  // Of those, in one session: a part, so that a client that does not read leaves room for others,
  // and no more than two of the largest messages the kernel takes.
  uint32_t unread_descriptors = 64;
};

// Shares out `descriptors` (RLIMIT_NOFILE): a half for buffers, a quarter in flight, an eighth for
// exported nodes, three sixteenths for sessions, a sixteenth each for what is kept ready and for
// what is kept for clients, a thirty-second for what udmabufs cost besides; what remains is for the
// daemon itself.
EngineLimits LimitsFor(uint64_t descriptors);

struct LogLine {
  core::effect::Log::Level level = core::effect::Log::Level::kInfo;
  const PeerInfo& peer;  // whose doing it is
  const std::string& text;
  LogFields fields = {};
  bool verbose = false;    // somebody wants to read it also if it is of level info
  bool continues = false;  // the line before, which was written, and is no news without this one
};

struct EngineOptions {
  EngineLimits limits;
  core::Settings core;  // heaps are filled in from `heaps`
  std::vector<std::shared_ptr<heaps::Heap>> heaps;
  // Where contiguous buffers of SYSTEM_RAM come from (HEAP-4). Null: there are none.
  std::shared_ptr<heaps::Heap> contiguous_ram;
  SecureMemoryOptions secure_memory;
  // Asked before memory of heaps in other processes is taken; outlives the engine. Null: there are
  // no such heaps here.
  heaps::ReservationGate* gate = nullptr;
  // Who may serve a heap besides root and the daemon's own uid.
  std::set<uid_t> heap_providers;
  HeapPolicies heap_policies;  // who may use which heap, and how much of it
  // Heaps that people look for and will not find among these, with the reason.
  std::vector<HeapInfo> unusable_heaps;
  // What the kernel has besides (heaps/discovery.h), and why not what it does not have.
  std::vector<heaps::FoundHeap> device_heaps;
  LastCloseOptions last_close;
  std::string version;
  std::vector<std::string> features;  // both sides of the hello know them by name
  static constexpr gid_t kNoGroup = static_cast<gid_t>(-1);
  gid_t admin_gid = kNoGroup;  // this group, root and the daemon's uid see all
  // Body of a SESSION_ENDED message; the transport's, because the engine knows no protobuf.
  std::function<std::string(const SessionEnd&)> encode_session_end;
  // Writes down what happens to collections, if anybody wants that.
  std::shared_ptr<Recorder> recorder;
  // Where log lines go; escaped by whoever prints. Says whether the line was written. Called
  // without locks.
  std::function<bool(const LogLine&)> log;
};

class Engine {
 public:
  // `loop` watches descriptors and deadlines for the engine; it must outlive it.
  Engine(EngineOptions options, EventLoop& loop);
  ~Engine();

  // Starts a session on an accepted connection whose hello is done. Refused with the reason when a
  // cap is reached (kLimit). Called on the event loop's thread.
  std::shared_ptr<Session> OpenSession(PeerInfo peer, base::UniqueFd handle_channel,
                                       base::UniqueFd wire, SessionEnd* refusal);

  // Ends every session and fails every collection (SHUT-1). Returns when nothing runs any more.
  void Shutdown();

  // What the kernel has by now, in place of EngineOptions::device_heaps; collections learn of it.
  // Not from two threads at a time.
  HeapRegistry::DeviceChanges SetDeviceHeaps(std::vector<heaps::FoundHeap> found);

  const EngineOptions& options() const;
  ServerInfo GetServerInfo() const;

  class Internals;  // shared by session.cc, collection_host.cc, ...: server/internals.h
  Internals& internals();

 private:
  std::unique_ptr<Internals> internals_;
};

}  // namespace sysmem::server
