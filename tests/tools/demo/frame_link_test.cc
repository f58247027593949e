// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/frame_link.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace sysmem::demo {
namespace {

constexpr LinkMessage kFrame{.kind = LinkKind::kFrame,
                             .buffer = 0x01020304,
                             .number = 0x1112131415161718,
                             .pts = -2,
                             .visible = {.x = 1, .y = 2, .width = 1280, .height = 720}};

std::pair<UniqueFd, UniqueFd> SocketPair() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

bool IsSameFile(int one, int other) {
  struct stat first {};
  struct stat second {};
  return ::fstat(one, &first) == 0 && ::fstat(other, &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

TEST(LinkMessage, IsTheSameAfterTheWay) {
  EXPECT_EQ(DecodeLinkMessage(EncodeLinkMessage(kFrame)), kFrame);
  for (LinkKind kind : {LinkKind::kToken, LinkKind::kEnd, LinkKind::kReturn, LinkKind::kDone}) {
    const LinkMessage message{.kind = kind, .number = UINT64_MAX, .pts = INT64_MIN};
    EXPECT_EQ(DecodeLinkMessage(EncodeLinkMessage(message)), message);
  }
}

TEST(LinkMessage, GoesLeastSignificantByteFirst) {
  const auto bytes = EncodeLinkMessage(kFrame);
  EXPECT_EQ(bytes[0], std::byte{2});  // the kind
  EXPECT_EQ(bytes[3], std::byte{0});
  EXPECT_EQ(bytes[4], std::byte{4});  // the buffer
  EXPECT_EQ(bytes[7], std::byte{1});
  EXPECT_EQ(bytes[8], std::byte{0x18});   // the number
  EXPECT_EQ(bytes[16], std::byte{0xfe});  // pts
  EXPECT_EQ(bytes[23], std::byte{0xff});
  EXPECT_EQ(bytes[33], std::byte{5});  // the width: 0x500
}

TEST(LinkMessage, OfAnotherSizeIsRefused) {
  const auto bytes = EncodeLinkMessage(kFrame);
  EXPECT_EQ(DecodeLinkMessage(std::span(bytes).first(47)), std::nullopt);
  EXPECT_EQ(DecodeLinkMessage({}), std::nullopt);
  std::vector<std::byte> longer(bytes.begin(), bytes.end());
  longer.push_back(std::byte{0});
  EXPECT_EQ(DecodeLinkMessage(longer), std::nullopt);
}

TEST(LinkMessage, OfUnknownKindOrWithATailIsRefused) {
  for (size_t kind : {0, 6, 255}) {
    auto bytes = EncodeLinkMessage(kFrame);
    bytes[0] = static_cast<std::byte>(kind);
    EXPECT_EQ(DecodeLinkMessage(bytes), std::nullopt) << kind;
  }
  auto bytes = EncodeLinkMessage(kFrame);
  bytes[47] = std::byte{1};
  EXPECT_EQ(DecodeLinkMessage(bytes), std::nullopt);
}

TEST(FrameLink, CarriesMessagesAndATokenInOrder) {
  auto [one, other] = SocketPair();
  FrameLink sender(std::move(one), "sender");
  FrameLink receiver(std::move(other), "receiver");
  ASSERT_TRUE(sender.Send({.kind = LinkKind::kToken}, STDERR_FILENO).ok());
  ASSERT_TRUE(sender.Send(kFrame).ok());

  Result<FrameLink::Received> token = receiver.Receive();
  ASSERT_TRUE(token.ok()) << token.failure().text;
  EXPECT_EQ(token->message->kind, LinkKind::kToken);
  ASSERT_TRUE(token->descriptor);
  EXPECT_TRUE(IsSameFile(token->descriptor.get(), STDERR_FILENO));
  EXPECT_EQ(::fcntl(token->descriptor.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);

  Result<FrameLink::Received> frame = receiver.Receive();
  ASSERT_TRUE(frame.ok()) << frame.failure().text;
  EXPECT_EQ(frame->message, kFrame);
  EXPECT_FALSE(frame->descriptor);
}

TEST(FrameLink, SeesThatThePeerHasGoneAfterItsLastMessage) {
  auto [one, other] = SocketPair();
  FrameLink receiver(std::move(other), "sender");
  {
    FrameLink sender(std::move(one), "receiver");
    ASSERT_TRUE(sender.Send(kFrame).ok());
  }
  ASSERT_TRUE(receiver.Receive()->message.has_value());
  Result<FrameLink::Received> end = receiver.Receive();
  ASSERT_TRUE(end.ok());
  EXPECT_FALSE(end->message.has_value());
  const Result<void> sent = receiver.Send(kFrame);
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.failure().system_errno, EPIPE);
}

TEST(FrameLink, RefusesATokenWithoutDescriptorAndADescriptorWithoutToken) {
  auto [one, other] = SocketPair();
  FrameLink sender(std::move(one), "sender");
  FrameLink receiver(std::move(other), "receiver");
  ASSERT_TRUE(sender.Send({.kind = LinkKind::kToken}).ok());
  EXPECT_FALSE(receiver.Receive().ok());
  ASSERT_TRUE(sender.Send(kFrame, STDERR_FILENO).ok());
  EXPECT_FALSE(receiver.Receive().ok());
  ASSERT_TRUE(sender.Send(kFrame).ok());
  EXPECT_TRUE(receiver.Receive().ok());
}

TEST(FrameLink, RefusesAMessageThatIsTooLong) {
  auto [one, other] = SocketPair();
  FrameLink receiver(std::move(other), "stranger");
  const std::vector<std::byte> bytes(200);
  ASSERT_EQ(::send(one.get(), bytes.data(), bytes.size(), 0), 200);
  const Result<FrameLink::Received> received = receiver.Receive();
  ASSERT_FALSE(received.ok());
  EXPECT_NE(received.failure().text.find("stranger"), std::string::npos);
}

}  // namespace
}  // namespace sysmem::demo
