// SPDX-License-Identifier: Apache-2.0
//
// Finding the daemon and saying hello.
//
//   Outcome<Greeting> greeting = Greet({.deadline_ns = DeadlineAfter(5'000'000'000)});
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/connection.h"
#include "client/failure.h"

namespace sysmem::client {

struct GreetOptions {
  std::optional<std::string> path;  // unset: search
  int64_t deadline_ns = INT64_MAX;
};

// Connects to the first daemon that answers, and exchanges HELLO and WELCOME. Failures:
// SYSMEM_UNREACHABLE when there is none, with every path that was tried and the errno EACCES if one
// of them may not be connected to, else ECONNREFUSED if at one nobody listens any more, else ENOENT
// if there is none; SYSMEM_DISCONNECTED when a daemon answered but does not want this client, with
// its reason (see FromSessionEnded); SYSMEM_TIMEOUT.
Outcome<Greeting> Greet(const GreetOptions& options);

// Where to look, in this order: $SYSMEM_SOCKET alone if it is set; else
// $XDG_RUNTIME_DIR/sysmemd/socket, then /run/sysmemd/socket.
std::vector<std::string> SocketPaths();

}  // namespace sysmem::client
