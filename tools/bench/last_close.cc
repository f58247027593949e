// SPDX-License-Identifier: Apache-2.0
//
// sysmem-last-close-bench: how long after the last holder of a buffer has let go the end of its
// lifetime hangs up, in times of what the kernel takes to tell one process of another's close.
//
// The floor is a pipe: a process closes the write end, another wakes from poll(). Ours is the same
// with the daemon between: a process closes the buffer, the daemon notices and closes the tracking
// end, another process wakes from poll(). Both are measured in turn in the same run, block by
// block, from just before the close to just after poll(). Daemon and clients have a processor each
// (processors.h). With --check it fails when the ratio of the medians is above its bound.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <memory>
#include <new>
#include <string>
#include <sysmem/sysmem.hpp>
#include <utility>
#include <vector>

#include "tools/bench/processors.h"
#include "tools/demo/frame_link.h"
#include "tools/demo/private_daemon.h"
#include "tools/demo/sentence.h"

namespace sysmem::bench {
namespace {

constexpr double kBound = 8.0;
constexpr uint64_t kBytes = 4096;
constexpr std::chrono::seconds kPatience(10);
// The watcher is asleep by then.
constexpr timespec kBeforeClosing{.tv_sec = 0, .tv_nsec = 300'000};

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// A process that closes what it is sent, and notes when.
class Closer {
 public:
  // Before the library has started threads.
  static Result<std::unique_ptr<Closer>> Start() {
    void* const shared = ::mmap(nullptr, sizeof(std::atomic<int64_t>), PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return demo::ErrnoSentence("mmap");
    auto* const closed_at_ns = new (shared) std::atomic<int64_t>(0);
    std::array<int, 2> ends{-1, -1};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
      return demo::ErrnoSentence("socketpair");
    }
    UniqueFd ours(ends[0]);
    UniqueFd theirs(ends[1]);
    const pid_t child = ::fork();
    if (child < 0) return demo::ErrnoSentence("fork");
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      StayOn(Side::kServer);
      ours.reset();
      Close(demo::FrameLink(std::move(theirs), "the benchmark"), *closed_at_ns);
      ::_exit(0);
    }
    return std::unique_ptr<Closer>(new Closer(std::move(ours), *closed_at_ns));
  }

  // Sends it there, closes it here, and waits until `end` hangs up. How long after the close that
  // was.
  Result<int64_t> TimeToEnd(UniqueFd held, int end) {
    Result<void> sent = link_.Send({.kind = demo::LinkKind::kToken}, held.get());
    if (!sent.ok()) return sent.failure();
    held.reset();
    pollfd hang_up{.fd = end, .events = 0, .revents = 0};
    const int ready = ::poll(&hang_up, 1, std::chrono::milliseconds(kPatience).count());
    const int64_t now_ns = NowNs();
    if (ready != 1) return demo::Sentence("the end was not noticed");
    return now_ns - closed_at_ns_;
  }

 private:
  Closer(UniqueFd socket, std::atomic<int64_t>& closed_at_ns)
      : link_(std::move(socket), "the closing process"), closed_at_ns_(closed_at_ns) {}

  static void Close(demo::FrameLink link, std::atomic<int64_t>& closed_at_ns) {
    while (true) {
      Result<demo::FrameLink::Received> received = link.Receive();
      if (!received.ok() || !received->message) return;
      ::nanosleep(&kBeforeClosing, nullptr);
      closed_at_ns = NowNs();
      received->descriptor.reset();
    }
  }

  demo::FrameLink link_;
  std::atomic<int64_t>& closed_at_ns_;
};

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};
Result<Pipe> MakePipe() {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return demo::ErrnoSentence("pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<int64_t> TimeFloor(Closer& closer) {
  Result<Pipe> pipe = MakePipe();
  if (!pipe.ok()) return pipe.failure();
  return closer.TimeToEnd(std::move(pipe->write_end), pipe->read_end.get());
}

Result<int64_t> TimeBuffer(Client& client, Closer& closer) {
  Result<Pipe> lifetime = MakePipe();
  if (!lifetime.ok()) return lifetime.failure();
  Constraints constraints;
  constraints.usage.emplace();
  constraints.usage->cpu = SYSMEM_CPU_USAGE_READ | SYSMEM_CPU_USAGE_WRITE;
  constraints.min_buffer_count = 1;
  constraints.memory.emplace();
  constraints.memory->min_size_bytes = kBytes;
  Result<Collection> collection = client.CreateNonSharedCollection();
  if (!collection.ok()) return collection.failure();
  Result<void> told = collection->AttachLifetimeTracking(std::move(lifetime->write_end), 0);
  if (told.ok()) told = collection->SetConstraints(constraints);
  if (!told.ok()) return told.failure();
  UniqueFd held;
  {
    Result<Buffers> buffers = collection->Wait(kPatience);
    if (!buffers.ok()) return buffers.failure();
    Result<UniqueFd> copy = buffers->DupFd(0);
    if (!copy.ok()) return copy.failure();
    held = *std::move(copy);
  }
  collection->Close();
  Result<void> left = client.Roundtrip(kPatience);
  if (!left.ok()) return left.failure();
  return closer.TimeToEnd(std::move(held), lifetime->read_end.get());
}

int64_t Percentile(std::vector<int64_t>& sorted, double part) {
  return sorted[static_cast<size_t>(part * static_cast<double>(sorted.size() - 1))];
}

void Print(const char* what, std::vector<int64_t>& durations) {
  std::sort(durations.begin(), durations.end());
  std::printf("%-52s", what);
  for (const double part : {0.5, 0.9, 0.99}) {
    std::printf(" %8.1f", static_cast<double>(Percentile(durations, part)) / 1e3);
  }
  std::printf("\n");
}

// True if the ratio is within its bound.
Result<bool> Run(unsigned rounds, unsigned block) {
  Result<std::unique_ptr<demo::Workspace>> workspace = demo::Workspace::Create();
  if (!workspace.ok()) return workspace.failure();
  Result<std::unique_ptr<Closer>> closer = Closer::Start();
  if (!closer.ok()) return closer.failure();
  StayOn(Side::kServer);  // the daemon inherits it
  Result<std::unique_ptr<demo::PrivateDaemon>> daemon = demo::PrivateDaemon::Start(**workspace);
  if (!daemon.ok()) return daemon.failure();
  StayOn(Side::kClient);
  Result<Client> client = Client::Connect({.path = (*workspace)->socket_path()});
  if (!client.ok()) return client.failure();

  std::vector<int64_t> floor;
  std::vector<int64_t> ours;
  // The first block of each warms up and is not counted.
  for (unsigned done = 0; done <= rounds; done += block) {
    for (const bool is_floor : {true, false}) {
      for (unsigned i = 0; i < block; ++i) {
        Result<int64_t> ns = is_floor ? TimeFloor(**closer) : TimeBuffer(*client, **closer);
        if (!ns.ok()) return ns.failure();
        if (done > 0) (is_floor ? floor : ours).push_back(*ns);
      }
    }
  }
  std::printf("%zu of each, %u at a time in turn\n%-52s %8s %8s %8s\n", floor.size(), block, "",
              "p50 us", "p90 us", "p99 us");
  Print("a pipe's other end hangs up (the floor)", floor);
  Print("a buffer's lifetime end hangs up after the last close", ours);
  const double median =
      static_cast<double>(Percentile(ours, 0.5)) / static_cast<double>(Percentile(floor, 0.5));
  const double tail =
      static_cast<double>(Percentile(ours, 0.99)) / static_cast<double>(Percentile(floor, 0.99));
  std::printf("p50/floor %.2f (bound %.1f%s), p99/floor %.2f\n", median, kBound,
              median > kBound ? ", ABOVE" : "", tail);
  return median <= kBound;
}

int Main(int argc, char** argv) {
  CLI::App app{"Measures how soon the end of a buffer is told after its last close."};
  unsigned rounds = 2000;
  unsigned block = 100;
  bool check = false;
  app.add_option("--rounds", rounds, "How many of each (default 2000)")->check(CLI::PositiveNumber);
  app.add_option("--block", block, "How many of one kind in a row (default 100)")
      ->check(CLI::PositiveNumber);
  app.add_flag("--check", check, "Fail when the ratio of the medians is above its bound");
  CLI11_PARSE(app, argc, argv);
  Result<bool> good = Run(rounds, block);
  if (!good.ok()) {
    std::cerr << "sysmem-last-close-bench: " << good.failure().ToString() << "\n";
    return 1;
  }
  return check && !*good ? 1 : 0;
}

}  // namespace
}  // namespace sysmem::bench

int main(int argc, char** argv) { return sysmem::bench::Main(argc, argv); }
