// SPDX-License-Identifier: Apache-2.0
//
// Puts the daemon together, runs it and takes it apart.
//
//   main thread        starts everything, waits, ends everything
//   event loop thread  accepts clients, watches descriptors, deadlines and signals
//   gRPC's threads     serve calls
//
// The loop keeps running while the engine and the gateway end, so what they wait for can happen.
#pragma once

#include "server/options.h"

namespace sysmem::server {

// SIGPIPE: a client that left is an answer of send(), not a death. SIGIO: opening a file on which
// the daemon holds a lease raises it, and its default kills. First line of main.
void IgnoreDeadlySignals();

// Serves until SIGTERM or SIGINT. Returns the exit code: 0 after a clean end, 1 when the daemon
// cannot start or end; the log says why. A second signal, or ten seconds, end the end.
// REQUIRES: no other thread runs yet; IgnoreDeadlySignals was called.
int RunDaemon(const Options& options);

}  // namespace sysmem::server
