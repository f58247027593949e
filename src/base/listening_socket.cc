// SPDX-License-Identifier: Apache-2.0
#include "base/listening_socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"

namespace sysmem::base {
namespace {

// Connections the kernel keeps for us until we accept: the daemon accepts at once, so this only has
// to cover a burst. The kernel cuts it to net.core.somaxconn.
constexpr int kBacklog = 128;

const sockaddr* AsAddress(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

std::string LockPath(const std::string& path) { return absl::StrCat(path, ".lock"); }

absl::Status AnotherListens(const std::string& path) {
  return absl::AlreadyExistsError(absl::StrCat("another daemon listens on ", path));
}

bool IsSameFile(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Locks the file beside the socket. Whoever stops removes that file, so a lock counts only if the
// file is still the one at the path; otherwise the next round locks its successor.
absl::StatusOr<UniqueFd> TakeLock(const std::string& path) {
  const std::string lock_path = LockPath(path);
  while (true) {
    UniqueFd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!lock) return ErrnoStatus(errno, absl::StrCat("open the lock file ", lock_path));
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return AnotherListens(path);
      if (errno == EINTR) continue;
      return ErrnoStatus(errno, absl::StrCat("lock ", lock_path));
    }
    struct stat locked {};
    struct stat named {};
    if (::fstat(lock.get(), &locked) != 0) {
      return ErrnoStatus(errno, absl::StrCat("look at ", lock_path));
    }
    if (::lstat(lock_path.c_str(), &named) == 0 && IsSameFile(locked, named)) return lock;
  }
}

enum class Occupant { kNobody, kStaleSocket, kListener };

absl::StatusOr<Occupant> FindOccupant(const std::string& path, const sockaddr_un& address) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) return Occupant::kNobody;
    return ErrnoStatus(errno, absl::StrCat("look at ", path));
  }
  if (!S_ISSOCK(found.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " exists and is not a socket; remove it or choose another path"));
  }
  UniqueFd probe(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return ErrnoStatus(errno, "make a socket");
  if (::connect(probe.get(), AsAddress(address), sizeof(address)) == 0) return Occupant::kListener;
  switch (const int error = errno) {
    case ECONNREFUSED:
      return Occupant::kStaleSocket;
    case ENOENT:  // removed since we looked
      return Occupant::kNobody;
    case EAGAIN:      // its queue is full, so it has one
    case EPROTOTYPE:  // a socket of another type is bound there
      return Occupant::kListener;
    default:
      return ErrnoStatus(error, absl::StrCat("find out who listens on ", path));
  }
}

// Between bind() and listen() every connect() is refused: the mode is in force before anybody can
// use it, without touching the umask, which belongs to the whole process.
absl::StatusOr<UniqueFd> BindAndListen(const std::string& path, const sockaddr_un& address,
                                       mode_t mode) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return ErrnoStatus(errno, "make a socket");
  if (::bind(socket.get(), AsAddress(address), sizeof(address)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("bind ", path));
  }
  absl::Status failure;
  if (::chmod(path.c_str(), mode) != 0) {
    failure = ErrnoStatus(errno, absl::StrCat("set the mode of ", path));
  } else if (::listen(socket.get(), kBacklog) != 0) {
    failure = ErrnoStatus(errno, absl::StrCat("listen on ", path));
  }
  if (failure.ok()) return socket;
  ::unlink(path.c_str());
  return failure;
}

bool IsShortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

bool HasLeftAgain(int error) { return error == ECONNABORTED || error == EPROTO; }

std::string BoundPath(BorrowedFd socket) {
  sockaddr_un address{};
  socklen_t length = sizeof(address);
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) return "";
  const size_t longest =
      length > offsetof(sockaddr_un, sun_path) ? length - offsetof(sockaddr_un, sun_path) : 0;
  return std::string(address.sun_path, ::strnlen(address.sun_path, longest));
}

absl::Status CheckAdoptable(BorrowedFd socket) {
  struct {
    int option;
    int expected;
    const char* refusal;
  } const checks[] = {
      {SO_DOMAIN, AF_UNIX, "is not a Unix socket"},
      {SO_TYPE, SOCK_SEQPACKET, "is not of type SOCK_SEQPACKET (systemd: ListenSequentialPacket=)"},
      {SO_ACCEPTCONN, 1, "does not listen (systemd: Accept=no)"},
  };
  for (const auto& check : checks) {
    int value = 0;
    socklen_t length = sizeof(value);
    if (::getsockopt(socket.get(), SOL_SOCKET, check.option, &value, &length) != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("the socket handed to the daemon: ", ErrnoText(errno)));
    }
    if (value != check.expected) {
      return absl::InvalidArgumentError(
          absl::StrCat("the socket handed to the daemon ", check.refusal));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ListeningSocket> ListeningSocket::Bind(const std::string& path, mode_t mode) {
  absl::StatusOr<sockaddr_un> address = SocketAddress(path);
  if (!address.ok()) return address.status();
  absl::StatusOr<UniqueFd> lock = TakeLock(path);
  // Asked in every case: when the lock is another user's, "another daemon" tells more than EACCES.
  const absl::StatusOr<Occupant> occupant = FindOccupant(path, *address);
  if (occupant.ok() && *occupant == Occupant::kListener) return AnotherListens(path);
  if (!lock.ok()) return lock.status();
  if (!occupant.ok()) return occupant.status();
  if (*occupant == Occupant::kStaleSocket && ::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, absl::StrCat("remove the stale socket ", path));
  }
  absl::StatusOr<UniqueFd> socket = BindAndListen(path, *address, mode);
  if (!socket.ok()) return socket.status();

  ListeningSocket listener(*std::move(socket), path);
  listener.lock_ = *std::move(lock);
  listener.bound_file_ = IdentityOf(path);
  return listener;
}

absl::StatusOr<ListeningSocket> ListeningSocket::Adopt(UniqueFd socket) {
  if (absl::Status adoptable = CheckAdoptable(socket); !adoptable.ok()) return adoptable;
  // systemd hands over a blocking socket without close-on-exec.
  const int flags = ::fcntl(socket.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) != 0 ||
      ::fcntl(socket.get(), F_SETFD, FD_CLOEXEC) != 0) {
    return ErrnoStatus(errno, "make the socket handed to the daemon non-blocking");
  }
  std::string path = BoundPath(socket);
  return ListeningSocket(std::move(socket), std::move(path));
}

ListeningSocket::~ListeningSocket() {
  if (!socket_ || !bound_file_) return;
  // The lock is still held, so no other daemon can be taking the path over at this moment.
  if (IdentityOf(path_) == bound_file_) ::unlink(path_.c_str());
  ::unlink(LockPath(path_).c_str());
}

absl::StatusOr<std::optional<Accepted>> ListeningSocket::Accept() const {
  UniqueFd socket;
  do {
    socket.reset(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  } while (!socket && errno == EINTR);
  if (!socket) {
    const int error = errno;
    if (error == EAGAIN || HasLeftAgain(error)) return std::nullopt;
    const std::string what = absl::StrCat("accept on ", path_);
    if (!IsShortage(error)) return ErrnoStatus(error, what);
    return absl::ResourceExhaustedError(absl::StrCat(what, ": ", ErrnoText(error)));
  }
  absl::StatusOr<PeerCredentials> peer = PeerOf(socket);
  if (!peer.ok()) return peer.status();
  return Accepted{.socket = std::move(socket), .peer = *peer};
}

std::optional<ListeningSocket::FileIdentity> ListeningSocket::IdentityOf(const std::string& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return std::nullopt;
  return FileIdentity{.device = found.st_dev, .inode = found.st_ino};
}

}  // namespace sysmem::base
