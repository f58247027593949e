// SPDX-License-Identifier: Apache-2.0
//
// Method: well-formed messages go through a real socket pair; malformed ones are well-formed ones
// with one field overwritten, and the refusal has to name that field.
#include "base/handle_channel.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/process_info.h"
#include "base/unix_socket.h"

namespace sysmem::base {
namespace {

using testing::HasSubstr;
using Sender = HandleMessageSender;
using Bytes = std::vector<std::byte>;

constexpr size_t kKindOffset = 0;
constexpr size_t kSizeOffset = 4;
constexpr size_t kOrderOffset = 8;
constexpr size_t kFirstOffset = 16;
constexpr size_t kCountOffset = 24;
constexpr size_t kReservedOffset = 28;

std::vector<UniqueFd> SomeDescriptors(size_t count) {
  std::vector<UniqueFd> descriptors;
  for (size_t i = 0; i < count; ++i) {
    descriptors.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  return descriptors;
}

template <typename Integer>
Bytes With(Bytes bytes, size_t offset, Integer value) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  std::memcpy(bytes.data() + offset, &value, sizeof(value));
  return bytes;
}

Bytes Encoded(const HandleMessage& message) {
  absl::StatusOr<Bytes> bytes = EncodeHandleMessage(message);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.value_or(Bytes());
}

// The text with which a message of these bytes and `count` descriptors is refused; "" if it is not.
std::string Refusal(Sender sender, const Bytes& bytes, size_t count = 0) {
  std::vector<UniqueFd> descriptors = SomeDescriptors(count);
  const absl::StatusOr<HandleMessage> message = DecodeHandleMessage(sender, bytes, descriptors);
  if (message.ok()) return "";
  EXPECT_EQ(message.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(descriptors.size(), count) << "a refused message must leave its descriptors";
  return std::string(message.status().message());
}

class HandleChannel : public testing::Test {
 protected:
  HandleChannel() {
    absl::StatusOr<std::pair<UniqueFd, UniqueFd>> ends = SocketPair(SOCK_SEQPACKET);
    EXPECT_TRUE(ends.ok()) << ends.status();
    here_ = std::move(ends->first);
    there_ = std::move(ends->second);
  }
  HandleMessage Carry(Sender sender, const HandleMessage& message) {
    const absl::StatusOr<SendOutcome> sent = SendHandleMessage(here_, message);
    EXPECT_TRUE(sent.ok() && *sent == SendOutcome::kSent) << sent.status();
    absl::StatusOr<ReceivedHandleMessage> received = ReceiveHandleMessage(there_, sender);
    EXPECT_TRUE(received.ok()) << received.status();
    if (!received.ok()) return {};
    EXPECT_EQ(received->outcome, ReceiveOutcome::kMessage);
    return std::move(received->message);
  }
  UniqueFd here_;
  UniqueFd there_;
};

TEST_F(HandleChannel, CarriesAHello) {
  const HandleMessage got = Carry(Sender::kClient, HelloMessage(std::string("\x00\x01 hello", 8)));
  EXPECT_EQ(got.kind, HandleMessageKind::kHello);
  EXPECT_EQ(got.body, std::string("\x00\x01 hello", 8));
  EXPECT_TRUE(got.descriptors.empty());
}

TEST_F(HandleChannel, CarriesAWelcomeWithTheCallChannel) {
  const HandleMessage got =
      Carry(Sender::kDaemon, WelcomeMessage("", std::move(SomeDescriptors(1)[0])));
  EXPECT_EQ(got.kind, HandleMessageKind::kWelcome);
  EXPECT_EQ(got.body, "");
  EXPECT_EQ(got.descriptors.size(), 1U);
}

TEST_F(HandleChannel, CarriesNumberedDescriptorsBothWays) {
  for (const Sender sender : {Sender::kClient, Sender::kDaemon}) {
    const HandleMessage got = Carry(sender, DescriptorsMessage(41, SomeDescriptors(253)));
    EXPECT_EQ(got.kind, HandleMessageKind::kDescriptors);
    EXPECT_EQ(got.first, 41U);
    EXPECT_EQ(got.body, "");
    EXPECT_EQ(got.descriptors.size(), 253U);
  }
}

TEST_F(HandleChannel, CarriesAClosureWithItsOrderAndHandle) {
  const HandleMessage got = Carry(Sender::kDaemon, NodeClosedMessage(7, 0xfedcba9876543210, "why"));
  EXPECT_EQ(got.kind, HandleMessageKind::kNodeClosed);
  EXPECT_EQ(got.order, 7U);
  EXPECT_EQ(got.first, 0xfedcba9876543210);
  EXPECT_EQ(got.body, "why");
}

TEST_F(HandleChannel, CarriesTheEndOfTheSession) {
  const HandleMessage got = Carry(Sender::kDaemon, SessionEndedMessage("reason"));
  EXPECT_EQ(got.kind, HandleMessageKind::kSessionEnded);
  EXPECT_EQ(got.body, "reason");
}

TEST_F(HandleChannel, CarriesTheLargestBodyThatFits) {
  const std::string body(kMaxHandleBodyBytes, 'b');
  EXPECT_EQ(Carry(Sender::kClient, HelloMessage(body)).body, body);
  EXPECT_THAT(std::string(EncodeHandleMessage(HelloMessage(body + "b")).status().message()),
              HasSubstr("a body of 4065 bytes, at most 4064"));
}

TEST_F(HandleChannel, CutsALongReasonBetweenCharacters) {
  std::string reason(1023, 'r');
  reason += "é";
  const HandleMessage got = Carry(Sender::kDaemon, NodeClosedMessage(1, 1, reason));
  EXPECT_EQ(got.body, std::string(1023, 'r'));
}

TEST_F(HandleChannel, KeepsAMessageThatCouldNotBeSentYet) {
  const HandleMessage message = DescriptorsMessage(1, SomeDescriptors(1));
  absl::StatusOr<SendOutcome> outcome = SendOutcome::kSent;
  for (int i = 0; i < 100'000 && outcome.ok() && *outcome == SendOutcome::kSent; ++i) {
    outcome = SendHandleMessage(here_, message);
  }
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  ASSERT_NE(*outcome, SendOutcome::kSent);
  while (ReceiveHandleMessage(there_, Sender::kClient)->outcome == ReceiveOutcome::kMessage) {
  }
  EXPECT_EQ(*SendHandleMessage(here_, message), SendOutcome::kSent);
}

TEST_F(HandleChannel, PassesOnThatNothingIsThereAndThatThePeerIsGone) {
  EXPECT_EQ(ReceiveHandleMessage(there_, Sender::kClient)->outcome, ReceiveOutcome::kWouldBlock);
  here_.reset();
  EXPECT_EQ(ReceiveHandleMessage(there_, Sender::kClient)->outcome, ReceiveOutcome::kPeerGone);
}

TEST_F(HandleChannel, DisposesOfTheDescriptorsOfARefusedMessage) {
  const Bytes bytes =
      With(Encoded(DescriptorsMessage(1, SomeDescriptors(2))), kFirstOffset, uint64_t{0});
  ASSERT_TRUE(Send(here_, bytes, SomeDescriptors(2)).ok());
  ASSERT_TRUE(Send(here_, bytes, SomeDescriptors(2)).ok());
  const uint64_t before = OwnDescriptorCount().value_or(0);
  size_t disposed = 0;
  const auto count = [&](std::vector<UniqueFd> descriptors) { disposed += descriptors.size(); };
  EXPECT_FALSE(ReceiveHandleMessage(there_, Sender::kClient, {.dispose = count}).ok());
  EXPECT_EQ(disposed, 2U);
  EXPECT_FALSE(ReceiveHandleMessage(there_, Sender::kClient).ok());
  EXPECT_EQ(OwnDescriptorCount().value_or(0), before);
}

TEST(HandleMessageEncoding, IsLittleEndianAndAsDocumented) {
  const Bytes bytes = Encoded(NodeClosedMessage(0x0102, 0x0304, "r"));
  const std::vector<unsigned> expected = {4, 0, 0, 0, 33, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0,  4,
                                          3, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'r'};
  ASSERT_EQ(bytes.size(), expected.size());
  for (size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_EQ(std::to_integer<unsigned>(bytes[i]), expected[i]) << "at offset " << i;
  }
}

TEST(HandleMessageEncoding, RefusesWhatTheOtherSideWouldRefuse) {
  const auto refusal = [](const HandleMessage& message) {
    return std::string(EncodeHandleMessage(message).status().message());
  };
  EXPECT_THAT(refusal({.kind = static_cast<HandleMessageKind>(9)}), HasSubstr("kind 9"));
  EXPECT_THAT(refusal(DescriptorsMessage(0, SomeDescriptors(1))), HasSubstr("first 0"));
  EXPECT_THAT(refusal(DescriptorsMessage(1, {})), HasSubstr("count 0, expected 1 to 253"));
  EXPECT_THAT(refusal(NodeClosedMessage(0, 1, "")), HasSubstr("order 0"));
  EXPECT_THAT(refusal(NodeClosedMessage(1, 0, "")), HasSubstr("first 0"));
  EXPECT_THAT(refusal({.kind = HandleMessageKind::kWelcome}), HasSubstr("count 0, expected 1"));
  EXPECT_THAT(refusal({.kind = HandleMessageKind::kHello, .order = 3}), HasSubstr("order 3"));
  HandleMessage with_body = DescriptorsMessage(1, SomeDescriptors(1));
  with_body.body = "x";
  EXPECT_THAT(refusal(with_body), HasSubstr("a body of 1 bytes"));
}

TEST(HandleMessageDecoding, NamesTheLengthOfAMessageThatIsTooShortOrTooLong) {
  EXPECT_THAT(Refusal(Sender::kClient, Bytes()), HasSubstr("message of 0 bytes"));
  EXPECT_THAT(Refusal(Sender::kClient, Bytes(31)), HasSubstr("message of 31 bytes"));
  EXPECT_THAT(Refusal(Sender::kClient, Bytes(4097)), HasSubstr("message of 4097 bytes"));
}

TEST(HandleMessageDecoding, NamesAnUnknownKind) {
  const Bytes hello = Encoded(HelloMessage("h"));
  for (const uint32_t kind : {0U, 6U, 0xffffffffU}) {
    EXPECT_THAT(Refusal(Sender::kClient, With(hello, kKindOffset, kind)),
                HasSubstr("kind " + std::to_string(kind) + " is unknown"));
  }
}

TEST(HandleMessageDecoding, NamesASizeThatIsNotWhatCame) {
  const Bytes hello = Encoded(HelloMessage("h"));
  EXPECT_THAT(Refusal(Sender::kClient, With(hello, kSizeOffset, uint32_t{34})),
              HasSubstr("size 34, received 33 bytes"));
  EXPECT_THAT(Refusal(Sender::kClient, With(hello, kSizeOffset, uint32_t{0})), HasSubstr("size 0"));
}

TEST(HandleMessageDecoding, NamesACountThatIsNotWhatCame) {
  const Bytes two = Encoded(DescriptorsMessage(1, SomeDescriptors(2)));
  EXPECT_EQ(Refusal(Sender::kClient, two, 2), "");
  EXPECT_THAT(Refusal(Sender::kClient, two, 1), HasSubstr("count 2, received 1 descriptors"));
  EXPECT_THAT(Refusal(Sender::kClient, two, 3), HasSubstr("count 2, received 3 descriptors"));
  EXPECT_THAT(Refusal(Sender::kClient, With(two, kCountOffset, 0xffffffffU), 2),
              HasSubstr("count 4294967295"));
}

TEST(HandleMessageDecoding, NamesDescriptorsWhereNoneBelong) {
  const Bytes hello = With(Encoded(HelloMessage("h")), kCountOffset, uint32_t{1});
  EXPECT_THAT(Refusal(Sender::kClient, hello, 1), HasSubstr("HELLO with count 1"));
  const Bytes two = Encoded(DescriptorsMessage(1, SomeDescriptors(2)));
  EXPECT_THAT(Refusal(Sender::kClient, With(two, kCountOffset, uint32_t{0}), 0),
              HasSubstr("DESCRIPTORS with count 0, expected 1 to 253"));
}

TEST(HandleMessageDecoding, NamesAReservedFieldInUse) {
  EXPECT_THAT(Refusal(Sender::kClient, With(Encoded(HelloMessage("h")), kReservedOffset, 5U)),
              HasSubstr("reserved 5, expected 0"));
}

TEST(HandleMessageDecoding, NamesNumbersWhereNoneBelong) {
  const Bytes hello = Encoded(HelloMessage("h"));
  EXPECT_THAT(Refusal(Sender::kClient, With(hello, kOrderOffset, uint64_t{1})),
              HasSubstr("HELLO with order 1, expected 0"));
  EXPECT_THAT(Refusal(Sender::kClient, With(hello, kFirstOffset, uint64_t{1})),
              HasSubstr("HELLO with first 1, expected 0"));
  const Bytes one = Encoded(DescriptorsMessage(1, SomeDescriptors(1)));
  EXPECT_THAT(Refusal(Sender::kClient, With(one, kOrderOffset, uint64_t{1}), 1),
              HasSubstr("DESCRIPTORS with order 1, expected 0"));
  EXPECT_THAT(Refusal(Sender::kClient, With(one, kFirstOffset, uint64_t{0}), 1),
              HasSubstr("DESCRIPTORS with first 0, expected at least 1"));
}

TEST(HandleMessageDecoding, NamesNumbersThatRunOver) {
  constexpr uint64_t kLast = std::numeric_limits<uint64_t>::max();
  const Bytes two = Encoded(DescriptorsMessage(1, SomeDescriptors(2)));
  EXPECT_EQ(Refusal(Sender::kClient, With(two, kFirstOffset, kLast - 2), 2), "");
  EXPECT_THAT(Refusal(Sender::kClient, With(two, kFirstOffset, kLast - 1), 2),
              HasSubstr("run over"));
}

TEST(HandleMessageDecoding, NamesAMessageFromTheWrongSide) {
  EXPECT_THAT(Refusal(Sender::kDaemon, Encoded(HelloMessage("h"))),
              HasSubstr("kind 1 (HELLO) comes only from a client"));
  EXPECT_THAT(Refusal(Sender::kClient, Encoded(NodeClosedMessage(1, 1, ""))),
              HasSubstr("kind 4 (NODE_CLOSED) comes only from the daemon"));
  EXPECT_THAT(Refusal(Sender::kClient, Encoded(SessionEndedMessage(""))), HasSubstr("kind 5"));
  const Bytes welcome = Encoded(WelcomeMessage("", std::move(SomeDescriptors(1)[0])));
  EXPECT_THAT(Refusal(Sender::kClient, welcome, 1), HasSubstr("kind 2 (WELCOME)"));
}

TEST(HandleMessageDecoding, NamesABodyWhereDescriptorsHaveOnlyAZeroByte) {
  const Bytes one = Encoded(DescriptorsMessage(1, SomeDescriptors(1)));
  ASSERT_EQ(one.size(), kHandleHeaderBytes + 1);
  EXPECT_THAT(Refusal(Sender::kClient, With(one, kHandleHeaderBytes, uint8_t{7}), 1),
              HasSubstr("body byte 7, expected 0"));
  Bytes longer = With(one, kSizeOffset, static_cast<uint32_t>(one.size() + 1));
  longer.push_back(std::byte{0});
  EXPECT_THAT(Refusal(Sender::kClient, longer, 1), HasSubstr("a body of 2 bytes, expected 1"));
  Bytes shorter = With(one, kSizeOffset, static_cast<uint32_t>(one.size() - 1));
  shorter.pop_back();
  EXPECT_THAT(Refusal(Sender::kClient, shorter, 1), HasSubstr("a body of 0 bytes, expected 1"));
}

TEST(HandleMessageDecoding, NamesAReasonThatIsTooLong) {
  Bytes closed = Encoded(NodeClosedMessage(1, 1, std::string(1024, 'r')));
  EXPECT_EQ(Refusal(Sender::kDaemon, closed), "");
  closed.push_back(std::byte{'r'});
  EXPECT_THAT(
      Refusal(Sender::kDaemon, With(closed, kSizeOffset, static_cast<uint32_t>(closed.size()))),
      HasSubstr("a body of 1025 bytes, at most 1024"));
}

// What is accepted is also what would have been sent: there is one way to write each message.
TEST(HandleMessageDecoding, AcceptsOfRandomBytesOnlyWhatItWouldWriteItself) {
  std::mt19937 random(20240229);
  size_t accepted = 0;
  for (int round = 0; round < 200'000; ++round) {
    Bytes bytes(kHandleHeaderBytes + random() % 3);
    bytes[kKindOffset] = static_cast<std::byte>(random() % 7);
    bytes[kSizeOffset] = static_cast<std::byte>(kHandleHeaderBytes + random() % 3);
    bytes[kOrderOffset] = static_cast<std::byte>(random() % 2);
    bytes[kFirstOffset] = static_cast<std::byte>(random() % 2);
    if (random() % 8 == 0) bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    const Sender sender = random() % 2 == 0 ? Sender::kClient : Sender::kDaemon;
    std::vector<UniqueFd> none;
    const absl::StatusOr<HandleMessage> message = DecodeHandleMessage(sender, bytes, none);
    if (!message.ok()) continue;
    ++accepted;
    ASSERT_EQ(Encoded(*message), bytes);
  }
  EXPECT_GT(accepted, 1000U);
}

TEST(HandleMessageKindName, IsTheNameOfTheProtocol) {
  EXPECT_EQ(HandleMessageKindName(HandleMessageKind::kDescriptors), "DESCRIPTORS");
  EXPECT_EQ(HandleMessageKindName(static_cast<HandleMessageKind>(77)), "unknown");
}

}  // namespace
}  // namespace sysmem::base
