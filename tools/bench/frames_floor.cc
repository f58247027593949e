// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/frames_floor.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "tools/bench/processors.h"
#include "tools/bench/stopwatch.h"

namespace sysmem::bench {
namespace {

// What the client asks for.
constexpr char kMakeAndSend = 'c';
constexpr char kGetReady = 'r';  // answered with a byte
constexpr char kSendReady = 'w';
constexpr char kNothing = 'n';  // answered with a byte

using Frames = std::array<UniqueFd, kFrames>;

UniqueFd Reopen(const UniqueFd& fd) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd.get());
  return UniqueFd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
}

// As the daemon keeps them: sealed, all pages there, and not through the first descriptor.
UniqueFd MakeFrame() {
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  const UniqueFd made(::memfd_create("floor", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (::fchmod(made.get(), 0600) != 0 || ::ftruncate(made.get(), kFrameBytes) != 0 ||
      ::fallocate(made.get(), 0, 0, kFrameBytes) != 0 ||
      ::fcntl(made.get(), F_ADD_SEALS, kSeals) != 0) {
    return UniqueFd();
  }
  return Reopen(made);
}

bool MakeAll(Frames& frames) {
  std::generate(frames.begin(), frames.end(), MakeFrame);
  return std::all_of(frames.begin(), frames.end(), [](const UniqueFd& fd) { return bool(fd); });
}

// A message with room for the descriptors of a set.
struct Message {
  Message() {
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
  }
  char byte = 0;
  iovec part{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kFrames)] = {};
  msghdr header{};
};

bool SendAll(int socket, const Frames& frames) {
  Frames handed_out;
  Message message;
  cmsghdr* const rights = CMSG_FIRSTHDR(&message.header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int) * kFrames);
  for (uint32_t i = 0; i < kFrames; ++i) {
    handed_out[i] = Reopen(frames[i]);
    const int fd = handed_out[i].get();
    std::memcpy(CMSG_DATA(rights) + i * sizeof(int), &fd, sizeof(int));
  }
  return ::sendmsg(socket, &message.header, MSG_NOSIGNAL) == 1;
}

// How many descriptors came.
uint32_t ReceiveAll(int socket, Frames& frames) {
  Message message;
  if (::recvmsg(socket, &message.header, MSG_CMSG_CLOEXEC) != 1) return 0;
  const cmsghdr* const rights = CMSG_FIRSTHDR(&message.header);
  if (rights == nullptr || rights->cmsg_type != SCM_RIGHTS) return 0;
  const auto count = static_cast<uint32_t>((rights->cmsg_len - CMSG_LEN(0)) / sizeof(int));
  for (uint32_t i = 0; i < count; ++i) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(rights) + i * sizeof(int), sizeof(int));
    frames[i] = UniqueFd(fd);
  }
  return count;
}

// Until the client is gone, or something fails: then the client finds the socket closed.
void Serve(int socket) {
  Frames ready;
  char wanted = 0;
  bool good = true;
  while (good && ::recv(socket, &wanted, 1, 0) == 1) {
    Frames made;
    if (wanted == kMakeAndSend) good = MakeAll(made) && SendAll(socket, made);
    if (wanted == kNothing) good = ::send(socket, "", 1, MSG_NOSIGNAL) == 1;
    if (wanted == kGetReady) good = MakeAll(ready) && ::send(socket, "", 1, MSG_NOSIGNAL) == 1;
    if (wanted == kSendReady) {
      good = SendAll(socket, ready);
      ready = Frames();
    }
  }
}

}  // namespace

Result<std::unique_ptr<FramesFloor>> FramesFloor::Start() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return demo::ErrnoSentence("no sockets for the floor");
  }
  UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  const pid_t server = ::fork();
  if (server < 0) return demo::ErrnoSentence("no process for the floor");
  if (server == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ours.reset();
    StayOn(Side::kServer);
    Serve(theirs.get());
    ::_exit(0);
  }
  return std::unique_ptr<FramesFloor>(new FramesFloor(std::move(ours), server));
}

FramesFloor::~FramesFloor() {
  socket_.reset();
  ::waitpid(server_, nullptr, 0);
}

Result<std::vector<int64_t>> FramesFloor::Measure(bool warm, unsigned count) {
  std::vector<int64_t> durations;
  for (unsigned i = 0; i < count; ++i) {
    char ready = 0;
    if (warm && (::send(socket_.get(), &kGetReady, 1, MSG_NOSIGNAL) != 1 ||
                 ::recv(socket_.get(), &ready, 1, 0) != 1)) {
      return demo::Sentence("the floor ended early");
    }
    Frames frames;
    const Stopwatch watch;
    const char wanted = warm ? kSendReady : kMakeAndSend;
    if (::send(socket_.get(), &wanted, 1, MSG_NOSIGNAL) != 1 ||
        ReceiveAll(socket_.get(), frames) != kFrames) {
      return demo::Sentence("the floor ended early");
    }
    durations.push_back(watch.ns());
  }
  return durations;
}

Result<std::vector<int64_t>> FramesFloor::MeasureCold(unsigned count) {
  return Measure(false, count);
}

Result<std::vector<int64_t>> FramesFloor::MeasureWarm(unsigned count) {
  return Measure(true, count);
}

Result<std::vector<int64_t>> FramesFloor::MeasureEmpty(unsigned count) {
  std::vector<int64_t> durations;
  for (unsigned i = 0; i < count; ++i) {
    char answer = 0;
    const Stopwatch watch;
    if (::send(socket_.get(), &kNothing, 1, MSG_NOSIGNAL) != 1 ||
        ::recv(socket_.get(), &answer, 1, 0) != 1) {
      return demo::Sentence("the floor ended early");
    }
    durations.push_back(watch.ns());
  }
  return durations;
}

}  // namespace sysmem::bench
