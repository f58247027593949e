// SPDX-License-Identifier: Apache-2.0
//
// Pipes whose hang-up says that something is over.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "client/clock.h"
#include "client/nodes.h"

using sysmem::base::UniqueFd;
using sysmem::client::InvalidArgument;
using sysmem::client::PollTimeout;
using sysmem::client::Report;
using sysmem::client::SystemFailure;
using sysmem::client::TimedOut;

namespace {

// Gives the write end of a new pipe to `attach`, and the read end to the program.
template <typename Attach>
sysmem_status Track(int* over_fd, sysmem_failure** failure, Attach attach) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return Report(SystemFailure(errno, "making a pipe for a tracking"), failure);
  }
  UniqueFd over(ends[0]);
  const sysmem_status status = attach(ends[1]);
  if (status == SYSMEM_OK) *over_fd = over.release();
  return status;
}

}  // namespace

sysmem_status sysmem_node_track(sysmem_node* node, int* over_fd, sysmem_failure** failure) {
  return Track(over_fd, failure,
               [&](int owned_fd) { return sysmem_node_attach_tracking(node, owned_fd, failure); });
}

sysmem_status sysmem_collection_track_lifetime(sysmem_collection* collection,
                                               uint32_t buffers_remaining, int* over_fd,
                                               sysmem_failure** failure) {
  return Track(over_fd, failure, [&](int owned_fd) {
    return sysmem_collection_attach_lifetime_tracking(collection, owned_fd, buffers_remaining,
                                                      failure);
  });
}

sysmem_status sysmem_await_hangup(int fd, int64_t deadline_ns, sysmem_failure** failure) {
  if (fd < 0) return Report(InvalidArgument("fd", "the descriptor is not open"), failure);
  while (true) {
    pollfd poller{.fd = fd, .events = 0, .revents = 0};
    const int ready = ::poll(&poller, 1, PollTimeout(deadline_ns));
    if (ready < 0 && errno != EINTR) return Report(SystemFailure(errno, "poll"), failure);
    if (ready > 0 && (poller.revents & POLLNVAL) != 0) {
      return Report(InvalidArgument("fd", "the descriptor is not open"), failure);
    }
    if (ready > 0) return SYSMEM_OK;
    if (PollTimeout(deadline_ns) == 0) return Report(TimedOut("it is not over yet"), failure);
  }
}
