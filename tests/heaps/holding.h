// SPDX-License-Identifier: Apache-2.0
//
// The ways in which a process can hold a hand-out, each until it is told to let go.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <ostream>
#include <utility>

#include "base/seqpacket.h"
#include "base/unique_fd.h"

namespace sysmem::heaps {

// Makes it hold by one way and no other; calling the result lets go, wholly.
using LetGo = std::function<void()>;

struct WayToHold {
  const char* name;
  LetGo (*hold)(base::UniqueFd hand_out);
};

inline std::pair<base::UniqueFd, base::UniqueFd> SocketPair() {
  std::array<int, 2> ends{-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
  return {base::UniqueFd(ends[0]), base::UniqueFd(ends[1])};
}

inline void SendAway(base::UniqueFd fd, const base::UniqueFd& socket) {
  const std::array<std::byte, 1> body{};
  const std::array<base::UniqueFd, 1> descriptors{std::move(fd)};
  const absl::StatusOr<base::SendOutcome> sent = base::Send(socket, body, descriptors);
  EXPECT_TRUE(sent.ok() && *sent == base::SendOutcome::kSent);
}

// A child of ours that has nothing but `fd`, and sits there. It is up when this returns.
inline pid_t ForkHolder(const base::UniqueFd& fd) {
  std::array<int, 2> ends{-1, -1};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const base::UniqueFd reader(ends[0]);
  base::UniqueFd writer(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
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

inline void KillHolder(pid_t child) {
  ::kill(child, SIGKILL);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
}

inline LetGo HoldAsDescriptor(base::UniqueFd hand_out) {
  const auto held = std::make_shared<base::UniqueFd>(std::move(hand_out));
  return [held] { held->reset(); };
}

inline LetGo HoldAsDuplicate(base::UniqueFd hand_out) {
  return HoldAsDescriptor(base::Dup(hand_out));
}

inline LetGo HoldAsMapping(base::UniqueFd hand_out) {
  constexpr size_t kBytes = 4096;
  void* const memory = ::mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, hand_out.get(), 0);
  EXPECT_NE(memory, MAP_FAILED);
  return [memory] { EXPECT_EQ(::munmap(memory, kBytes), 0); };
}

inline LetGo HoldInFlight(base::UniqueFd hand_out) {
  auto ends = std::make_shared<std::pair<base::UniqueFd, base::UniqueFd>>(SocketPair());
  SendAway(std::move(hand_out), ends->first);
  return [ends] { *ends = {}; };
}

inline LetGo HoldInFlightToAProcessThatDies(base::UniqueFd hand_out) {
  auto [ours, theirs] = SocketPair();
  const pid_t receiver = ForkHolder(theirs);
  theirs.reset();
  SendAway(std::move(hand_out), ours);
  ours.reset();
  return [receiver] { KillHolder(receiver); };
}

inline LetGo HoldInAForkedChild(base::UniqueFd hand_out) {
  const pid_t child = ForkHolder(hand_out);
  return [child] { KillHolder(child); };
}

inline constexpr WayToHold kWaysToHold[] = {
    {"AsDescriptor", HoldAsDescriptor},
    {"AsDuplicate", HoldAsDuplicate},
    {"AsMapping", HoldAsMapping},
    {"InFlight", HoldInFlight},
    {"InFlightToAProcessThatDies", HoldInFlightToAProcessThatDies},
    {"InAForkedChild", HoldInAForkedChild},
};

inline void PrintTo(const WayToHold& way, std::ostream* out) { *out << way.name; }

}  // namespace sysmem::heaps
