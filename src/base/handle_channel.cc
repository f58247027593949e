// SPDX-License-Identifier: Apache-2.0
#include "base/handle_channel.h"

#include <array>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/escape.h"

namespace sysmem::base {
namespace {

// What the header holds, in the order in which it holds it.
struct Header {
  uint32_t kind = 0;
  uint32_t size = 0;
  uint64_t order = 0;
  uint64_t first = 0;
  uint32_t count = 0;
  uint32_t reserved = 0;
};

// What a kind of message may contain: one row per kind, the whole grammar of the channel.
enum class Number { kZero, kPositive };
struct Rule {
  HandleMessageKind kind;
  std::string_view name;
  bool from_client;
  bool from_daemon;
  Number order;
  Number first;
  size_t min_descriptors;
  size_t max_descriptors;
  size_t max_body_bytes;
};
constexpr Rule kRules[] = {
    {HandleMessageKind::kHello, "HELLO", true, false, Number::kZero, Number::kZero, 0, 0,
     kMaxHandleBodyBytes},
    {HandleMessageKind::kWelcome, "WELCOME", false, true, Number::kZero, Number::kZero, 1, 1,
     kMaxHandleBodyBytes},
    {HandleMessageKind::kDescriptors, "DESCRIPTORS", true, true, Number::kZero, Number::kPositive,
     1, kMaxDescriptorsPerMessage, 0},
    {HandleMessageKind::kNodeClosed, "NODE_CLOSED", false, true, Number::kPositive,
     Number::kPositive, 0, 0, kMaxClosedReasonBytes},
    {HandleMessageKind::kSessionEnded, "SESSION_ENDED", false, true, Number::kZero, Number::kZero,
     0, 0, kMaxHandleBodyBytes},
};

const Rule* FindRule(uint32_t kind) {
  for (const Rule& rule : kRules) {
    if (static_cast<uint32_t>(rule.kind) == kind) return &rule;
  }
  return nullptr;
}

// DESCRIPTORS has nothing to say beside its header, and ends in one zero byte.
size_t PaddingBytes(HandleMessageKind kind) {
  return kind == HandleMessageKind::kDescriptors ? 1 : 0;
}

template <typename... Parts>
absl::Status Refuse(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat("handle channel: ", parts...));
}

absl::string_view Name(const Rule& rule) { return {rule.name.data(), rule.name.size()}; }

absl::Status CheckNumber(const Rule& rule, absl::string_view field, uint64_t value,
                         Number expected) {
  if ((value == 0) == (expected == Number::kZero)) return absl::OkStatus();
  return Refuse(Name(rule), " with ", field, " ", value, ", expected ",
                expected == Number::kZero ? "0" : "at least 1");
}

absl::Status CheckDescriptors(const Rule& rule, uint64_t first, size_t count) {
  if (count < rule.min_descriptors || count > rule.max_descriptors) {
    return Refuse(Name(rule), " with count ", count, ", expected ", rule.min_descriptors, " to ",
                  rule.max_descriptors);
  }
  if (rule.kind == HandleMessageKind::kDescriptors &&
      first > std::numeric_limits<uint64_t>::max() - count) {
    return Refuse(Name(rule), " with first ", first, " and count ", count,
                  ": the numbers run over");
  }
  return absl::OkStatus();
}

// The checks that hold for a message in memory as well as for one on the wire.
absl::Status CheckContent(const Rule& rule, uint64_t order, uint64_t first, size_t count,
                          size_t body_bytes) {
  if (absl::Status s = CheckNumber(rule, "order", order, rule.order); !s.ok()) return s;
  if (absl::Status s = CheckNumber(rule, "first", first, rule.first); !s.ok()) return s;
  if (absl::Status s = CheckDescriptors(rule, first, count); !s.ok()) return s;
  if (body_bytes > rule.max_body_bytes) {
    return Refuse(Name(rule), " with a body of ", body_bytes, " bytes, at most ",
                  rule.max_body_bytes);
  }
  return absl::OkStatus();
}

absl::Status CheckFrame(const Header& header, size_t received_bytes, size_t received_descriptors) {
  if (header.size != received_bytes) {
    return Refuse("size ", header.size, ", received ", received_bytes, " bytes");
  }
  if (header.reserved != 0) return Refuse("reserved ", header.reserved, ", expected 0");
  if (header.count != received_descriptors) {
    return Refuse("count ", header.count, ", received ", received_descriptors, " descriptors");
  }
  return absl::OkStatus();
}

absl::Status CheckSender(const Rule& rule, HandleMessageSender sender) {
  if (sender == HandleMessageSender::kClient ? rule.from_client : rule.from_daemon) {
    return absl::OkStatus();
  }
  return Refuse("kind ", static_cast<uint32_t>(rule.kind), " (", Name(rule), ") comes only from ",
                rule.from_daemon ? "the daemon" : "a client");
}

absl::Status CheckPadding(const Rule& rule, std::span<const std::byte> padding) {
  if (padding.size() != PaddingBytes(rule.kind)) {
    return Refuse(Name(rule), " with a body of ", padding.size(), " bytes, expected ",
                  PaddingBytes(rule.kind));
  }
  if (!padding.empty() && padding[0] != std::byte{0}) {
    return Refuse(Name(rule), " with body byte ", std::to_integer<unsigned>(padding[0]),
                  ", expected 0");
  }
  return absl::OkStatus();
}

template <typename Integer>
void Put(Integer value, std::byte*& to) {
  for (size_t i = 0; i < sizeof(value); ++i) *to++ = static_cast<std::byte>(value >> (8 * i));
}

template <typename Integer>
void Take(Integer& value, const std::byte*& from) {
  value = 0;
  for (size_t i = 0; i < sizeof(value); ++i) {
    value |= static_cast<Integer>(std::to_integer<Integer>(*from++) << (8 * i));
  }
}

void PutHeader(const Header& header, std::byte* to) {
  Put(header.kind, to);
  Put(header.size, to);
  Put(header.order, to);
  Put(header.first, to);
  Put(header.count, to);
  Put(header.reserved, to);
}

// REQUIRES: kHandleHeaderBytes at `from`.
Header TakeHeader(const std::byte* from) {
  Header header;
  Take(header.kind, from);
  Take(header.size, from);
  Take(header.order, from);
  Take(header.first, from);
  Take(header.count, from);
  Take(header.reserved, from);
  return header;
}

}  // namespace

std::string_view HandleMessageKindName(HandleMessageKind kind) {
  const Rule* rule = FindRule(static_cast<uint32_t>(kind));
  return rule == nullptr ? "unknown" : rule->name;
}

HandleMessage HelloMessage(std::string body) {
  return {.kind = HandleMessageKind::kHello, .body = std::move(body)};
}

HandleMessage WelcomeMessage(std::string body, UniqueFd call_channel) {
  HandleMessage message{.kind = HandleMessageKind::kWelcome, .body = std::move(body)};
  message.descriptors.push_back(std::move(call_channel));
  return message;
}

HandleMessage DescriptorsMessage(uint64_t first, std::vector<UniqueFd> descriptors) {
  return {.kind = HandleMessageKind::kDescriptors,
          .first = first,
          .descriptors = std::move(descriptors)};
}

HandleMessage NodeClosedMessage(uint64_t order, uint64_t handle, std::string_view reason) {
  return {.kind = HandleMessageKind::kNodeClosed,
          .order = order,
          .first = handle,
          .body = std::string(CutToBytes(reason, kMaxClosedReasonBytes))};
}

HandleMessage SessionEndedMessage(std::string body) {
  return {.kind = HandleMessageKind::kSessionEnded, .body = std::move(body)};
}

absl::StatusOr<std::vector<std::byte>> EncodeHandleMessage(const HandleMessage& message) {
  const Rule* rule = FindRule(static_cast<uint32_t>(message.kind));
  if (rule == nullptr) return Refuse("kind ", static_cast<uint32_t>(message.kind), " is unknown");
  if (absl::Status content = CheckContent(*rule, message.order, message.first,
                                          message.descriptors.size(), message.body.size());
      !content.ok()) {
    return content;
  }
  std::vector<std::byte> bytes(kHandleHeaderBytes + message.body.size() +
                               PaddingBytes(message.kind));
  PutHeader({.kind = static_cast<uint32_t>(message.kind),
             .size = static_cast<uint32_t>(bytes.size()),
             .order = message.order,
             .first = message.first,
             .count = static_cast<uint32_t>(message.descriptors.size())},
            bytes.data());
  if (!message.body.empty()) {
    std::memcpy(bytes.data() + kHandleHeaderBytes, message.body.data(), message.body.size());
  }
  return bytes;
}

absl::StatusOr<HandleMessage> DecodeHandleMessage(HandleMessageSender sender,
                                                  std::span<const std::byte> bytes,
                                                  std::vector<UniqueFd>& descriptors) {
  if (bytes.size() < kHandleHeaderBytes || bytes.size() > kMaxHandleMessageBytes) {
    return Refuse("message of ", bytes.size(), " bytes, expected ", kHandleHeaderBytes, " to ",
                  kMaxHandleMessageBytes);
  }
  const Header header = TakeHeader(bytes.data());
  const Rule* rule = FindRule(header.kind);
  if (rule == nullptr) return Refuse("kind ", header.kind, " is unknown");
  if (absl::Status s = CheckFrame(header, bytes.size(), descriptors.size()); !s.ok()) return s;
  if (absl::Status s = CheckSender(*rule, sender); !s.ok()) return s;

  std::span<const std::byte> body = bytes.subspan(kHandleHeaderBytes);
  if (rule->kind == HandleMessageKind::kDescriptors) {
    if (absl::Status s = CheckPadding(*rule, body); !s.ok()) return s;
    body = {};
  }
  if (absl::Status s =
          CheckContent(*rule, header.order, header.first, descriptors.size(), body.size());
      !s.ok()) {
    return s;
  }
  return HandleMessage{.kind = rule->kind,
                       .order = header.order,
                       .first = header.first,
                       .body = std::string(reinterpret_cast<const char*>(body.data()), body.size()),
                       .descriptors = std::exchange(descriptors, {})};
}

absl::StatusOr<SendOutcome> SendHandleMessage(BorrowedFd socket, const HandleMessage& message,
                                              Wait wait) {
  absl::StatusOr<std::vector<std::byte>> bytes = EncodeHandleMessage(message);
  if (!bytes.ok()) return bytes.status();
  return Send(socket, *bytes, message.descriptors, wait);
}

absl::StatusOr<ReceivedHandleMessage> ReceiveHandleMessage(BorrowedFd socket,
                                                           HandleMessageSender sender,
                                                           const ReceiveOptions& options) {
  std::array<std::byte, kMaxHandleMessageBytes> buffer;
  absl::StatusOr<Received> received = Receive(socket, buffer, options);
  if (!received.ok()) return received.status();
  ReceivedHandleMessage result{.outcome = received->outcome};
  if (result.outcome != ReceiveOutcome::kMessage) return result;
  absl::StatusOr<HandleMessage> message =
      DecodeHandleMessage(sender, std::span(buffer).first(received->size), received->descriptors);
  if (!message.ok()) {
    if (options.dispose) options.dispose(std::move(received->descriptors));
    return message.status();
  }
  result.message = *std::move(message);
  return result;
}

}  // namespace sysmem::base
