// SPDX-License-Identifier: Apache-2.0
//
// Messages with descriptors over a connected SOCK_SEQPACKET Unix socket: the one place of the
// project where descriptors are sent, and the one where they are received.
//
// Receiving is paranoid, because the other side may be anybody: descriptors are close-on-exec from
// the first moment, a message that is too long, has lost descriptors, has too many of them or
// consists of descriptors only is refused, and nothing that came with a refused message stays open.
//
//   absl::StatusOr<Received> received = Receive(socket, buffer, {.max_descriptors = 1});
//   if (!received.ok()) ...end the session with received.status()...
//   switch (received->outcome) ...
//
// The sockets may be blocking or not: each call says by itself whether it waits (Wait).
//
// Thread-safety: one sender and one receiver may use a socket at the same time. Two senders may too
// (messages do not mix), but in an order nobody knows.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace sysmem::base {

// The kernel's own limit on descriptors in one message (SCM_MAX_FD).
inline constexpr size_t kMaxDescriptorsPerMessage = 253;

enum class Wait {
  kNo,   // answer kWouldBlock instead of waiting
  kYes,  // wait until the message is through or the peer is gone
};

enum class SendOutcome {
  kSent,
  kWouldBlock,         // the peer has not read enough; try again after EPOLLOUT
  kTooManyReferences,  // ETOOMANYREFS: too many descriptors of this uid are unread, over all its
                       // sockets; try again when some peer has read (no event tells when)
  kPeerGone,           // the peer has closed; nothing sent here will be read any more
};

// Sends `bytes` as one message with `descriptors`, which stay the caller's: the kernel takes its
// own references. A message goes as a whole or not at all. Never raises SIGPIPE. REQUIRES: 1 <=
// bytes.size(), descriptors.size() <= kMaxDescriptorsPerMessage, each one open. Errors:
// InvalidArgument when a requirement is broken or the message is larger than the socket's send
// buffer allows; whatever else the kernel says, with its errno text.
absl::StatusOr<SendOutcome> Send(BorrowedFd socket, std::span<const std::byte> bytes,
                                 std::span<const UniqueFd> descriptors = {}, Wait wait = Wait::kNo);

enum class ReceiveOutcome {
  kMessage,
  kWouldBlock,  // nothing is there
  kPeerGone,    // end of stream, or the connection was reset; every message before it was received
};

struct Received {
  ReceiveOutcome outcome = ReceiveOutcome::kWouldBlock;
  size_t size = 0;                    // bytes written to the front of the buffer
  std::vector<UniqueFd> descriptors;  // in the order in which they were sent
};

// Gets rid of descriptors that came with a refused message. Closing a foreign descriptor can block
// for seconds (a lingering TCP socket), so a thread that must not block passes them on to one that
// may.
using DescriptorDisposer = std::function<void(std::vector<UniqueFd>)>;

struct ReceiveOptions {
  size_t max_descriptors = kMaxDescriptorsPerMessage;
  Wait wait = Wait::kNo;
  DescriptorDisposer dispose;  // empty: closed on the spot
};

// Receives one message into `buffer`.
// Errors, each of them a reason to end the connection: InvalidArgument for a message that is longer
// than the buffer, carries more than `max_descriptors`, or has no bytes; ResourceExhausted when
// descriptors were lost on arrival, which is this process's own shortage of numbers (or a security
// module's veto), not the peer's fault; whatever else the kernel says.
// REQUIRES: !buffer.empty().
absl::StatusOr<Received> Receive(BorrowedFd socket, std::span<std::byte> buffer,
                                 const ReceiveOptions& options = {});

}  // namespace sysmem::base
