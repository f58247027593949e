// SPDX-License-Identifier: Apache-2.0
//
// The daemon's listening SOCK_SEQPACKET socket.
//
// A path belongs to whoever holds the lock on the file `<path>.lock`. A socket file left behind by
// a daemon that died is taken over; one on which somebody listens never is, not even when that
// somebody knows nothing of the lock (systemd, another program), because the path is tried with a
// connect first. Anything at the path that is not a socket stays untouched.
//
//   absl::StatusOr<ListeningSocket> listener = ListeningSocket::Bind("/run/x/socket", 0660);
//   ... epoll for EPOLLIN on listener->fd() ...
//   absl::StatusOr<std::optional<Accepted>> client = listener->Accept();
//
// The destructor closes the socket and removes both files, unless somebody has put another socket
// at the path meanwhile.
//
// Thread-safety: Accept may be called from several threads; moving may not.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "base/unix_socket.h"

namespace sysmem::base {

struct Accepted {
  UniqueFd socket;  // non-blocking, close-on-exec
  PeerCredentials peer;
};

class ListeningSocket {
 public:
  // Listens at `path` with exactly the permission bits `mode`, whatever the umask; nobody can
  // connect before they are set.
  // Errors: AlreadyExists "another daemon listens on PATH"; FailedPrecondition when something that
  // is not a socket is there; InvalidArgument for an impossible path; else with the errno text.
  static absl::StatusOr<ListeningSocket> Bind(const std::string& path, mode_t mode);

  // Takes a socket that is listening already (systemd activation). Its file is not ours to remove.
  // InvalidArgument when it is not a listening SOCK_SEQPACKET Unix socket.
  static absl::StatusOr<ListeningSocket> Adopt(UniqueFd socket);

  ListeningSocket(ListeningSocket&&) noexcept = default;
  // Closing the old socket must remove its files too; nobody needs that on a live object.
  ListeningSocket& operator=(ListeningSocket&&) = delete;
  ~ListeningSocket();

  // The next connection, or nullopt when none is waiting (or the one that was has left again).
  // ResourceExhausted when descriptors or memory are short at the moment: the connection stays in
  // the queue and the call may be repeated later. Any other error means that the socket is broken.
  absl::StatusOr<std::optional<Accepted>> Accept() const;

  BorrowedFd fd() const { return socket_; }
  // The path given to Bind; the bound address of an adopted socket.
  const std::string& path() const { return path_; }

 private:
  struct FileIdentity {
    dev_t device = 0;
    ino_t inode = 0;
    bool operator==(const FileIdentity&) const = default;
  };

  ListeningSocket(UniqueFd socket, std::string path)
      : path_(std::move(path)), socket_(std::move(socket)) {}

  static std::optional<FileIdentity> IdentityOf(const std::string& path);

  std::string path_;
  UniqueFd lock_;  // held while the files are ours; empty for an adopted socket
  UniqueFd socket_;
  std::optional<FileIdentity> bound_file_;
};

}  // namespace sysmem::base
