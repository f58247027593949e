// SPDX-License-Identifier: Apache-2.0
#include "tests/support/holding.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>

#include "base/seqpacket.h"
#include "tests/support/patience.h"

namespace sysmem::testing {
namespace {

// The end of what is held closes it.
template <typename Held>
LetGo UntilTold(Held held) {
  const auto kept = std::make_shared<Held>(std::move(held));
  return [kept] { *kept = Held(); };
}

}  // namespace

std::pair<base::UniqueFd, base::UniqueFd> SocketPair() {
  std::array<int, 2> ends{-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
  return {base::UniqueFd(ends[0]), base::UniqueFd(ends[1])};
}

void SendAway(base::UniqueFd fd, const base::UniqueFd& socket) {
  const std::array<std::byte, 1> body{};
  const std::array<base::UniqueFd, 1> descriptors{std::move(fd)};
  const absl::StatusOr<base::SendOutcome> sent = base::Send(socket, body, descriptors);
  EXPECT_TRUE(sent.ok() && *sent == base::SendOutcome::kSent);
}

pid_t ForkHolder(const base::UniqueFd& fd, Outlives outlives) {
  std::array<int, 2> ends{-1, -1};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const base::UniqueFd reader(ends[0]);
  base::UniqueFd writer(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    if (outlives == Outlives::kNo) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (outlives == Outlives::kYes) ::alarm(10 * kPatience.count());
    for (int other = 3; other < 1024; ++other) {
      if (other != fd.get() && other != writer.get()) ::close(other);
    }
    ::close(writer.get());
    for (;;) ::pause();
  }
  EXPECT_GT(child, 0);
  writer.reset();
  char byte = 0;
  EXPECT_EQ(::read(reader.get(), &byte, 1), 0);
  return child;
}

void KillHolder(pid_t child) {
  ::kill(child, SIGKILL);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
}

LetGo HoldAsDescriptor(base::UniqueFd hand_out) { return UntilTold(std::move(hand_out)); }

LetGo HoldAsDuplicate(base::UniqueFd hand_out) { return UntilTold(base::Dup(hand_out)); }

LetGo HoldAsMapping(base::UniqueFd hand_out) {
  constexpr size_t kBytes = 4096;
  void* const memory = ::mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, hand_out.get(), 0);
  EXPECT_NE(memory, MAP_FAILED);
  return [memory] { EXPECT_EQ(::munmap(memory, kBytes), 0); };
}

LetGo HoldInFlight(base::UniqueFd hand_out) {
  auto ends = SocketPair();
  SendAway(std::move(hand_out), ends.first);
  return UntilTold(std::move(ends));
}

LetGo HoldInFlightToAProcessThatDies(base::UniqueFd hand_out) {
  auto [ours, theirs] = SocketPair();
  const pid_t receiver = ForkHolder(theirs);
  theirs.reset();
  SendAway(std::move(hand_out), ours);
  ours.reset();
  return [receiver] { KillHolder(receiver); };
}

LetGo HoldInAForkedChild(base::UniqueFd hand_out) {
  const pid_t child = ForkHolder(hand_out);
  return [child] { KillHolder(child); };
}

LetGo HoldRegisteredWithIoUring(base::UniqueFd hand_out) {
  io_uring_params params{};
  base::UniqueFd ring(static_cast<int>(::syscall(SYS_io_uring_setup, 1, &params)));
  if (!ring) return nullptr;
  const int fd = hand_out.get();
  if (::syscall(SYS_io_uring_register, ring.get(), IORING_REGISTER_FILES, &fd, 1) != 0) {
    return nullptr;
  }
  return UntilTold(std::move(ring));
}

LetGo HoldOpenedAnew(base::UniqueFd hand_out) {
  const std::string link = "/proc/self/fd/" + std::to_string(hand_out.get());
  const int mode = ::fcntl(hand_out.get(), F_GETFL) & O_ACCMODE;
  base::UniqueFd opened(::open(link.c_str(), mode | O_CLOEXEC));
  if (!opened) return nullptr;
  return UntilTold(std::move(opened));
}

}  // namespace sysmem::testing
