// SPDX-License-Identifier: Apache-2.0
//
// What a session may see of the daemon: its own user's objects, or everything for root, the
// daemon's uid and the daemon's group.
#include <algorithm>
#include <atomic>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "base/process_info.h"
#include "server/session_impl.h"

namespace sysmem::server {
namespace {

// Collections that are asked before somebody else may have the thread.
constexpr size_t kCollectionsAtATime = 64;

// The part of what was kept of a failed collection that was asked for. Its buffers never were.
void CutToPage(const op::InspectCollection& what, CollectionDetail& detail) {
  std::vector<core::NodeSnapshot>& nodes = detail.snapshot.nodes;
  const uint64_t all = nodes.size();
  const uint64_t begin = std::min(what.first_item, all);
  const uint64_t end = begin + std::min(what.most_items, all - begin);
  nodes = {nodes.begin() + static_cast<ptrdiff_t>(begin),
           nodes.begin() + static_cast<ptrdiff_t>(end)};
  detail.first_item = begin;
  detail.next_item = end < all ? std::optional(end) : std::nullopt;
  if (begin > 0) detail.explanation = nullptr;
}

core::Failure NoCollection(const op::InspectCollection& what) {
  core::Failure none;
  none.error = core::Error::kNotFound;
  none.field = "buffer_collection_id";
  none.message = absl::StrCat("no collection ", what.buffer_collection_id.value_or(0));
  return none;
}

}  // namespace

void Session::Impl::LookAside(const std::function<void()>& job) {
  engine_.LookAside(peer.uid, [self = session_.shared_from_this(), job] { job(); });
}

// One who wants to see collections, some at a time.
struct Session::Impl::Gathering {
  uint64_t after = 0;
  uint64_t at_most = 0;
  std::function<void(Gathered)> done;
  Gathered gathered;

  // Each glance comes from the turn of its own collection.
  std::mutex mutex;
  std::vector<CollectionGlance> glances;
  size_t missing = 0;
};

void Session::Impl::GatherCollections(uint64_t after, uint64_t at_most,
                                      std::function<void(Gathered)> done) {
  auto gathering = std::make_shared<Gathering>();
  gathering->after = after;
  gathering->at_most = at_most;
  gathering->done = std::move(done);
  LookAside([this, gathering] { Gather(gathering); });
}

void Session::Impl::Gather(const std::shared_ptr<Gathering>& gathering) {
  const auto hosts = engine_.CollectionsAfter(gathering->after, kCollectionsAtATime);
  if (hosts.empty() || gathering->gathered.summaries.size() >= gathering->at_most) {
    return gathering->done(std::move(gathering->gathered));
  }
  gathering->after = hosts.back()->id();
  gathering->missing = hosts.size();
  for (const auto& host : hosts) {
    host->PostGlance([this, gathering](CollectionGlance glance) {
      {
        const std::lock_guard lock(gathering->mutex);
        gathering->glances.push_back(std::move(glance));
        if (--gathering->missing > 0) return;
      }
      LookAside([this, gathering] { Sift(gathering); });
    });
  }
}

void Session::Impl::Sift(const std::shared_ptr<Gathering>& gathering) {
  auto glances = std::exchange(gathering->glances, {});
  std::sort(glances.begin(), glances.end(), [](const auto& a, const auto& b) {
    return a.summary.buffer_collection_id < b.summary.buffer_collection_id;
  });
  Gathered& gathered = gathering->gathered;
  for (CollectionGlance& glance : glances) {
    ++gathered.collections;
    gathered.nodes += glance.summary.nodes;
    if (!MaySee(glance.seen_by)) continue;
    if (glance.buffers) {
      const BufferSet::Totals totals = glance.buffers->CountLive();
      glance.summary.buffers = totals.buffers;
      glance.summary.total_bytes = totals.bytes;
    }
    gathered.summaries.push_back(Shown(std::move(glance.summary)));
  }
  LookAside([this, gathering] { Gather(gathering); });
}

// 2.8: true iff a token with that id is served right now, whoever holds it.
void Session::Impl::ValidateByNodeId(const CallSlot& slot, core::NodeId node) {
  struct Search {
    std::atomic<size_t> missing;
    std::atomic<bool> found = false;
  };
  const auto hosts = engine_.Collections();
  auto search = std::make_shared<Search>();
  search->missing = hosts.size() + 1;
  const auto answer = [this, self = session_.shared_from_this(), slot,
                       search](std::optional<core::NodeKind> kind) {
    if (kind == core::NodeKind::kToken) search->found = true;
    if (--search->missing > 0) return;
    slot.Resolve(OperationResult(TokenKnown{search->found}));
    outbox_->Flush();
  };
  for (const auto& host : hosts) host->PostAskKind(node, answer);
  answer(std::nullopt);  // there may be no collection at all
}

bool Session::Impl::MaySee(const Sight& sight) const {
  return engine_.MaySeeAll(peer) || sight.Has(peer.uid);
}

PeerInfo Session::Impl::Shown(const PeerInfo& peer_info) const {
  if (engine_.MaySeeAll(peer) || peer_info.uid == peer.uid) return peer_info;
  return PeerInfo{.known = false};
}

CollectionSummary Session::Impl::Shown(CollectionSummary summary) const {
  summary.creator = Shown(summary.creator);
  return summary;
}

CollectionDetail Session::Impl::Shown(CollectionDetail detail) const {
  detail.summary = Shown(std::move(detail.summary));
  for (BufferInfo& buffer : detail.buffers) {
    for (HolderOfBuffer& holder : buffer.holders) {
      holder.peer = Shown(holder.peer);
      if (!holder.peer.known) holder.session_id = 0;
    }
  }
  for (HolderInfo& holder : detail.holders) {
    holder.peer = Shown(holder.peer);
    if (holder.peer.known) continue;
    holder.session_id = 0;
    holder.handle = 0;
    holder.exported_koid = 0;
  }
  return detail;
}

void Session::Impl::Do(const CallSlot& slot, op::Ping&) {
  slot.Resolve(OperationResult(core::Nothing{}));
}

void Session::Impl::Do(const CallSlot& slot, op::GetServerInfo&) {
  slot.Resolve(OperationResult(engine_.MakeServerInfo()));
}

void Session::Impl::Do(const CallSlot& slot, op::InspectStatus&) {
  GatherCollections(0, std::numeric_limits<uint64_t>::max(),
                    [this, self = session_.shared_from_this(), slot](const Gathered& gathered) {
                      ShowStatus(slot, gathered);
                    });
}

void Session::Impl::ShowStatus(const CallSlot& slot, const Gathered& gathered) {
  StatusInfo status;
  status.version = engine_.options.version;
  status.sees_everything = engine_.MaySeeAll(peer);
  status.pid = ::getpid();
  status.uid = engine_.daemon_uid;
  status.uptime_ns = EventLoop::NowNs() - engine_.started_ns;
  status.collections = gathered.collections;
  status.nodes = gathered.nodes;
  for (const auto& session : engine_.Sessions()) {
    const SessionInfo info = session->Describe();
    status.sessions += info.open ? 1 : 0;
    status.calls_pending += info.calls_held + info.waits_pending;
  }
  status.exported_nodes = engine_.exports->size();
  const BufferLedger::Totals totals = engine_.ledger->totals();
  status.live_buffers = totals.buffers;
  status.live_bytes = totals.bytes;
  status.users = engine_.ledger->Users();
  if (!status.sees_everything) {
    std::erase_if(status.users, [&](const UserTotals& user) { return user.uid != peer.uid; });
  }
  if (auto count = base::OwnDescriptorCount(); count.ok()) status.descriptors_open = *count;
  if (auto bytes = base::OwnResidentBytes(); bytes.ok()) status.resident_bytes = *bytes;
  status.limits = engine_.MakeLimits();
  status.counters = engine_.MakeCounters();
  for (const NamedLimit& limit : status.limits) {
    if (limit.name == "descriptors") status.descriptors_limit = limit.value;
  }
  slot.Resolve(OperationResult(std::move(status)));
  outbox_->Flush();
}

// One that fails meanwhile may be among the summaries already, as it was before.
void Session::Impl::AddFailed(std::vector<CollectionSummary>& summaries) const {
  std::set<uint64_t> listed;
  for (const CollectionSummary& summary : summaries) listed.insert(summary.buffer_collection_id);
  for (const auto& [failed, ago_ns] : engine_.failed_collections.All(EventLoop::NowNs())) {
    if (!MaySee(failed->seen_by) || listed.contains(failed->summary.buffer_collection_id)) {
      continue;
    }
    summaries.push_back(Shown(failed->summary));
    summaries.back().age_ns += ago_ns;
  }
}

void Session::Impl::Do(const CallSlot& slot, op::InspectCollections& what) {
  // One more tells that there is another page.
  const uint64_t at_most = std::min(what.at_most, kMostItemsInPage) + 1;
  GatherCollections(what.after, at_most,
                    [this, self = session_.shared_from_this(), slot](Gathered gathered) {
                      AddFailed(gathered.summaries);
                      slot.Resolve(OperationResult(std::move(gathered.summaries)));
                      outbox_->Flush();
                    });
}

void Session::Impl::Do(const CallSlot& slot, op::InspectCollection& what) {
  auto host =
      what.buffer_collection_id ? engine_.FindCollection(*what.buffer_collection_id) : nullptr;
  if (!host) return LookAside([this, slot, what] { ShowFailed(slot, what); });
  using Explain = CollectionHost::Explain;
  host->PostInspect(
      {.viewer = peer.uid,
       .explain = what.first_item == 0 ? Explain::kYes : Explain::kNo,
       .first_item = what.first_item,
       .most_items = what.most_items},
      [this, self = session_.shared_from_this(), slot, what](CollectionDetail detail) {
        if (!MaySee(detail.seen_by)) {
          slot.Resolve(OperationResult(NoCollection(what)));
        } else {
          slot.Resolve(OperationResult(Shown(std::move(detail))));
        }
        outbox_->Flush();
      });
}

void Session::Impl::ShowFailed(const CallSlot& slot, const op::InspectCollection& what) {
  const auto found =
      engine_.failed_collections.Find(what.buffer_collection_id.value_or(0), EventLoop::NowNs());
  if (found && MaySee(found->detail->seen_by)) {
    CollectionDetail detail = *found->detail;
    detail.summary.age_ns += found->ago_ns;
    CutToPage(what, detail);
    slot.Resolve(OperationResult(Shown(std::move(detail))));
  } else {
    slot.Resolve(OperationResult(NoCollection(what)));
  }
  outbox_->Flush();
}

void Session::Impl::Do(const CallSlot& slot, op::InspectHeaps&) {
  std::vector<HeapInfo> infos = engine_.MakeHeapInfos(Engine::Internals::Figures::kYes);
  for (HeapInfo& info : infos) {
    if (!info.policy) continue;
    info.may_use = MayUse(*info.policy, peer.uid, engine_.daemon_uid);
    if (info.policy->users && !engine_.MaySeeAll(peer)) info.policy->users->clear();
  }
  slot.Resolve(OperationResult(std::move(infos)));
}

void Session::Impl::Do(const CallSlot& slot, op::InspectSessions&) {
  LookAside([this, slot] { ShowSessions(slot); });
}

void Session::Impl::ShowSessions(const CallSlot& slot) {
  std::vector<SessionInfo> infos;
  for (const auto& session : engine_.Sessions()) infos.push_back(session->Describe());
  for (SessionInfo& ended : engine_.EndedSessions()) infos.push_back(std::move(ended));
  if (!engine_.MaySeeAll(peer)) {
    std::erase_if(infos, [&](const SessionInfo& info) { return info.peer.uid != peer.uid; });
  }
  std::map<uint64_t, Holdings> held;
  for (const auto& buffer : engine_.ledger->Known()) buffer->AddHoldings(held);
  for (SessionInfo& info : infos) {
    const auto found = held.find(info.id);
    if (found != held.end()) info.holdings = found->second;
  }
  slot.Resolve(OperationResult(std::move(infos)));
  outbox_->Flush();
}

void Session::Impl::Do(const CallSlot& slot, op::NextEvents& what) {
  std::optional<CallSlot> counted = CountWait(slot);
  if (!counted) return;
  waits_[slot.call->number()] =
      WaitRef{nullptr, 0, nullptr, engine_.watch, slot.call, slot.index, counted->guard};
  const size_t at_most = what.at_most == 0 ? WatchLog::kMostAtOnce
                                           : std::min<size_t>(what.at_most, WatchLog::kMostAtOnce);
  auto refusal = engine_.watch->Ask(
      *std::move(counted), {.sees_all = engine_.MaySeeAll(peer), .uid = peer.uid},
      {.after = what.after, .at_most = at_most, .buffer_collection_id = what.buffer_collection_id});
  if (refusal) slot.Resolve(OperationResult(*std::move(refusal)));
}

void Session::Impl::TellOfLimit(const core::Failure& refusal) const {
  if (!engine_.watch->active() || !refusal.rule.starts_with("LIMIT-")) return;
  engine_.watch->Append({.kind = WatchKind::kLimitReached,
                         .session_id = id,
                         .peer = peer,
                         .error = refusal.error,
                         .rule = refusal.rule,
                         .message = base::EscapeSentence(refusal.message)},
                        Sight::Of({peer.uid}));
}

}  // namespace sysmem::server
