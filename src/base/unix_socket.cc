// SPDX-License-Identifier: Apache-2.0
#include "base/unix_socket.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"

namespace sysmem::base {
namespace {

using std::chrono::ceil;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

template <typename Value>
absl::StatusOr<Value> SocketOption(BorrowedFd socket, int option, const char* what) {
  Value value{};
  socklen_t length = sizeof(value);
  if (::getsockopt(socket.get(), SOL_SOCKET, option, &value, &length) != 0) {
    return ErrnoStatus(errno, absl::StrCat("ask a socket for ", what));
  }
  return value;
}

// A blocking connect() to a Unix socket waits for room in the listener's queue as long as sends may
// wait. Zero would mean "for ever".
absl::Status SetSendTimeout(BorrowedFd socket, milliseconds timeout) {
  const timeval limit{.tv_sec = static_cast<time_t>(timeout.count() / 1000),
                      .tv_usec = static_cast<suseconds_t>(timeout.count() % 1000 * 1000)};
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0) {
    return ErrnoStatus(errno, "set the time limit of a socket");
  }
  return absl::OkStatus();
}

absl::Status ConnectError(int error, const std::string& path, milliseconds timeout) {
  const std::string what = absl::StrCat("connect to ", path);
  if (error == EAGAIN) {
    return absl::DeadlineExceededError(absl::StrCat(
        what, ": somebody listens but has not accepted within ", timeout.count(), " ms"));
  }
  if (error == ECONNREFUSED) {
    return absl::UnavailableError(absl::StrCat(what, ": nobody listens there"));
  }
  return ErrnoStatus(error, what);
}

}  // namespace

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> SocketPair(int type) {
  int ends[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) {
    return ErrnoStatus(errno, "make a socket pair");
  }
  return std::make_pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

absl::StatusOr<sockaddr_un> SocketAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  constexpr size_t kLongest = sizeof(address.sun_path) - 1;
  if (path.empty()) return absl::InvalidArgumentError("socket path: empty");
  if (path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError("socket path: contains a NUL byte");
  }
  if (path.size() > kLongest) {
    return absl::InvalidArgumentError(
        absl::StrCat("socket path: ", path.size(), " bytes, at most ", kLongest, ": ", path));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

absl::StatusOr<UniqueFd> ConnectSeqpacket(const std::string& path, milliseconds timeout) {
  absl::StatusOr<sockaddr_un> address = SocketAddress(path);
  if (!address.ok()) return address.status();
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) return ErrnoStatus(errno, "make a socket");

  const milliseconds wait = std::max(timeout, milliseconds(1));
  const Clock::time_point deadline = Clock::now() + wait;
  milliseconds left = wait;
  while (true) {
    if (absl::Status set = SetSendTimeout(socket, left); !set.ok()) return set;
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) ==
        0) {
      break;
    }
    if (errno != EINTR) return ConnectError(errno, path, wait);
    left = ceil<milliseconds>(deadline - Clock::now());
    if (left <= milliseconds(0)) return ConnectError(EAGAIN, path, wait);
  }
  if (absl::Status set = SetSendTimeout(socket, milliseconds(0)); !set.ok()) return set;
  return socket;
}

absl::StatusOr<bool> WaitReadable(BorrowedFd fd, milliseconds timeout) {
  // A wait of more than INT_MAX ms (24 days) is cut to that.
  milliseconds left = std::clamp(timeout, milliseconds(0), milliseconds(INT_MAX));
  const Clock::time_point deadline = Clock::now() + left;
  pollfd state{.fd = fd.get(), .events = POLLIN, .revents = 0};
  while (true) {
    const int ready = ::poll(&state, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno != EINTR) return ErrnoStatus(errno, "wait for a descriptor");
    if (ready > 0 && (state.revents & POLLNVAL) != 0) {
      return ErrnoStatus(EBADF, "wait for a descriptor");
    }
    if (ready > 0) return true;
    if (ready == 0) return false;
    left = std::max(ceil<milliseconds>(deadline - Clock::now()), milliseconds(0));
  }
}

absl::StatusOr<PeerCredentials> PeerOf(BorrowedFd socket) {
  absl::StatusOr<ucred> peer = SocketOption<ucred>(socket, SO_PEERCRED, "its peer");
  if (!peer.ok()) return peer.status();
  return PeerCredentials{.pid = peer->pid, .uid = peer->uid, .gid = peer->gid};
}

absl::StatusOr<std::vector<gid_t>> PeerGroups(BorrowedFd socket) {
  std::vector<gid_t> groups(32);  // more than most have
  while (true) {
    auto length = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const bool told =
        ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length) == 0;
    if (!told && errno != ERANGE) return ErrnoStatus(errno, "ask a socket for its peer's groups");
    // What there is, or what it takes.
    groups.resize(length / sizeof(gid_t));
    if (told) return groups;
  }
}

absl::StatusOr<uint64_t> SocketCookie(BorrowedFd socket) {
  return SocketOption<uint64_t>(socket, SO_COOKIE, "its cookie");
}

absl::StatusOr<uint64_t> UnreadBytes(BorrowedFd socket) {
  int bytes = 0;
  if (::ioctl(socket.get(), SIOCOUTQ, &bytes) != 0) {
    return ErrnoStatus(errno, "ask a socket for its unread bytes");
  }
  return static_cast<uint64_t>(bytes);
}

}  // namespace sysmem::base
