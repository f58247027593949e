// SPDX-License-Identifier: Apache-2.0
//
// The ways in which a process can hold a descriptor that it was given, each until it is told to let
// go.
#pragma once

#include <sys/types.h>

#include <functional>
#include <ostream>
#include <utility>

#include "base/unique_fd.h"

namespace sysmem::testing {

// Makes it hold by one way and no other; calling the result lets go, wholly. Empty: the kernel
// refuses this way.
using LetGo = std::function<void()>;
using Hold = LetGo (*)(base::UniqueFd hand_out);

LetGo HoldAsDescriptor(base::UniqueFd hand_out);
LetGo HoldAsDuplicate(base::UniqueFd hand_out);
LetGo HoldAsMapping(base::UniqueFd hand_out);
// In a socket that nobody reads.
LetGo HoldInFlight(base::UniqueFd hand_out);
LetGo HoldInFlightToAProcessThatDies(base::UniqueFd hand_out);
LetGo HoldInAForkedChild(base::UniqueFd hand_out);
LetGo HoldRegisteredWithIoUring(base::UniqueFd hand_out);
// By another description than the one it was given. Empty for whoever may not open it.
LetGo HoldOpenedAnew(base::UniqueFd hand_out);

struct WayToHold {
  const char* name;
  Hold hold;
};
// Those that every kernel allows to everybody.
inline constexpr WayToHold kWaysToHold[] = {
    {"AsDescriptor", HoldAsDescriptor},
    {"AsDuplicate", HoldAsDuplicate},
    {"AsMapping", HoldAsMapping},
    {"InFlight", HoldInFlight},
    {"InFlightToAProcessThatDies", HoldInFlightToAProcessThatDies},
    {"InAForkedChild", HoldInAForkedChild},
};
inline void PrintTo(const WayToHold& way, std::ostream* out) { *out << way.name; }

std::pair<base::UniqueFd, base::UniqueFd> SocketPair();
void SendAway(base::UniqueFd fd, const base::UniqueFd& socket);

// A child of ours that has nothing but `fd`, and sits there. It is up when this returns. It dies
// with us, or, if it is to outlive us, some time after every test that may use it.
enum class Outlives { kNo, kYes };
pid_t ForkHolder(const base::UniqueFd& fd, Outlives outlives = Outlives::kNo);
void KillHolder(pid_t child);

}  // namespace sysmem::testing
