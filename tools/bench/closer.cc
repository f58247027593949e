// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/closer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <new>
#include <utility>

#include "tools/bench/processors.h"
#include "tools/demo/sentence.h"

namespace sysmem::bench {
namespace {

constexpr uint64_t kBytes = 4096;
constexpr std::chrono::seconds kPatience(10);
// The watcher is asleep by then.
constexpr timespec kBeforeClosing{.tv_sec = 0, .tv_nsec = 300'000};

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};
Result<Pipe> MakePipe() {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return demo::ErrnoSentence("pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace

Result<std::unique_ptr<Closer>> Closer::Start() {
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

Result<int64_t> Closer::TimeToEnd(UniqueFd held, int end) {
  Result<void> sent = link_.Send({.kind = demo::LinkKind::kToken}, held.get());
  if (!sent.ok()) return sent.failure();
  held.reset();
  pollfd hang_up{.fd = end, .events = 0, .revents = 0};
  const int ready = ::poll(&hang_up, 1, std::chrono::milliseconds(kPatience).count());
  const int64_t now_ns = NowNs();
  if (ready != 1) return demo::Sentence("the end was not noticed");
  return now_ns - closed_at_ns_;
}

void Closer::Close(demo::FrameLink link, std::atomic<int64_t>& closed_at_ns) {
  while (true) {
    Result<demo::FrameLink::Received> received = link.Receive();
    if (!received.ok() || !received->message) return;
    ::nanosleep(&kBeforeClosing, nullptr);
    closed_at_ns = NowNs();
    received->descriptor.reset();
  }
}

Result<int64_t> TimePipe(Closer& closer) {
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

}  // namespace sysmem::bench
