// SPDX-License-Identifier: Apache-2.0
//
// What fork() does to sessions: in the child they are dead.
//
// A child has the parent's memory but none of its threads, and shares the sockets of its sessions.
// One message from the child would destroy the parent's order of calls, so the child sends none: a
// connection remembers the ForkGeneration() it was made in, and answers DISCONNECTED when it has
// changed. The child's copies of handle channels are closed at once, so that a parent's death is
// noticed although a child lives on; gRPC's objects are left alone.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>

namespace sysmem::client {

// How often this process has been forked off since the library was first used. Cheap.
uint64_t ForkGeneration();

// Registers a descriptor that every child closes at birth, before its fork() returns, and the mutex
// of what belongs to it, which is held over the fork: else another thread might have it just then,
// and nobody would ever let go of it in the child. Whoever calls fork() must not have it himself.
// REQUIRES: Forget before the descriptor is closed or the mutex ends, and without the mutex.
void CloseInChildren(int fd, std::mutex& mutex);
void ForgetInChildren(int fd);

}  // namespace sysmem::client
