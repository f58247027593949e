// SPDX-License-Identifier: Apache-2.0
#include "server/engine.h"

#include <algorithm>
#include <ctime>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/unix_socket.h"
#include "recording/recording.h"
#include "server/collection_host.h"
#include "server/collections_summary.h"
#include "server/internals.h"
#include "server/recorder.h"

namespace sysmem::server {
namespace {

// Whose share of the threads that look the answers to watchers take: nobody's, by his uid.
constexpr Worker::Owner kWatchers = std::numeric_limits<Worker::Owner>::max();

// How long the last jobs may take at the end.
constexpr int64_t kShutdownPatienceNs = 5'000'000'000;

// Ids are unique for the boot, over restarts of the daemon (TREE-2): microseconds of the boot clock
// grow faster than collections can be made.
uint64_t FirstCollectionId() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 +
         static_cast<uint64_t>(now.tv_nsec) / 1'000 + 2;  // 0 and 1 are reserved
}

// Whether it was a group of `peer`, the process at the other end, when that connected. Not one of
// its further groups, if the kernel does not tell.
bool IsIn(gid_t group, const PeerInfo& peer, base::BorrowedFd socket) {
  if (group == EngineOptions::kNoGroup) return false;
  if (peer.gid == group) return true;
  const auto groups = base::PeerGroups(socket);
  return groups.ok() && std::find(groups->begin(), groups->end(), group) != groups->end();
}

core::event::HeapsChanged HeapsNow(const core::Settings& settings, std::vector<core::Heap> lost) {
  return {.heaps = settings.heaps,
          .secure_heaps = settings.secure_heaps,
          .lost = std::move(lost),
          .no_secure_memory = settings.no_secure_memory};
}

}  // namespace

Engine::Internals::Internals(EngineOptions engine_options, EventLoop& event_loop)
    : options(std::move(engine_options)),
      loop(event_loop),
      started_ns(EventLoop::NowNs()),
      heaps(std::make_unique<HeapRegistry>(options.core, options.heaps, options.contiguous_ram,
                                           options.device_heaps)),
      settings(heaps->settings()),
      secure_memory(std::make_unique<SecureMemory>(
          options.secure_memory,
          SecureMemory::Surroundings{
              .loop = loop,
              .registry = *heaps,
              .upkeep = upkeep,
              .gate = options.gate,
              .patience_ns = options.limits.provider_answer_ns,
              .log = [this](core::effect::Log::Level level, const PeerInfo& driver,
                            const std::string& text) { Log(level, driver, text); }})),
      worker({.name = "sysmemd-alloc"}),
      // One user's take one thread at most, so another user's always finds one.
      negotiations({.name = "sysmemd-plan", .jobs_per_owner = 1, .nice = 5}),
      // Not nice: they have a collection's turn now and then, and others may wait for that. They
      // give way where they have none.
      inspections({.name = "sysmemd-look", .max_threads = 4, .jobs_per_owner = 1}),
      watch(std::make_shared<WatchLog>(WatchLog::Options{
          .events = options.limits.events_kept,
          .bytes = options.limits.events_kept_bytes,
          .reads_per_session = options.limits.event_reads_per_session,
          .run_aside =
              [this](std::function<void()> job) { inspections.Run(kWatchers, std::move(job)); }})),
      unread(std::make_shared<UnreadBudget>(options.limits.unread_descriptors,
                                            options.limits.unread_descriptors_in_all)),
      // requirements.h saw that this works.
      last_close(LastClose::Create(loop, options.last_close).value()),
      ledger(std::make_shared<BufferLedger>(options.limits.buffers, options.limits.buffers_per_uid,
                                            options.heap_policies)),
      held(std::make_shared<HeldDescriptors>(options.limits.held_descriptors)),
      exports(std::make_shared<ExportTable>(loop, options.limits.exported_nodes,
                                            [](const NodeRef& ref, uint64_t) {
                                              ref.host->PostClose(
                                                  ref.node,
                                                  "every copy of its exported end was closed", {});
                                            })),
      next_collection_id_(FirstCollectionId()) {
  if (options.recorder) {
    options.recorder->Append(
        recording::HeaderLine(absl::StrCat("sysmemd ", options.version), *settings));
  }
  for (const auto& heap : options.heaps) upkeep.Add(heap);
  if (options.contiguous_ram) upkeep.Add(options.contiguous_ram);
  heaps->SetOnChange([this](const std::vector<core::Heap>& lost) { TellOfHeaps(lost); });
}

Engine::Internals::~Internals() = default;

std::shared_ptr<CollectionHost> Engine::Internals::NewCollection(const PeerInfo& creator) {
  auto host = std::make_shared<CollectionHost>(*this, NewCollectionId(), creator);
  {
    std::lock_guard lock(mutex_);
    collections_.emplace(host->id(), host);
  }
  // Whatever changes from now on it is told like everybody, perhaps before what it hears here.
  for (auto known = settings; known != heaps->settings();) {
    known = heaps->settings();
    host->PostEvent(HeapsNow(*known, {}), {});
  }
  return host;
}

void Engine::Internals::TellOfHeaps(const std::vector<core::Heap>& lost) const {
  for (const auto& host : Collections()) {
    host->PostEvent(HeapsNow(*heaps->settings(), lost), {});
  }
}

void Engine::Internals::TellOfHeap(WatchKind kind, core::Heap heap, const PeerInfo& provider,
                                   uint64_t session_id) const {
  if (!watch->active()) return;
  watch->Append({.kind = kind, .session_id = session_id, .peer = provider, .heap = std::move(heap)},
                Sight::OfAll());
}

void Engine::Internals::ForgetCollection(uint64_t id) {
  std::shared_ptr<CollectionHost> last;  // destroyed after the lock is released
  std::lock_guard lock(mutex_);
  auto found = collections_.extract(id);
  if (!found.empty()) last = std::move(found.mapped());
}

std::shared_ptr<CollectionHost> Engine::Internals::FindCollection(uint64_t id) const {
  std::lock_guard lock(mutex_);
  auto found = collections_.find(id);
  return found == collections_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<CollectionHost>> Engine::Internals::Collections() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<CollectionHost>> all;
  all.reserve(collections_.size());
  for (const auto& [id, host] : collections_) all.push_back(host);
  return all;
}

std::vector<std::shared_ptr<CollectionHost>> Engine::Internals::CollectionsAfter(
    uint64_t id, size_t at_most) const {
  std::vector<std::shared_ptr<CollectionHost>> some;
  std::lock_guard lock(mutex_);
  for (auto next = collections_.upper_bound(id);
       next != collections_.end() && some.size() < at_most; ++next) {
    some.push_back(next->second);
  }
  return some;
}

void Engine::Internals::LookAside(uid_t viewer, const Worker::Job& job) {
  if (!inspections.Run(viewer, job)) job();
}

void Engine::Internals::SummariseCollections(const PeerInfo& peer) {
  const int64_t now_ns = EventLoop::NowNs();
  int64_t until_ns = no_summary_until_ns_;
  if (now_ns < until_ns ||
      !no_summary_until_ns_.compare_exchange_strong(until_ns, now_ns + kSummaryIntervalNs)) {
    return;
  }
  struct Gathering {
    std::mutex mutex;
    std::vector<CollectionGlance> glances;
    size_t missing = 0;
  };
  LookAside(daemon_uid, [this, peer] {
    const auto hosts = Collections();
    auto all = std::make_shared<Gathering>();
    all->missing = hosts.size();
    for (const auto& host : hosts) {
      host->PostGlance([this, peer, all](CollectionGlance glance) {
        {
          const std::lock_guard lock(all->mutex);
          all->glances.push_back(std::move(glance));
          if (--all->missing > 0) return;
        }
        LookAside(daemon_uid, [this, peer, all] {
          for (const std::string& line : Summarise(std::move(all->glances))) {
            Log(LogLine{.level = core::effect::Log::Level::kInfo,
                        .peer = peer,
                        .text = line,
                        .verbose = true});
          }
        });
      });
    }
  });
}

void Engine::Internals::Log(core::effect::Log::Level level, const PeerInfo& peer,
                            const std::string& text) const {
  Log(LogLine{.level = level, .peer = peer, .text = text});
}

bool Engine::Internals::AddSession(const std::shared_ptr<Session>& session, SessionEnd* refusal) {
  const uid_t uid = session->peer().uid;
  std::lock_guard lock(mutex_);
  refusal->reason = EndReason::kLimit;
  if (sessions_.size() >= options.limits.sessions) {
    refusal->message = absl::StrCat("the daemon has ", options.limits.sessions,
                                    " sessions, its limit (it follows RLIMIT_NOFILE)");
    return false;
  }
  uint32_t& of_user = sessions_by_uid_[uid];
  if (of_user >= options.limits.sessions_per_uid) {
    refusal->message = absl::StrCat("user ", uid, " has ", options.limits.sessions_per_uid,
                                    " sessions, the limit for one user");
    return false;
  }
  ++of_user;
  sessions_.emplace(session->id(), session);
  return true;
}

void Engine::Internals::TellOfLimit(const PeerInfo& peer, const SessionEnd& refusal) const {
  if (!watch->active()) return;
  watch->Append({.kind = WatchKind::kLimitReached,
                 .peer = peer,
                 .rule = "LIMIT-SESSIONS",
                 .message = refusal.message},
                Sight::Of({peer.uid}));
}

void Engine::Internals::RetireSession(const SessionInfo& last_state) {
  std::shared_ptr<Session> last;  // destroyed after the lock is released
  std::lock_guard lock(mutex_);
  auto found = sessions_.extract(last_state.id);
  if (found.empty()) return;
  last = std::move(found.mapped());
  auto of_user = sessions_by_uid_.find(last_state.peer.uid);
  if (--of_user->second == 0) sessions_by_uid_.erase(of_user);
  ended_.push_front(last_state);
  if (ended_.size() > options.limits.ended_sessions_kept) ended_.pop_back();
}

std::vector<std::shared_ptr<Session>> Engine::Internals::Sessions() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Session>> all;
  all.reserve(sessions_.size());
  for (const auto& [id, session] : sessions_) all.push_back(session);
  return all;
}

std::vector<SessionInfo> Engine::Internals::EndedSessions() const {
  std::lock_guard lock(mutex_);
  std::vector<SessionInfo> infos(ended_.begin(), ended_.end());
  const int64_t now = EventLoop::NowNs();
  for (SessionInfo& info : infos) info.ended_ago_ns = now - info.ended_ns;
  return infos;
}

bool Engine::Internals::MaySeeAll(const PeerInfo& peer) const {
  return peer.uid == 0 || peer.uid == daemon_uid || peer.in_admin_group;
}

bool Engine::Internals::HoldsTo(const PeerInfo& peer, const core::HeapProperties& heap) const {
  return heap.reduces_rights && peer.uid != daemon_uid && peer.uid != 0;
}

Engine::Engine(EngineOptions options, EventLoop& loop)
    : internals_(std::make_unique<Internals>(std::move(options), loop)) {}
Engine::~Engine() = default;

std::shared_ptr<Session> Engine::OpenSession(PeerInfo peer, base::UniqueFd handle_channel,
                                             base::UniqueFd wire, SessionEnd* refusal) {
  peer.in_admin_group = IsIn(internals_->options.admin_gid, peer, handle_channel);
  auto session = std::make_shared<Session>(*this, internals_->NewSessionId(), std::move(peer),
                                           std::move(handle_channel), std::move(wire));
  if (!internals_->AddSession(session, refusal)) {
    internals_->TellOfLimit(session->peer(), *refusal);
    return nullptr;
  }
  absl::Status started = session->Start();
  if (!started.ok()) {
    internals_->RetireSession(session->Describe());
    *refusal = SessionEnd{EndReason::kLimit, std::string(started.message())};
    return nullptr;
  }
  return session;
}

void Engine::Shutdown() {
  internals_->secure_memory->BeginShutdown();
  for (const auto& session : internals_->Sessions()) {
    session->End(SessionEnd{EndReason::kShutdown, "the daemon ends"});
  }
  core::Failure why;
  why.rule = "SHUT-1";
  why.message = "the daemon ends";
  for (const auto& host : internals_->Collections()) {
    host->PostEvent(core::event::FailRoot{why}, {});
  }
  internals_->upkeep.Stop();
  internals_->secure_memory->Stop(EventLoop::NowNs() + kShutdownPatienceNs);
  internals_->inspections.Stop(EventLoop::NowNs() + kShutdownPatienceNs);
  internals_->negotiations.Stop(EventLoop::NowNs() + kShutdownPatienceNs);
  internals_->worker.Stop(EventLoop::NowNs() + kShutdownPatienceNs);
  internals_->closer.Stop(EventLoop::NowNs() + kShutdownPatienceNs);
}

HeapRegistry::DeviceChanges Engine::SetDeviceHeaps(std::vector<heaps::FoundHeap> found) {
  HeapRegistry::DeviceChanges changes = internals_->heaps->SetDevices(std::move(found));
  for (const std::string& type : changes.gone) {
    internals_->TellOfHeap(WatchKind::kHeapUnusable, {.type = type});
  }
  for (const std::string& type : changes.come) {
    internals_->TellOfHeap(WatchKind::kHeapUsable, {.type = type});
  }
  return changes;
}

const EngineOptions& Engine::options() const { return internals_->options; }
ServerInfo Engine::GetServerInfo() const { return internals_->MakeServerInfo(); }
Engine::Internals& Engine::internals() { return *internals_; }

}  // namespace sysmem::server
