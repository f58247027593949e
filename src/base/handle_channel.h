// SPDX-License-Identifier: Apache-2.0
//
// Framing of the handle channel: the seqpacket connection between a client and the daemon, the only
// place where descriptors and closure events travel. The same code serves both ends; it knows
// nothing of what the bodies mean.
//
// One message is a header of 32 bytes, little-endian, and a body, at most 4096 bytes together:
//
//   offset 0   u32 kind       HandleMessageKind
//          4   u32 size       header and body; equals the bytes received
//          8   u64 order      NODE_CLOSED: running number shared with the replies, from 1; else 0
//         16   u64 first      DESCRIPTORS: number of the first one, from 1; NODE_CLOSED: the
//         handle;
//                             else 0
//         24   u32 count      descriptors attached
//         28   u32 reserved   0
//
//   kind 1 HELLO          client   body: what the client says of itself
//        2 WELCOME        daemon   body: the answer; 1 descriptor: the client's end of the call
//        channel 3 DESCRIPTORS    both     1 to 253 descriptors, numbered first, first + 1, ...:
//        each side
//                                  numbers its own without a gap from 1. Body: one zero byte
//        4 NODE_CLOSED    daemon   body: reason, UTF-8, at most 1 KiB, possibly empty
//        5 SESSION_ENDED  daemon   body: why; the daemon closes next
//
// Anything else is refused with a status that names the field, its value and what was expected; the
// receiver ends the connection with it.
//
// Typical use, receiving:
//
//   auto received = ReceiveHandleMessage(socket, HandleMessageSender::kClient);
//   if (!received.ok()) return EndSession(received.status());
//   if (received->outcome != ReceiveOutcome::kMessage) ...
//   Use(std::move(received->message));
//
// and sending:
//
//   auto sent = SendHandleMessage(socket, NodeClosedMessage(order, handle, "released"));
//
// Thread-safety: as base/seqpacket.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/seqpacket.h"
#include "base/unique_fd.h"

namespace sysmem::base {

inline constexpr size_t kHandleHeaderBytes = 32;
// One page: a message never needs more, and a receiver's buffer can live on the stack.
inline constexpr size_t kMaxHandleMessageBytes = 4096;
inline constexpr size_t kMaxHandleBodyBytes = kMaxHandleMessageBytes - kHandleHeaderBytes;
// A reason is for a person to read; the inspector has the long form.
inline constexpr size_t kMaxClosedReasonBytes = 1024;

enum class HandleMessageKind : uint32_t {
  kHello = 1,
  kWelcome = 2,
  kDescriptors = 3,
  kNodeClosed = 4,
  kSessionEnded = 5,
};
// "HELLO", "WELCOME", ...
std::string_view HandleMessageKindName(HandleMessageKind kind);

// Who sent a message: each kind may come from one side only, DESCRIPTORS from both.
enum class HandleMessageSender { kClient, kDaemon };

struct HandleMessage {
  HandleMessageKind kind = HandleMessageKind::kHello;
  uint64_t order = 0;                 // kNodeClosed
  uint64_t first = 0;                 // kDescriptors: number of descriptors[0]; kNodeClosed: handle
  std::string body;                   // without the padding byte of kDescriptors
  std::vector<UniqueFd> descriptors;  // header field `count` is their number
};

// Makers of well-formed messages.
HandleMessage HelloMessage(std::string body);
HandleMessage WelcomeMessage(std::string body, UniqueFd call_channel);
// REQUIRES: first >= 1, 1 <= descriptors.size() <= kMaxDescriptorsPerMessage.
HandleMessage DescriptorsMessage(uint64_t first, std::vector<UniqueFd> descriptors);
// A reason longer than kMaxClosedReasonBytes is cut between two characters.
// REQUIRES: order >= 1, handle >= 1.
HandleMessage NodeClosedMessage(uint64_t order, uint64_t handle, std::string_view reason);
HandleMessage SessionEndedMessage(std::string body);

// The bytes of `message`; its descriptors are to be sent beside them. InvalidArgument for a message
// that DecodeHandleMessage would refuse: nothing malformed leaves through this function.
absl::StatusOr<std::vector<std::byte>> EncodeHandleMessage(const HandleMessage& message);

// The message in `bytes`, with the descriptors that came beside them. When it is refused
// (InvalidArgument), `descriptors` is left as it was and the caller disposes of it; when it is
// accepted, `descriptors` is left empty.
absl::StatusOr<HandleMessage> DecodeHandleMessage(HandleMessageSender sender,
                                                  std::span<const std::byte> bytes,
                                                  std::vector<UniqueFd>& descriptors);

// Encodes and sends. `message` keeps its descriptors: on kWouldBlock and kTooManyReferences send
// the same message again later, on kSent drop it. Errors as of EncodeHandleMessage and Send.
absl::StatusOr<SendOutcome> SendHandleMessage(BorrowedFd socket, const HandleMessage& message,
                                              Wait wait = Wait::kNo);

struct ReceivedHandleMessage {
  ReceiveOutcome outcome = ReceiveOutcome::kWouldBlock;
  HandleMessage message;  // meaningful with kMessage
};

// Receives and decodes one message of `sender`. Errors as of Receive and DecodeHandleMessage; the
// descriptors of a refused message go to options.dispose.
absl::StatusOr<ReceivedHandleMessage> ReceiveHandleMessage(BorrowedFd socket,
                                                           HandleMessageSender sender,
                                                           const ReceiveOptions& options = {});

}  // namespace sysmem::base
