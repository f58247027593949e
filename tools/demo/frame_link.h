// SPDX-License-Identifier: Apache-2.0
//
// How the processes of the demo speak with each other: short messages over a SOCK_SEQPACKET
// socketpair that the launcher made. The daemon has no part in it.
//
//   decoder -> consumer   kToken   with one descriptor: the token to take part with. First message
//                         kFrame   a picture is ready in buffer `buffer`; look at it, do not keep
//                         it kEnd     no more pictures; `number` is how many there were
//   consumer -> decoder   kReturn  the consumer no longer looks at picture `number`
//                         kDone    the consumer has finished its work after kEnd
//
// After the token only numbers travel: the pixels are in the buffers that sysmemd handed out.
//
// A message is 48 bytes, little-endian: u32 kind, u32 buffer, u64 number, i64 pts, u32 x, y, width,
// height of the visible rectangle, u64 zero.
//
// Thread-safety: one thread may send while another receives.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <sysmem/result.hpp>

#include "tools/demo/picture.h"

namespace sysmem::demo {

enum class LinkKind : uint32_t { kToken = 1, kFrame = 2, kEnd = 3, kReturn = 4, kDone = 5 };

struct LinkMessage {
  LinkKind kind = LinkKind::kFrame;
  uint32_t buffer = 0;
  uint64_t number = 0;
  int64_t pts = 0;
  Rectangle visible;
  bool operator==(const LinkMessage&) const = default;
};

inline constexpr size_t kLinkMessageSize = 48;
std::array<std::byte, kLinkMessageSize> EncodeLinkMessage(const LinkMessage& message);
// Empty for a wrong size, an unknown kind, or a tail that is not zero.
std::optional<LinkMessage> DecodeLinkMessage(std::span<const std::byte> bytes);

class FrameLink {
 public:
  // `socket`: one end of the socketpair. `peer`: who is at the other, for messages to people.
  FrameLink(UniqueFd socket, std::string peer)
      : socket_(std::move(socket)), peer_(std::move(peer)) {}

  // To be polled for reading; stays this object's.
  int fd() const { return socket_.get(); }
  const std::string& peer() const { return peer_; }

  // Waits while the peer is slow. `descriptor` (-1: none) stays the caller's. A peer that has gone
  // is a failure with errno EPIPE.
  Result<void> Send(const LinkMessage& message, int descriptor = -1);

  struct Received {
    std::optional<LinkMessage> message;  // empty: the peer has gone
    UniqueFd descriptor;                 // set exactly for kToken
  };
  // Waits for the next message. A message that breaks the rules above is a failure.
  Result<Received> Receive();

 private:
  UniqueFd socket_;
  std::string peer_;
};

}  // namespace sysmem::demo
