// SPDX-License-Identifier: Apache-2.0
//
// Small helpers around Unix sockets: pairs, connecting, who the peer is, and the two facts about a
// socket that the session keeping rests on (its cookie, what of it is unread).
//
// All functions are thread-safe; errors carry the errno text and what was being done.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace sysmem::base {

// Both ends of a connected pair, close-on-exec, blocking.
// `type`: SOCK_STREAM or SOCK_SEQPACKET, with SOCK_NONBLOCK or-ed in when wanted.
absl::StatusOr<std::pair<UniqueFd, UniqueFd>> SocketPair(int type);

// The address of a socket file. InvalidArgument, with the figures, for an empty path, one with a
// NUL byte, or one that does not fit (107 bytes).
absl::StatusOr<sockaddr_un> SocketAddress(const std::string& path);

// Connects a SOCK_SEQPACKET socket (blocking, close-on-exec) to the listener at `path`. Waits at
// most `timeout` while the listener's queue is full, then DeadlineExceeded. NotFound: no such file.
// Unavailable: the file is there but nobody listens.
absl::StatusOr<UniqueFd> ConnectSeqpacket(const std::string& path,
                                          std::chrono::milliseconds timeout);

// Waits until `fd` can be read or has hung up. True: it is so; false: `timeout` has passed.
// A negative timeout means at once, like zero: no wait is without a deadline.
absl::StatusOr<bool> WaitReadable(BorrowedFd fd, std::chrono::milliseconds timeout);

// Who was at the other end at the moment of connect(). Decide on uid and gid; the pid is a label
// (it may be reused, and is 0 for a peer in a foreign pid namespace).
struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  bool operator==(const PeerCredentials&) const = default;
};
absl::StatusOr<PeerCredentials> PeerOf(BorrowedFd socket);

// SO_PEERGROUPS: all further groups (setgroups(2)) of that process at that moment, in no order.
absl::StatusOr<std::vector<gid_t>> PeerGroups(BorrowedFd socket);

// SO_COOKIE: the number of this very socket, the same through every copy of its descriptor and
// never used again while the machine is up.
absl::StatusOr<uint64_t> SocketCookie(BorrowedFd socket);

// SIOCOUTQ: what was sent through `socket` and is not yet read by the peer, in bytes of kernel
// memory (more than the payload). Zero proves that everything has been read.
absl::StatusOr<uint64_t> UnreadBytes(BorrowedFd socket);

}  // namespace sysmem::base
