// SPDX-License-Identifier: Apache-2.0
//
// A token that this process was started with.
#include <fcntl.h>
#include <poll.h>
#include <sysmem/node.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/descriptor_kind.h"
#include "client/nodes.h"

namespace sysmem::client {
namespace {

constexpr int kFirstInheritable = 3;  // behind standard input, output and error

Failure Unusable(int errno_value, std::string message) {
  Failure failure = InvalidArgument(SYSMEM_TOKEN_FD_VARIABLE, std::move(message));
  failure.system_errno = errno_value;
  return failure;
}

Outcome<int> ParseNumber(const char* text) {
  if (text == nullptr || *text == '\0') {
    return Unusable(ENOENT, "not set: this program was started without a token");
  }
  const std::string_view all(text);
  int fd = -1;
  const auto [end, error] = std::from_chars(all.data(), all.data() + all.size(), fd);
  if (error != std::errc() || end != all.data() + all.size() || fd < kFirstInheritable) {
    return Unusable(EINVAL, "\"" + std::string(all.substr(0, 32)) +
                                "\" is not the number of a descriptor from 3 up");
  }
  return fd;
}

// The daemon keeps the other end of a token until somebody has used it.
bool IsHungUp(int fd) {
  pollfd asked{.fd = fd, .events = 0, .revents = 0};
  return ::poll(&asked, 1, 0) == 1 && (asked.revents & (POLLHUP | POLLERR)) != 0;
}

Outcome<int> TakeFromEnvironment() {
  // The manual says that nobody changes the environment meanwhile.
  Outcome<int> fd = ParseNumber(std::getenv(SYSMEM_TOKEN_FD_VARIABLE));  // NOLINT(concurrency-*)
  if (!fd.ok()) return fd;
  const std::string name = "descriptor " + std::to_string(*fd);
  const int flags = ::fcntl(*fd, F_GETFD);
  if (flags == -1) {
    return Unusable(EBADF, name +
                               " is not open: whoever started this program closed it, or left "
                               "it close-on-exec");
  }
  const base::DescriptorKind kind = base::ClassifyDescriptor(base::BorrowedFd(*fd));
  if (kind != base::DescriptorKind::kUnixSocket) {
    return Unusable(ENOTSOCK, name + " is no token but of another kind: " +
                                  std::string(base::DescriptorKindName(kind)));
  }
  ::fcntl(*fd, F_SETFD, flags | FD_CLOEXEC);
  ::unsetenv(SYSMEM_TOKEN_FD_VARIABLE);  // NOLINT(concurrency-*)
  if (IsHungUp(*fd)) {
    ::close(*fd);
    return Unusable(EPIPE, name + " is a token that was used before, or whose collection is gone");
  }
  return fd;
}

}  // namespace
}  // namespace sysmem::client

sysmem_status sysmem_token_fd_from_environment(int* fd, sysmem_failure** failure) {
  auto taken = sysmem::client::TakeFromEnvironment();
  if (!taken.ok()) return sysmem::client::Report(std::move(taken.failure()), failure);
  *fd = *taken;
  return SYSMEM_OK;
}

sysmem_status sysmem_token_from_environment(sysmem_client* client, sysmem_token** token,
                                            sysmem_failure** failure) {
  int fd = -1;
  const sysmem_status status = sysmem_token_fd_from_environment(&fd, failure);
  return status == SYSMEM_OK ? sysmem_token_import(client, fd, token, failure) : status;
}
