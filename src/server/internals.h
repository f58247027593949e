// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the engine share. Each member takes care of its own locking.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/settings.h"
#include "server/buffer_set.h"
#include "server/closer.h"
#include "server/engine.h"
#include "server/event_loop.h"
#include "server/export_table.h"
#include "server/failed_collections.h"
#include "server/heap_registry.h"
#include "server/heap_upkeep.h"
#include "server/held_descriptors.h"
#include "server/holds.h"
#include "server/last_close.h"
#include "server/secure_memory.h"
#include "server/unread_budget.h"
#include "server/watch_log.h"
#include "server/worker.h"

namespace sysmem::server {

class CollectionHost;

class Engine::Internals {
 public:
  Internals(EngineOptions options, EventLoop& event_loop);
  ~Internals();

  core::NodeId NewNodeId() { return next_node_id_.fetch_add(1); }
  uint64_t NewCollectionId() { return next_collection_id_.fetch_add(1); }
  uint64_t NewSessionId() { return next_session_id_.fetch_add(1); }
  std::shared_ptr<CollectionHost> NewCollection(const PeerInfo& creator);
  void ForgetCollection(uint64_t id);
  std::shared_ptr<CollectionHost> FindCollection(uint64_t id) const;
  std::vector<std::shared_ptr<CollectionHost>> Collections() const;
  // Those with greater ids, by rising id.
  std::vector<std::shared_ptr<CollectionHost>> CollectionsAfter(uint64_t id, size_t at_most) const;
  // Runs what inspection has to do apart from turns, on a thread that keeps nobody waiting; on this
  // one when the daemon shuts down.
  void LookAside(uid_t viewer, const Worker::Job& job);
  // 6.5: memory has run out for a collection of this client's. Says in the log who has how much;
  // not again for a while (collections_summary.h).
  void SummariseCollections(const PeerInfo& peer);
  // The inspector shows collections that failed for a while: the latest ones, as far as they are
  // not large (failed_collections.h).
  FailedCollections failed_collections;

  void Log(core::effect::Log::Level level, const PeerInfo& peer, const std::string& text) const;
  bool Log(const LogLine& line) const { return options.log && options.log(line); }

  // The registry of sessions: caps, lookups, and the last ones that ended.
  bool AddSession(const std::shared_ptr<Session>& session, SessionEnd* refusal);
  void RetireSession(const SessionInfo& last_state);
  // Watchers learn that there was no room for this one's session.
  void TellOfLimit(const PeerInfo& peer, const SessionEnd& refusal) const;
  // ... and of a heap, or of its provider. Without `heap.type` it is the driver of secure memory.
  void TellOfHeap(WatchKind kind, core::Heap heap, const PeerInfo& provider = {.known = false},
                  uint64_t session_id = 0) const;
  std::vector<std::shared_ptr<Session>> Sessions() const;
  std::vector<SessionInfo> EndedSessions() const;
  bool MaySeeAll(const PeerInfo& peer) const;

  // Whether this peer cannot get around what was opened read-only for it: the heap can reduce
  // rights, and the peer is neither root nor of the daemon's own uid.
  bool HoldsTo(const PeerInfo& peer, const core::HeapProperties& heap) const;

  ServerInfo MakeServerInfo() const;
  std::vector<NamedLimit> MakeLimits() const;
  std::vector<NamedCounter> MakeCounters() const;
  enum class Figures : bool { kNo, kYes };
  std::vector<HeapInfo> MakeHeapInfos(Figures figures) const;

  const EngineOptions options;
  EventLoop& loop;
  const uid_t daemon_uid = ::geteuid();
  const int64_t started_ns;
  const std::unique_ptr<HeapRegistry> heaps;
  // What all collections begin with, and recordings: heaps as they were when the daemon began.
  const std::shared_ptr<const core::Settings> settings;
  HeapUpkeep upkeep;
  const std::unique_ptr<SecureMemory> secure_memory;
  Worker worker;
  Worker negotiations;  // dear ones; the owner is the user who began the collection
  Worker inspections;   // the owner is the user who looks
  Holds inspection_holds;
  Closer closer;
  const std::shared_ptr<WatchLog> watch;
  const std::shared_ptr<UnreadBudget> unread;
  const std::unique_ptr<LastClose> last_close;
  const std::shared_ptr<BufferLedger> ledger;
  const std::shared_ptr<HeldDescriptors> held;
  const std::shared_ptr<ExportTable> exports;

 private:
  void TellOfHeaps(const std::vector<core::Heap>& lost) const;

  std::atomic<int64_t> no_summary_until_ns_ = 0;
  std::atomic<core::NodeId> next_node_id_ = 1;
  std::atomic<uint64_t> next_collection_id_;
  std::atomic<uint64_t> next_session_id_ = 1;
  mutable std::mutex mutex_;
  std::map<uint64_t, std::shared_ptr<CollectionHost>> collections_;
  std::map<uint64_t, std::shared_ptr<Session>> sessions_;
  std::map<uid_t, uint32_t> sessions_by_uid_;
  std::deque<SessionInfo> ended_;
};

}  // namespace sysmem::server
