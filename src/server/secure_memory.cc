// SPDX-License-Identifier: Apache-2.0
#include "server/secure_memory.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "heaps/pool/secure_heap.h"
#include "server/driven_protection.h"
#include "server/secure_heap_facts.h"

namespace sysmem::server {
namespace {

using Level = core::effect::Log::Level;

std::string NameOf(const PeerInfo& driver) {
  return absl::StrCat("pid ", driver.pid, " (", base::Escape(driver.command), "), user ",
                      driver.uid);
}

core::Failure Refuse(const std::string& message) {
  return core::Refused(core::Error::kProtocolDeviation, "SEC-2", "", message);
}

}  // namespace

// What has become of drivers so far.
class SecureMemory::State : public std::enable_shared_from_this<State> {
 public:
  enum class Phase {
    kNobody,  // or one that unregistered before it had told everything
    kAsking,
    kReady,
    kOver,  // unregistered; SEC-3
  };

  State(SecureMemoryOptions given, Surroundings all)
      : options(std::move(given)), around(std::move(all)) {}

  core::Result<std::shared_ptr<ProviderCalls>> Register(const PeerInfo& driver) {
    if (options.is_simulated || around.gate == nullptr) {
      return Refuse("the daemon simulates secure memory, and needs no driver");
    }
    const std::lock_guard lock(mutex_);
    if (is_shutting_down_) return Refuse("the daemon ends");
    if (phase_ == Phase::kOver) {
      return Refuse("secure memory was unregistered, which is for good as long as the daemon runs");
    }
    if (phase_ != Phase::kNobody)
      return Refuse(absl::StrCat(NameOf(driver_), " drives it already"));
    phase_ = Phase::kAsking;
    driver_ = driver;
    calls_ = std::make_shared<ProviderCalls>(around.loop, around.patience_ns);
    is_end_expected_ = false;
    if (!worker_) worker_ = std::make_shared<Worker>(WorkerOptions{.name = "sysmemd-secure"});
    return calls_;
  }

  void Unregister(const std::shared_ptr<ProviderCalls>& calls) {
    std::vector<std::shared_ptr<heaps::SecureHeap>> heaps;
    std::vector<HeapRegistry::Entry> entries;
    {
      const std::lock_guard lock(mutex_);
      if (calls != calls_ || IsEndExpected()) return;
      is_end_expected_ = true;
      if (phase_ != Phase::kReady) {
        phase_ = Phase::kNobody;
        return;
      }
      phase_ = Phase::kOver;
      heaps = heaps_;
      entries = Entries();
    }
    // First nobody new asks for it.
    (void)around.registry.SetSecure(std::move(entries), core::NoSecureMemory::kNoMore);
    for (const auto& heap : heaps) heap->SetReady(false);
    Log(Level::kInfo, "secure memory was unregistered");
  }

  void Closed(const std::shared_ptr<ProviderCalls>& calls, const std::string& why) {
    bool was_ready = false;
    {
      const std::lock_guard lock(mutex_);
      if (calls != calls_ || IsEndExpected()) return;
      was_ready = phase_ == Phase::kReady;
      if (!was_ready) phase_ = Phase::kNobody;
    }
    // What it was to protect nobody has used yet; another driver may come.
    if (!was_ready) {
      return Log(Level::kWarn,
                 absl::StrCat("the driver of secure memory is gone before it was ready: ", why));
    }
    options.end_daemon(
        absl::StrCat("the driver of secure memory is gone without having unregistered"
                     " (SEC-4): ",
                     why));
  }

  // The hardware did not do what it was told to.
  void Failed(const std::string& why) {
    {
      const std::lock_guard lock(mutex_);
      if (IsEndExpected()) return;
    }
    options.end_daemon(
        absl::StrCat("nobody knows any more which memory is protected (PROT-5): ", why));
  }

  void BeginShutdown() {
    const std::lock_guard lock(mutex_);
    is_shutting_down_ = true;
  }

  void Stop(int64_t deadline_ns) {
    std::shared_ptr<Worker> worker;
    {
      const std::lock_guard lock(mutex_);
      worker = worker_;
    }
    if (worker) worker->Stop(deadline_ns);
  }

  std::shared_ptr<Worker> worker() const {
    const std::lock_guard lock(mutex_);
    return worker_;
  }

  // Everything is known: SEC-2 comes to its end. The heap that is in the way, if there is one.
  std::optional<core::Heap> BecomeReady(const std::shared_ptr<ProviderCalls>& calls,
                                        std::vector<std::shared_ptr<heaps::SecureHeap>> heaps) {
    std::vector<HeapRegistry::Entry> entries;
    {
      const std::lock_guard lock(mutex_);
      if (calls != calls_ || IsEndExpected() || phase_ != Phase::kAsking) return std::nullopt;
      phase_ = Phase::kReady;
      heaps_ = std::move(heaps);
      entries = Entries();
    }
    // Before anybody can ask a heap for buffers.
    for (const HeapRegistry::Entry& entry : entries) around.upkeep.Add(entry.heap);
    const size_t count = entries.size();
    if (auto other = around.registry.SetSecure(std::move(entries), std::nullopt)) {
      const std::lock_guard lock(mutex_);
      phase_ = Phase::kAsking;
      heaps_.clear();
      return other;
    }
    Log(Level::kInfo, absl::StrCat("secure memory is ready, in ", count, " heaps"));
    return std::nullopt;
  }

  void Log(Level level, const std::string& text) const {
    PeerInfo driver;
    {
      const std::lock_guard lock(mutex_);
      driver = driver_;
    }
    around.log(level, driver, text);
  }

  const SecureMemoryOptions options;
  const Surroundings around;

 private:
  // These: REQUIRES mutex_ held.
  bool IsEndExpected() const { return is_end_expected_ || is_shutting_down_; }
  std::vector<HeapRegistry::Entry> Entries() const {
    std::vector<HeapRegistry::Entry> entries;
    for (const auto& heap : heaps_) {
      entries.push_back({heap, absl::StrCat(heap->backing(), ", driver ", NameOf(driver_))});
    }
    return entries;
  }

  mutable std::mutex mutex_;
  // Guarded by mutex_:
  Phase phase_ = Phase::kNobody;
  PeerInfo driver_;
  std::shared_ptr<ProviderCalls> calls_;
  bool is_end_expected_ = false;  // of this driver
  bool is_shutting_down_ = false;
  std::shared_ptr<Worker> worker_;
  std::vector<std::shared_ptr<heaps::SecureHeap>> heaps_;
};

// What one driver is asked, question by question; each answer brings the next.
class SecureMemory::Inquiry : public std::enable_shared_from_this<Inquiry> {
 public:
  Inquiry(std::shared_ptr<State> state, std::shared_ptr<ProviderCalls> calls)
      : state_(std::move(state)), calls_(std::move(calls)) {}

  void Begin() { Ask(GetPhysicalSecureHeapsCall{}, &Inquiry::OnPhysicalHeaps); }

 private:
  template <typename Answer>
  void Ask(ProviderCallKind call, void (Inquiry::*next)(const Answer&)) {
    calls_->Ask({std::move(call), [] { return base::UniqueFd(); }},
                [self = shared_from_this(), next](const ProviderAnswer& answer) {
                  if (const auto* failure = std::get_if<core::Failure>(&answer)) {
                    return self->GiveUp(failure->message);
                  }
                  (self.get()->*next)(std::get<Answer>(answer));
                });
  }

  void OnPhysicalHeaps(const PhysicalSecureHeaps& answer) {
    if (absl::Status taken = facts_.Take(answer); !taken.ok()) return GiveUp(taken);
    Ask(GetDynamicSecureHeapsCall{}, &Inquiry::OnDynamicHeaps);
  }

  void OnDynamicHeaps(const DynamicSecureHeaps& answer) {
    const SecureMemoryOptions& options = state_->options;
    absl::Status taken = facts_.Take(answer, options.protected_bytes, options.physical_base);
    if (!taken.ok()) return GiveUp(taken);
    if (options.protected_bytes != 0 && answer.heaps.empty()) {
      state_->Log(Level::kWarn,
                  "the driver of secure memory has no dynamic heap, so nobody uses the "
                  "protected pool (pools.protected)");
    }
    AskOfNext();
  }

  void AskOfNext() {
    if (const std::optional<SecureHeapAndRange> next = facts_.NextWithoutProperties()) {
      return Ask(GetSecureHeapPropertiesCall{*next}, &Inquiry::OnProperties);
    }
    Finish();
  }

  void OnProperties(const SecureHeapProperties& answer) {
    if (absl::Status taken = facts_.Take(answer); !taken.ok()) return GiveUp(taken);
    AskOfNext();
  }

  void Finish() {
    std::vector<std::shared_ptr<heaps::SecureHeap>> heaps;
    for (const SecureHeapFacts::One& one : facts_.all()) {
      if (state_->around.registry.Find(one.properties.heap)) return GiveUp(one.properties.heap);
      auto heap = Make(one);
      if (!heap.ok()) return GiveUp(heap.status());
      heaps.push_back(*std::move(heap));
    }
    // One may have come meanwhile.
    if (const auto other = state_->BecomeReady(calls_, std::move(heaps))) GiveUp(*other);
  }

  absl::StatusOr<std::shared_ptr<heaps::SecureHeap>> Make(const SecureHeapFacts::One& one) {
    heaps::PoolOptions options{
        .name = one.is_protected_pool ? "SysmemProtectedPool" : "tee_secure",
        .heap = one.properties.heap,
        .size_bytes = one.space.size(),
        .physical_base = one.space.begin,
        .fixed_place = !one.is_protected_pool,
        .guards = heaps::kNoGuards,
        .run_aside =
            [worker = std::weak_ptr(state_->worker())](std::function<void()> job) {
              const auto running = worker.lock();
              if (!running || !running->Run(job)) job();
            },
        .complain = state_->options.complain};
    return heaps::SecureHeap::Create(
        *state_->around.gate, std::move(options),
        std::make_shared<DrivenProtection>(DrivenProtection::Options{
            .properties = one.properties,
            .space = one.space,
            .always_protected = !one.is_protected_pool,
            .calls = calls_,
            .failed = [weak = std::weak_ptr(state_)](const std::string& why) {
              if (const auto state = weak.lock()) state->Failed(why);
            }}));
  }

  void GiveUp(const core::Heap& other) {
    GiveUp(absl::StrCat("there is a heap ", base::Escape(other.type), " already"));
  }
  void GiveUp(const absl::Status& why) { GiveUp(std::string(why.message())); }
  // The driver stays registered, and secure memory not ready.
  void GiveUp(const std::string& why) {
    state_->Log(Level::kWarn, absl::StrCat("secure memory is not ready: ", why));
  }

  const std::shared_ptr<State> state_;
  const std::shared_ptr<ProviderCalls> calls_;
  SecureHeapFacts facts_;  // one answer at a time
};

SecureMemory::SecureMemory(SecureMemoryOptions options, Surroundings surroundings)
    : state_(std::make_shared<State>(std::move(options), std::move(surroundings))) {}
SecureMemory::~SecureMemory() = default;

core::Result<std::shared_ptr<ProviderCalls>> SecureMemory::Register(const PeerInfo& driver) {
  auto calls = state_->Register(driver);
  if (calls.ok()) std::make_shared<Inquiry>(state_, calls.value())->Begin();
  return calls;
}

void SecureMemory::Unregister(const std::shared_ptr<ProviderCalls>& calls) {
  state_->Unregister(calls);
}

void SecureMemory::Closed(const std::shared_ptr<ProviderCalls>& calls, const std::string& why) {
  state_->Closed(calls, why);
}

void SecureMemory::BeginShutdown() { state_->BeginShutdown(); }
void SecureMemory::Stop(int64_t deadline_ns) { state_->Stop(deadline_ns); }

}  // namespace sysmem::server
