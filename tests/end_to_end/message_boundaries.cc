// SPDX-License-Identifier: Apache-2.0
#include "tests/end_to_end/message_boundaries.h"

#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>

namespace sysmem::testing {
namespace {

std::atomic<bool> counts{false};
std::atomic<uint64_t> passed{0};
std::atomic<uint64_t> last{kNoBoundary};
std::atomic<int> not_heeded{-1};

void Pass(int socket) {
  if (!counts || socket == not_heeded) return;
  if (passed.fetch_add(1) == last) ::kill(::getpid(), SIGKILL);
}

bool HasMessage(int socket) {
  pollfd polled{socket, POLLIN, 0};
  return ::poll(&polled, 1, 0) == 1;
}

// What the program would have called.
template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

void DieAtBoundary(uint64_t boundary, int unheeded) {
  not_heeded = unheeded;
  last = boundary;
  passed = 0;
  counts = true;
}

uint64_t BoundariesPassed() { return passed; }

}  // namespace sysmem::testing

using sysmem::testing::HasMessage;
using sysmem::testing::Next;
using sysmem::testing::Pass;

// Take the place of libc's, in this program and the libraries it has loaded.
extern "C" {

#define SYSMEM_SEEN_BY_LIBRARIES __attribute__((visibility("default")))

SYSMEM_SEEN_BY_LIBRARIES ssize_t sendmsg(int socket, const msghdr* message, int flags) {
  static auto* const next = Next<ssize_t(int, const msghdr*, int)>("sendmsg");
  Pass(socket);
  const ssize_t sent = next(socket, message, flags);
  if (sent >= 0) Pass(socket);
  return sent;
}

SYSMEM_SEEN_BY_LIBRARIES ssize_t recvmsg(int socket, msghdr* message, int flags) {
  static auto* const next = Next<ssize_t(int, msghdr*, int)>("recvmsg");
  // A look that finds nothing is no boundary.
  if (sysmem::testing::counts && HasMessage(socket)) Pass(socket);
  const ssize_t received = next(socket, message, flags);
  if (received > 0) Pass(socket);
  return received;
}

}  // extern "C"
