// SPDX-License-Identifier: Apache-2.0
//
// Owners and borrowers of Linux file descriptors.
//
// UniqueFd owns one descriptor and closes it at its end. BorrowedFd is the parameter type of a
// function that only looks at a descriptor for the length of the call. Together they put the owner
// of every descriptor into its type:
//
//   base::UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
//   absl::StatusOr<uint64_t> cookie = base::SocketCookie(socket);   // borrows
//   queue.push_back(std::move(socket));                             // gives away
//
// Neither is a number to be stored beside its owner: keep the UniqueFd.
//
// Thread-safety: as for an int. Several threads may borrow one UniqueFd while none changes it.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace sysmem::base {

class UniqueFd {
 public:
  UniqueFd() = default;
  // Takes ownership of `fd`; any negative number means "none".
  explicit UniqueFd(int fd) : fd_(fd < 0 ? kNone : fd) {}
  ~UniqueFd() { reset(); }

  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  // Closes the descriptor held until now. Moving an owner into itself changes nothing.
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }

  explicit operator bool() const { return fd_ != kNone; }
  // The number, still owned by this object; -1 when there is none.
  int get() const { return fd_; }
  // Gives the descriptor to the caller, who closes it.
  [[nodiscard]] int release() { return std::exchange(fd_, kNone); }
  // Closes the descriptor held until now and takes ownership of `fd`. Keeps errno.
  void reset(int fd = kNone);

 private:
  static constexpr int kNone = -1;
  int fd_ = kNone;
};

// A descriptor owned by somebody who outlives the call. Made from a UniqueFd by itself; from a bare
// number (a descriptor lent through a C interface, standard input) only in so many words.
class BorrowedFd {
 public:
  BorrowedFd(const UniqueFd& owner) : fd_(owner.get()) {}  // NOLINT(google-explicit-constructor)
  explicit BorrowedFd(int fd) : fd_(fd) {}
  int get() const { return fd_; }

 private:
  int fd_;
};

// A second descriptor of the same open file description, with close-on-exec. Empty, with errno set,
// when `fd` is not open (EBADF) or the process may not open more (EMFILE).
[[nodiscard]] inline UniqueFd Dup(BorrowedFd fd) {
  return UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
}

}  // namespace sysmem::base
