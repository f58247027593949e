// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/frame_link.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "tools/demo/sentence.h"

namespace sysmem::demo {
namespace {

// Numbers go least significant byte first, whatever the machine.
class Writer {
 public:
  explicit Writer(std::span<std::byte> out) : out_(out) {}
  template <typename Number>
  void Put(Number number) {
    const auto bits = static_cast<std::make_unsigned_t<Number>>(number);
    for (size_t i = 0; i < sizeof(bits); ++i) {
      out_[i] = static_cast<std::byte>(static_cast<uint64_t>(bits) >> (8 * i));
    }
    out_ = out_.subspan(sizeof(bits));
  }

 private:
  std::span<std::byte> out_;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> in) : in_(in) {}
  template <typename Number>
  Number Get() {
    uint64_t bits = 0;
    for (size_t i = 0; i < sizeof(Number); ++i) {
      bits |= static_cast<uint64_t>(std::to_integer<uint8_t>(in_[i])) << (8 * i);
    }
    in_ = in_.subspan(sizeof(Number));
    return static_cast<Number>(bits);
  }

 private:
  std::span<const std::byte> in_;
};

bool IsKnown(uint32_t kind) {
  return kind >= static_cast<uint32_t>(LinkKind::kToken) &&
         kind <= static_cast<uint32_t>(LinkKind::kDone);
}

// Room for one descriptor more than is ever sent, so that one too many is seen rather than lost.
constexpr size_t kDescriptorRoom = 2;
union ControlBuffer {
  char bytes[CMSG_SPACE(kDescriptorRoom * sizeof(int))];
  cmsghdr aligner;
};

std::vector<UniqueFd> TakeDescriptors(msghdr& header) {
  std::vector<UniqueFd> taken;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
      taken.emplace_back(fd);
    }
  }
  return taken;
}

}  // namespace

std::array<std::byte, kLinkMessageSize> EncodeLinkMessage(const LinkMessage& message) {
  std::array<std::byte, kLinkMessageSize> bytes{};
  Writer writer(bytes);
  writer.Put(static_cast<uint32_t>(message.kind));
  writer.Put(message.buffer);
  writer.Put(message.number);
  writer.Put(message.pts);
  writer.Put(message.visible.x);
  writer.Put(message.visible.y);
  writer.Put(message.visible.width);
  writer.Put(message.visible.height);
  return bytes;
}

std::optional<LinkMessage> DecodeLinkMessage(std::span<const std::byte> bytes) {
  if (bytes.size() != kLinkMessageSize) return std::nullopt;
  Reader reader(bytes);
  const auto kind = reader.Get<uint32_t>();
  if (!IsKnown(kind)) return std::nullopt;
  LinkMessage message{.kind = static_cast<LinkKind>(kind)};
  message.buffer = reader.Get<uint32_t>();
  message.number = reader.Get<uint64_t>();
  message.pts = reader.Get<int64_t>();
  message.visible.x = reader.Get<uint32_t>();
  message.visible.y = reader.Get<uint32_t>();
  message.visible.width = reader.Get<uint32_t>();
  message.visible.height = reader.Get<uint32_t>();
  if (reader.Get<uint64_t>() != 0) return std::nullopt;
  return message;
}

Result<void> FrameLink::Send(const LinkMessage& message, int descriptor) {
  std::array<std::byte, kLinkMessageSize> bytes = EncodeLinkMessage(message);
  iovec body{bytes.data(), bytes.size()};
  msghdr header{};
  header.msg_iov = &body;
  header.msg_iovlen = 1;
  ControlBuffer control{};
  if (descriptor >= 0) {
    header.msg_control = control.bytes;
    header.msg_controllen = CMSG_SPACE(sizeof(int));
    cmsghdr* const part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(part), &descriptor, sizeof(descriptor));
  }
  while (::sendmsg(fd(), &header, MSG_NOSIGNAL) < 0) {
    // Whoever was killed may have left something unread: the kernel says that he is gone in another
    // way then.
    if (errno == ECONNRESET) errno = EPIPE;
    if (errno != EINTR) return ErrnoSentence("cannot send to the " + peer_);
  }
  return {};
}

Result<FrameLink::Received> FrameLink::Receive() {
  std::array<std::byte, kLinkMessageSize + 1> bytes;  // one more, to see what is too long
  iovec body{bytes.data(), bytes.size()};
  ControlBuffer control{};
  msghdr header{};
  header.msg_iov = &body;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes;
  header.msg_controllen = sizeof(control.bytes);
  ssize_t size = 0;
  do {
    size = ::recvmsg(fd(), &header, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0 && errno != ECONNRESET) return ErrnoSentence("cannot receive from the " + peer_);
  std::vector<UniqueFd> descriptors = TakeDescriptors(header);
  if (size <= 0) return Received{};

  std::optional<LinkMessage> message =
      DecodeLinkMessage(std::span(bytes).first(static_cast<size_t>(size)));
  const size_t wanted = message && message->kind == LinkKind::kToken ? 1 : 0;
  const bool is_whole = (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
  if (!message || !is_whole || descriptors.size() != wanted) {
    return Sentence("the " + peer_ + " sent a message that is not of this protocol");
  }
  Received received{.message = message};
  if (wanted == 1) received.descriptor = std::move(descriptors.front());
  return received;
}

}  // namespace sysmem::demo
