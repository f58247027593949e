// SPDX-License-Identifier: Apache-2.0
#include "base/seqpacket.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"

namespace sysmem::base {
namespace {

// Room for one SCM_RIGHTS message of the largest size, aligned as the kernel writes it. Receiving
// always offers all of it: a smaller offer would have the kernel drop descriptors by itself and
// leave us guessing how many came.
struct ControlBuffer {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxDescriptorsPerMessage)> bytes;
};

void AttachDescriptors(std::span<const UniqueFd> descriptors, msghdr& header,
                       ControlBuffer& control) {
  const size_t payload = sizeof(int) * descriptors.size();
  header.msg_control = control.bytes.data();
  header.msg_controllen = CMSG_SPACE(payload);
  std::memset(control.bytes.data(), 0, header.msg_controllen);
  cmsghdr* message = CMSG_FIRSTHDR(&header);
  message->cmsg_level = SOL_SOCKET;
  message->cmsg_type = SCM_RIGHTS;
  message->cmsg_len = CMSG_LEN(payload);
  unsigned char* to = CMSG_DATA(message);
  for (const UniqueFd& descriptor : descriptors) {
    const int number = descriptor.get();
    std::memcpy(to, &number, sizeof(number));
    to += sizeof(number);
  }
}

// Takes ownership of every descriptor that the kernel has already installed in this process.
std::vector<UniqueFd> TakeDescriptors(msghdr& header) {
  std::vector<UniqueFd> taken;
  for (cmsghdr* message = CMSG_FIRSTHDR(&header); message != nullptr;
       message = CMSG_NXTHDR(&header, message)) {
    if (message->cmsg_level != SOL_SOCKET || message->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (message->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    const unsigned char* from = CMSG_DATA(message);
    for (size_t i = 0; i < count; ++i, from += sizeof(int)) {
      int number = -1;
      std::memcpy(&number, from, sizeof(number));
      taken.emplace_back(number);
    }
  }
  return taken;
}

// A read of no bytes is the end of the stream, or a message without bytes: only the former has hung
// up. (A peer that sends nothing and then hangs up counts as gone; so it is.)
bool HasHungUp(BorrowedFd socket) {
  pollfd state{.fd = socket.get(), .events = POLLRDHUP, .revents = 0};
  return ::poll(&state, 1, 0) == 1 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

absl::Status Judge(const msghdr& header, size_t size, const Received& received, size_t buffer_size,
                   size_t max_descriptors) {
  const size_t count = received.descriptors.size();
  if ((header.msg_flags & MSG_CTRUNC) != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("receive: descriptors were lost on arrival, ", count,
                     " came through; this process may have reached its limit of open descriptors"));
  }
  if ((header.msg_flags & MSG_TRUNC) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("receive: message of more than ", buffer_size, " bytes"));
  }
  if (count > max_descriptors) {
    return absl::InvalidArgumentError(
        absl::StrCat("receive: message with ", count, " descriptors, at most ", max_descriptors));
  }
  if (size == 0) return absl::InvalidArgumentError("receive: message without a byte");
  return absl::OkStatus();
}

absl::Status CheckSendable(std::span<const std::byte> bytes,
                           std::span<const UniqueFd> descriptors) {
  if (bytes.empty()) return absl::InvalidArgumentError("send: message without a byte");
  if (descriptors.size() > kMaxDescriptorsPerMessage) {
    return absl::InvalidArgumentError(absl::StrCat("send: ", descriptors.size(),
                                                   " descriptors in one message, at most ",
                                                   kMaxDescriptorsPerMessage));
  }
  for (size_t i = 0; i < descriptors.size(); ++i) {
    if (descriptors[i]) continue;
    return absl::InvalidArgumentError(absl::StrCat("send: descriptor ", i, " is not open"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SendOutcome> Send(BorrowedFd socket, std::span<const std::byte> bytes,
                                 std::span<const UniqueFd> descriptors, Wait wait) {
  if (absl::Status sendable = CheckSendable(bytes, descriptors); !sendable.ok()) return sendable;
  iovec vector{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  ControlBuffer control;
  if (!descriptors.empty()) AttachDescriptors(descriptors, header, control);

  const int flags = MSG_NOSIGNAL | (wait == Wait::kNo ? MSG_DONTWAIT : 0);
  while (::sendmsg(socket.get(), &header, flags) < 0) {
    switch (const int error = errno) {
      case EINTR:
        continue;
      case EAGAIN:
        return SendOutcome::kWouldBlock;
      case ETOOMANYREFS:
        return SendOutcome::kTooManyReferences;
      case EPIPE:
      case ECONNRESET:
      case ENOTCONN:
        return SendOutcome::kPeerGone;
      case EMSGSIZE:
        return absl::InvalidArgumentError(
            absl::StrCat("send: message of ", bytes.size(), " bytes: ", ErrnoText(error)));
      default:
        return ErrnoStatus(error, absl::StrCat("send ", bytes.size(), " bytes with ",
                                               descriptors.size(), " descriptors"));
    }
  }
  return SendOutcome::kSent;
}

absl::StatusOr<Received> Receive(BorrowedFd socket, std::span<std::byte> buffer,
                                 const ReceiveOptions& options) {
  iovec vector{.iov_base = buffer.data(), .iov_len = buffer.size()};
  ControlBuffer control;
  msghdr header{};
  ssize_t size = -1;
  const int flags = MSG_CMSG_CLOEXEC | (options.wait == Wait::kNo ? MSG_DONTWAIT : 0);
  do {
    header = msghdr{};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control.bytes.data();
    header.msg_controllen = control.bytes.size();
    size = ::recvmsg(socket.get(), &header, flags);
  } while (size < 0 && errno == EINTR);

  Received received;
  if (size < 0) {
    const int error = errno;
    if (error == EAGAIN) return received;
    if (error != ECONNRESET) return ErrnoStatus(error, "receive");
    received.outcome = ReceiveOutcome::kPeerGone;
    return received;
  }
  // From here on everything that came has an owner, whatever is said of the message below.
  received.descriptors = TakeDescriptors(header);
  received.size = static_cast<size_t>(size);
  if (size == 0 && received.descriptors.empty() && HasHungUp(socket)) {
    received.outcome = ReceiveOutcome::kPeerGone;
    return received;
  }
  if (absl::Status verdict =
          Judge(header, received.size, received, buffer.size(), options.max_descriptors);
      !verdict.ok()) {
    if (options.dispose) options.dispose(std::move(received.descriptors));
    return verdict;
  }
  received.outcome = ReceiveOutcome::kMessage;
  return received;
}

}  // namespace sysmem::base
