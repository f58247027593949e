// SPDX-License-Identifier: Apache-2.0
#include "server/daemon.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/errno_status.h"
#include "base/escape.h"
#include "base/listening_socket.h"
#include "base/memory_limits.h"
#include "base/memory_pressure.h"
#include "base/unique_fd.h"
#include "core/effect.h"
#include "heaps/discovery.h"
#include "heaps/memfd_heap.h"
#include "heaps/reservation_gate.h"
#include "server/device_heaps.h"
#include "server/engine.h"
#include "server/event_loop.h"
#include "server/internals.h"
#include "server/listener.h"
#include "server/log.h"
#include "server/pools.h"
#include "server/pressure_watch.h"
#include "server/recorder.h"
#include "server/requirements.h"
#include "server/service_manager.h"
#include "server/transport/gateway.h"
#include "server/transport/hello.h"
#include "sysmem_version.h"

namespace sysmem::server {
namespace {

constexpr int kExitFailed = 1;
constexpr int64_t kShutdownPatienceNs = 10'000'000'000;
constexpr mode_t kSocketDirectoryMode = 0755;  // the socket has a mode of its own

std::string Text(const absl::Status& status) { return std::string(status.message()); }

sigset_t EndingSignals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  return signals;
}

// False, with the log saying why, when the daemon cannot work here.
bool IsSystemFit() {
  const std::vector<Requirement> requirements = CheckRequirements();
  const bool fit = AllMet(requirements);
  const std::string report = Describe(requirements);
  for (const absl::string_view line : absl::StrSplit(report, '\n', absl::SkipWhitespace())) {
    spdlog::log(fit ? spdlog::level::warn : spdlog::level::err, "{}", std::string(line));
  }
  return fit;
}

// The directory of the socket, made if it is missing; only the last step of it, as mkdir does.
void MakeDirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return;
  // Whatever is wrong with it, binding the path will say.
  ::mkdir(path.substr(0, slash).c_str(), kSocketDirectoryMode);
}

absl::StatusOr<base::ListeningSocket> Listen(const Options& options) {
  absl::StatusOr<std::optional<base::UniqueFd>> given = TakeActivationSocket();
  if (!given.ok()) return given.status();
  if (given->has_value()) return base::ListeningSocket::Adopt(**std::move(given));
  MakeDirectoryOf(options.socket_path);
  return base::ListeningSocket::Bind(options.socket_path, options.socket_mode);
}

// As it is after the requirements were checked.
uint64_t DescriptorLimit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

// Half of what LimitsFor leaves for the daemon itself.
uint32_t UnheardFor(uint64_t descriptor_limit) {
  constexpr uint64_t kMostUseful = 1024;
  return static_cast<uint32_t>(std::clamp<uint64_t>(descriptor_limit / 16, 1, kMostUseful));
}

// What a client brings about is a complaint when it is worth a warning, and news when somebody
// asked for it; else it is for whoever debugs the daemon.
bool LogForEngine(const LogLine& line) {
  using Level = core::effect::Log::Level;
  ClientLine written{.level = LogLevel::kInfo,
                     .peer = line.peer,
                     .what = line.text,
                     .fields = line.fields,
                     .continues = line.continues};
  if (line.level == Level::kWarn) written.level = LogLevel::kWarning;
  if (line.level == Level::kError) written.level = LogLevel::kError;
  if (line.level >= Level::kWarn || line.verbose) return LogOfClient(written);
  if (!spdlog::should_log(spdlog::level::debug)) return false;  // escaping costs much
  spdlog::debug("client uid {} pid {}: {}", line.peer.uid, line.peer.pid, base::Escape(line.text));
  return true;
}

heaps::DevicePlaces PlacesIn(const std::string& test_devices) {
  if (test_devices.empty()) return {};
  return {.dma_heaps = test_devices + "/dma_heap",
          .dma_heap_class = test_devices + "/class/dma_heap",
          .udmabuf = test_devices + "/udmabuf",
          .udmabuf_class = test_devices + "/class/misc/udmabuf"};
}

// Of this machine.
uint64_t MemoryBytes() {
  return static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

// Pools show names of clients' as they can be shown. Whoever wants damage to be fatal wants to see
// the process as it was.
void ComplainOfPool(heaps::Severity severity, const std::string& text) {
  const auto level =
      severity == heaps::Severity::kWarning ? spdlog::level::warn : spdlog::level::err;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    spdlog::log(level, "{}", std::string(line));
  }
  if (severity != heaps::Severity::kFatal) return;
  spdlog::error("ending because of this, as pools.guards wants it");
  std::abort();
}

class Daemon {
 public:
  explicit Daemon(const Options& options)
      : options_(options), gate_(options.memory_reserve_percent) {}

  absl::Status Start();
  void WaitForSignal() { ended_.get_future().wait(); }
  void Shutdown();

 private:
  absl::Status WatchSignals();
  absl::Status ServeClients(base::ListeningSocket socket);
  absl::Status StartEngine();
  std::vector<heaps::FoundHeap> LookForDeviceHeaps();
  void WatchDevices();
  void WatchMemoryPressure();
  void AnnounceReady();
  void OnSignal();

  const Options options_;
  const heaps::DevicePlaces places_ = PlacesIn(options_.test_devices);
  const uint64_t descriptor_limit_ = DescriptorLimit();
  heaps::ReservationGate gate_;
  base::UniqueFd ready_;
  base::UniqueFd signals_;
  std::unique_ptr<EventLoop> loop_;
  std::shared_ptr<heaps::MemfdHeap> system_ram_;
  std::unique_ptr<PressureWatch> pressure_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<DeviceHeaps> device_heaps_;
  std::unique_ptr<transport::Gateway> gateway_;
  std::unique_ptr<Listener> listener_;  // belongs to the loop's thread once that runs
  std::thread loop_thread_;
  bool ending_ = false;  // as does this
  std::promise<void> ended_;
};

absl::Status Daemon::Start() {
  if (options_.ready_fd) {
    ready_.reset(*options_.ready_fd);
    if (::fcntl(ready_.get(), F_SETFD, FD_CLOEXEC) != 0) {
      return base::ErrnoStatus(errno, absl::StrCat("use --ready-fd ", *options_.ready_fd));
    }
  }
  absl::StatusOr<base::ListeningSocket> socket = Listen(options_);
  if (!socket.ok()) return socket.status();
  absl::StatusOr<std::unique_ptr<EventLoop>> loop = EventLoop::Create();
  if (!loop.ok()) return loop.status();
  loop_ = *std::move(loop);
  if (absl::Status status = WatchSignals(); !status.ok()) return status;
  WatchDevices();  // before they are looked for
  if (absl::Status status = StartEngine(); !status.ok()) return status;
  WatchMemoryPressure();
  if (absl::Status status = ServeClients(*std::move(socket)); !status.ok()) return status;
  loop_thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "sysmemd-loop");
    loop_->Run();
  });
  AnnounceReady();
  return absl::OkStatus();
}

absl::Status Daemon::WatchSignals() {
  const sigset_t signals = EndingSignals();
  signals_.reset(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) return base::ErrnoStatus(errno, "make a signalfd");
  return loop_->AddWatch(signals_.get(), EPOLLIN, [this](uint32_t) { OnSignal(); }).status();
}

absl::Status Daemon::StartEngine() {
  EngineOptions engine_options;
  engine_options.limits = LimitsFor(descriptor_limit_);
  engine_options.core.limits.page_bytes = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  engine_options.core.limits.allocation_bytes = options_.max_buffer_bytes;
  engine_options.core.format_costs = options_.format_costs;
  engine_options.core.preferred_heaps = options_.preferred_heaps;
  engine_options.core.debug_log = options_.log_level == LogLevel::kDebug;
  system_ram_ = std::make_shared<heaps::MemfdHeap>(
      gate_, heaps::MemfdHeapOptions{.warm_pool = {.bytes = options_.warm_pool_bytes},
                                     .spare_descriptors = engine_options.limits.spare});
  engine_options.heaps = {system_ram_};
  engine_options.gate = &gate_;
  engine_options.heap_providers = options_.heap_providers;
  engine_options.heap_policies = options_.heap_policies;
  engine_options.device_heaps = LookForDeviceHeaps();
  for (const heaps::FoundHeap& found : engine_options.device_heaps) {
    if (found.heap) spdlog::info("heap {} is there", base::Escape(found.properties.heap.type));
  }
  absl::Status pools =
      AddPools(options_.pools, MemoryBytes(), gate_, ComplainOfPool, engine_options);
  if (!pools.ok()) return pools;
  if (engine_options.core.no_secure_memory) spdlog::info("secure memory waits for its driver");
  engine_options.secure_memory.end_daemon = [](const std::string& why) {
    spdlog::error("ending at once: {}", base::EscapeSentence(why));
    ::_exit(kExitFailed);
  };
  engine_options.version = SYSMEM_VERSION_STRING;
  if (options_.admin_gid) engine_options.admin_gid = *options_.admin_gid;
  engine_options.encode_session_end = transport::EncodeSessionEnd;
  engine_options.log = LogForEngine;
  if (!options_.record_file.empty()) {
    absl::StatusOr<std::shared_ptr<Recorder>> recorder = Recorder::Open(
        options_.record_file,
        {.complain = [](const std::string& what) { spdlog::error("{}", base::Escape(what)); }});
    if (!recorder.ok()) return recorder.status();
    engine_options.recorder = *std::move(recorder);
    spdlog::info("recording to {}", base::Escape(options_.record_file));
  }
  engine_ = std::make_unique<Engine>(std::move(engine_options), *loop_);
  return absl::OkStatus();
}

// What the kernel has besides ordinary memory, and why not what people look for.
std::vector<heaps::FoundHeap> Daemon::LookForDeviceHeaps() {
  const heaps::UdmabufHeapOptions udmabuf{.further_descriptors =
                                              LimitsFor(descriptor_limit_).udmabuf};
  std::vector<heaps::FoundHeap> found = heaps::DiscoverDeviceHeaps(gate_, places_, udmabuf);
  for (const heaps::FoundHeap& one : found) {
    if (one.heap) continue;
    spdlog::debug("heap {} cannot be used: {}", base::Escape(one.properties.heap.type),
                  base::EscapeSentence(one.why_unusable));
  }
  return found;
}

void Daemon::WatchDevices() {
  DeviceHeaps::Options options;
  options.places = places_;
  options.discover = [this] { return LookForDeviceHeaps(); };
  options.found = [this](std::vector<heaps::FoundHeap> found) {
    const HeapRegistry::DeviceChanges changes = engine_->SetDeviceHeaps(std::move(found));
    for (const std::string& type : changes.gone)
      spdlog::info("heap {} is gone", base::Escape(type));
    for (const std::string& type : changes.come) {
      spdlog::info("heap {} is there", base::Escape(type));
    }
  };
  // The engine ends its worker before anything else that a look uses.
  options.run_aside = [this](std::function<void()> look) {
    engine_->internals().worker.Run(std::move(look));
  };
  absl::StatusOr<std::unique_ptr<DeviceHeaps>> watching =
      DeviceHeaps::Start(*loop_, std::move(options));
  if (watching.ok()) {
    device_heaps_ = *std::move(watching);
  } else {
    spdlog::info("heaps of the kernel that come or go will not be noticed: cannot {}",
                 Text(watching.status()));
  }
}

// What could be given back is what the warm pool keeps. Where nobody tells of pressure, the pool
// still keeps to a part of the memory that it finds available when it fills, and only for a while.
void Daemon::WatchMemoryPressure() {
  if (options_.warm_pool_bytes == 0) return;
  PressureWatch::Outcome outcome = PressureWatch::Start(
      *loop_, base::PressureSources(::getenv, base::ReadSmallFile),
      [heap = system_ram_](const std::string& path) {
        if (!heap->warm_pool().OnPressure()) return;
        spdlog::info("memory is short, says {}: the warm pool gives back what it keeps",
                     base::Escape(path));
      });
  pressure_ = std::move(outcome.watch);
  for (const std::string& path : outcome.listening) {
    spdlog::debug("listening for memory pressure on {}", base::Escape(path));
  }
  if (!outcome.listening.empty()) return;
  spdlog::info("cannot be told of memory pressure: {}",
               outcome.refusals.empty() ? "$MEMORY_PRESSURE_WATCH forbids it"
                                        : base::Escape(absl::StrJoin(outcome.refusals, "; ")));
}

absl::Status Daemon::ServeClients(base::ListeningSocket socket) {
  absl::StatusOr<std::unique_ptr<transport::Gateway>> gateway =
      transport::Gateway::Start(*engine_, *loop_, {.shuffle_seed = options_.test_shuffle_calls});
  if (!gateway.ok()) return gateway.status();
  gateway_ = *std::move(gateway);

  ListenerOptions listener_options;
  listener_options.unheard = UnheardFor(descriptor_limit_);
  listener_options.unheard_per_uid =
      std::min(listener_options.unheard_per_uid, listener_options.unheard);
  listener_options.on_hello = [this](PeerInfo peer, base::UniqueFd connection,
                                     const std::string& hello) {
    gateway_->OnHello(std::move(peer), std::move(connection), hello);
  };
  listener_options.encode_end = transport::EncodeSessionEnd;
  absl::StatusOr<std::unique_ptr<Listener>> listener =
      Listener::Start(std::move(socket), *loop_, engine_->internals().closer, listener_options);
  if (!listener.ok()) return listener.status();
  listener_ = *std::move(listener);
  return absl::OkStatus();
}

void Daemon::AnnounceReady() {
  spdlog::info("sysmemd {} listening on {}", SYSMEM_VERSION_STRING, listener_->path());
  NotifyReady();
  if (!ready_) return;
  const char byte = 1;
  if (::write(ready_.get(), &byte, sizeof(byte)) != 1) {
    spdlog::warn("{}", Text(base::ErrnoStatus(errno, "write to --ready-fd")));
  }
  ready_.reset();
}

// On the loop's thread.
void Daemon::OnSignal() {
  signalfd_siginfo signal{};
  if (::read(signals_.get(), &signal, sizeof(signal)) != sizeof(signal)) return;
  if (std::exchange(ending_, true)) {
    spdlog::error("a second signal: ending at once");
    ::_exit(kExitFailed);
  }
  spdlog::info("SIG{} from pid {}: ending", ::sigabbrev_np(static_cast<int>(signal.ssi_signo)),
               signal.ssi_pid);
  NotifyStopping();
  listener_.reset();
  loop_->RunAt(EventLoop::NowNs() + kShutdownPatienceNs, [] {
    spdlog::error("the end took too long: ending at once");
    ::_exit(kExitFailed);
  });
  ended_.set_value();
}

// The engine first: it answers what is parked and held, so that the gateway finds no call open.
void Daemon::Shutdown() {
  if (engine_) engine_->Shutdown();
  if (gateway_) gateway_->Shutdown();
  if (!loop_thread_.joinable()) return;
  loop_->Stop();
  loop_thread_.join();
}

}  // namespace

void IgnoreDeadlySignals() {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGIO, SIG_IGN);
}

int RunDaemon(const Options& options) {
  StartLogging(options.log_level);
  const sigset_t signals = EndingSignals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // inherited by every thread
  if (!IsSystemFit()) return kExitFailed;
  Daemon daemon(options);
  const absl::Status started = daemon.Start();
  if (started.ok()) {
    daemon.WaitForSignal();
  } else {
    spdlog::error("sysmemd cannot start: {}", Text(started));
  }
  daemon.Shutdown();
  return started.ok() ? 0 : kExitFailed;
}

}  // namespace sysmem::server
