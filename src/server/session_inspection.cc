// SPDX-License-Identifier: Apache-2.0
//
// What a session may see of the daemon: its own user's objects, or everything for root, the
// daemon's uid and the daemon's group.
#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/process_info.h"
#include "server/session_impl.h"

namespace sysmem::server {
namespace {

// Collects one detail per collection; each comes from the turn of its own collection.
struct Gathering {
  std::mutex mutex;
  std::vector<CollectionDetail> details;
  size_t missing = 0;
  std::function<void(std::vector<CollectionDetail>)> done;

  void Add(CollectionDetail detail) {
    {
      std::lock_guard lock(mutex);
      details.push_back(std::move(detail));
      if (--missing > 0) return;
    }
    std::sort(details.begin(), details.end(), [](const auto& a, const auto& b) {
      return a.summary.buffer_collection_id < b.summary.buffer_collection_id;
    });
    done(std::move(details));
  }
};

}  // namespace

void Session::Impl::GatherAll(std::function<void(std::vector<CollectionDetail>)> done) const {
  auto hosts = engine_.Collections();
  if (hosts.empty()) return done({});
  auto gathering = std::make_shared<Gathering>();
  gathering->missing = hosts.size();
  gathering->done = std::move(done);
  for (const auto& host : hosts) {
    host->PostInspect(CollectionHost::Explain::kNo,
                      [gathering](CollectionDetail detail) { gathering->Add(std::move(detail)); });
  }
}

void Session::Impl::GatherDetails(std::function<void(std::vector<CollectionDetail>)> done) const {
  GatherAll([this, self = session_.shared_from_this(),
             done = std::move(done)](std::vector<CollectionDetail> details) {
    std::erase_if(details, [&](const CollectionDetail& detail) { return !MaySee(detail); });
    done(std::move(details));
  });
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

bool Session::Impl::MaySee(const CollectionDetail& detail) const {
  if (engine_.MaySeeAll(peer) || detail.summary.creator.uid == peer.uid) return true;
  const auto is_ours = [&](const auto& holder) { return holder.peer.uid == peer.uid; };
  return std::any_of(detail.holders.begin(), detail.holders.end(), is_ours) ||
         std::any_of(detail.buffers.begin(), detail.buffers.end(), [&](const BufferInfo& buffer) {
           return std::any_of(buffer.holders.begin(), buffer.holders.end(), is_ours);
         });
}

PeerInfo Session::Impl::Shown(const PeerInfo& peer_info) const {
  if (engine_.MaySeeAll(peer) || peer_info.uid == peer.uid) return peer_info;
  return PeerInfo{.known = false};
}

CollectionDetail Session::Impl::Shown(CollectionDetail detail) const {
  detail.summary.creator = Shown(detail.summary.creator);
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
  GatherDetails(
      [this, self = session_.shared_from_this(), slot](std::vector<CollectionDetail> details) {
        StatusInfo status;
        status.version = engine_.options.version;
        status.sees_everything = engine_.MaySeeAll(peer);
        status.pid = ::getpid();
        status.uid = engine_.daemon_uid;
        status.uptime_ns = EventLoop::NowNs() - engine_.started_ns;
        status.collections = details.size();
        for (const CollectionDetail& detail : details) status.nodes += detail.summary.nodes;
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
      });
}

void Session::Impl::Do(const CallSlot& slot, op::InspectCollections&) {
  GatherDetails(
      [this, self = session_.shared_from_this(), slot](std::vector<CollectionDetail> details) {
        for (CollectionDetail& failed : engine_.failed_collections.All(EventLoop::NowNs())) {
          if (MaySee(failed)) details.push_back(std::move(failed));
        }
        std::vector<CollectionSummary> summaries;
        summaries.reserve(details.size());
        for (CollectionDetail& detail : details) {
          summaries.push_back(Shown(std::move(detail)).summary);
        }
        slot.Resolve(OperationResult(std::move(summaries)));
        outbox_->Flush();
      });
}

void Session::Impl::Do(const CallSlot& slot, op::InspectCollection& what) {
  auto host =
      what.buffer_collection_id ? engine_.FindCollection(*what.buffer_collection_id) : nullptr;
  core::Failure none;
  none.error = core::Error::kNotFound;
  none.field = "buffer_collection_id";
  none.message = absl::StrCat("no collection ", what.buffer_collection_id.value_or(0));
  const auto show = [this, self = session_.shared_from_this(), slot,
                     none = std::move(none)](std::optional<CollectionDetail> detail) {
    if (detail && MaySee(*detail)) {
      slot.Resolve(OperationResult(Shown(*std::move(detail))));
    } else {
      slot.Resolve(OperationResult(none));
    }
  };
  if (!host) {
    return show(
        engine_.failed_collections.Find(what.buffer_collection_id.value_or(0), EventLoop::NowNs()));
  }
  host->PostInspect(CollectionHost::Explain::kYes, [show, this](CollectionDetail detail) {
    show(std::move(detail));
    outbox_->Flush();
  });
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
}

}  // namespace sysmem::server
