// SPDX-License-Identifier: Apache-2.0
//
// The handle channel against clients that send nonsense on it: each loses its own session, with a
// reason, and nobody else notices.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/hostile/hostile_fixture.h"

namespace sysmem::testing {
namespace {

constexpr uint32_t kHello = 1;
constexpr uint32_t kWelcome = 2;
constexpr uint32_t kDescriptors = 3;
constexpr uint32_t kNodeClosed = 4;
constexpr uint32_t kSessionEnded = 5;
constexpr char kOneZeroByte[] = {0};

class HandleChannel : public HostileTest {
 protected:
  // The daemon reads the channel when a call names a descriptor that it does not have yet.
  static void NameADescriptor(RawClient& client) {
    sysmem2::ImportRequest request;
    request.set_descriptor_number(1);
    request.set_handle(client.NewHandle());
    client.Send("Session.Import", request);
  }

  void ExpectRefusedAsFirst(RawMessage message, const std::string& says) {
    const base::UniqueFd channel = ConnectSilently(path(), As(kClientUid));
    ASSERT_TRUE(SendRaw(channel, message));
    const auto end = AwaitEnd(channel);
    ASSERT_TRUE(end.has_value()) << "hung up without a reason";
    EXPECT_EQ(end->reason(), message.descriptors.empty()
                                 ? sysmem2::SESSION_END_REASON_BAD_MESSAGE
                                 : sysmem2::SESSION_END_REASON_FORBIDDEN_DESCRIPTOR)
        << end->message();
    EXPECT_NE(end->message().find(says), std::string::npos) << end->message();
    ExpectBackToBaseline();
  }

  void ExpectEndsSession(const std::string& bytes, std::vector<base::UniqueFd> descriptors,
                         sysmem2::SessionEndReason reason, const std::string& says) {
    auto guilty = Connect();
    ASSERT_TRUE(SendRaw(guilty->channel(), bytes, descriptors));
    descriptors.clear();
    NameADescriptor(*guilty);
    ExpectEnded(*guilty, reason, says);
    guilty.reset();
    ExpectBackToBaseline();
  }
  void ExpectBadMessage(const RawMessage& message, const std::string& says) {
    std::vector<base::UniqueFd> copies;
    for (const base::UniqueFd& fd : message.descriptors) copies.push_back(base::Dup(fd));
    ExpectEndsSession(Encode(message), std::move(copies), sysmem2::SESSION_END_REASON_BAD_MESSAGE,
                      says);
  }
  void ExpectForbidden(base::UniqueFd descriptor) {
    ASSERT_TRUE(descriptor);
    auto guilty = Connect();
    guilty->Push(std::move(descriptor));
    NameADescriptor(*guilty);
    ExpectEnded(*guilty, sysmem2::SESSION_END_REASON_FORBIDDEN_DESCRIPTOR, "descriptor 1");
    guilty.reset();
    ExpectBackToBaseline();
  }
};

std::vector<base::UniqueFd> Pipes(size_t count) {
  std::vector<base::UniqueFd> pipes;
  for (size_t i = 0; i < count; ++i) pipes.push_back(AnyPipe());
  return pipes;
}

RawMessage Descriptors(uint64_t first, size_t count) {
  return {.kind = kDescriptors,
          .first = first,
          .body = std::string(kOneZeroByte, 1),
          .descriptors = Pipes(count)};
}

// ---- Before the session ------------------------------------------------------------------------

TEST_F(HandleChannel, RefusesAFirstMessageOfUnknownKindAndSaysSo) {
  ExpectRefusedAsFirst({.kind = 77}, "kind");
}

TEST_F(HandleChannel, RefusesAFirstMessageThatIsNoHello) {
  ExpectRefusedAsFirst({.kind = kWelcome}, "HELLO");
  ExpectRefusedAsFirst(Descriptors(1, 1), "HELLO");
}

TEST_F(HandleChannel, RefusesAHelloThatBringsDescriptors) {
  ExpectRefusedAsFirst({.kind = kHello, .descriptors = Pipes(3)}, "HELLO");
}

// Whether the message comes before the daemon's first look, after it, or just then.
TEST_F(HandleChannel, RefusesDescriptorsFromStrangersForWhatTheyAreWheneverTheyArrive) {
  for (int round = 0; round < 200; ++round) {
    const base::UniqueFd channel = ConnectSilently(path(), As(kClientUid));
    ASSERT_TRUE(SendRaw(channel, Descriptors(1, 1)));
    const auto end = AwaitEnd(channel);
    ASSERT_TRUE(end.has_value());
    ASSERT_EQ(end->reason(), sysmem2::SESSION_END_REASON_FORBIDDEN_DESCRIPTOR) << end->message();
  }
  ExpectBackToBaseline();
}

TEST_F(HandleChannel, RefusesAHelloWhoseSizeIsNotItsOwn) {
  ExpectRefusedAsFirst({.kind = kHello, .size = 4000}, "size");
}

TEST_F(HandleChannel, RefusesAHelloThatCannotBeParsed) {
  ExpectRefusedAsFirst({.kind = kHello, .body = "\xff\xff\xff\xff"}, "HELLO");
}

TEST_F(HandleChannel, TellsOneThatSaysNothingWhyItIsShownTheDoor) {
  const base::UniqueFd channel = ConnectSilently(path(), As(kClientUid));
  const auto end = AwaitEnd(channel);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->reason(), sysmem2::SESSION_END_REASON_NO_HELLO);
  EXPECT_NE(end->message().find("hello"), std::string::npos) << end->message();
  ExpectBackToBaseline();
}

TEST_F(HandleChannel, ForgetsOneThatLeavesBeforeItsHello) {
  ConnectSilently(path(), As(kClientUid)).reset();
  const base::UniqueFd half = ConnectSilently(path(), As(kClientUid));
  ::shutdown(half.get(), SHUT_WR);
  ExpectBackToBaseline();
}

TEST_F(HandleChannel, ForgetsOneThatLeavesRightAfterItsHello) {
  for (int i = 0; i < 50; ++i) {
    const base::UniqueFd channel = ConnectSilently(path(), As(kClientUid));
    ASSERT_TRUE(SendRaw(channel, RawMessage{.kind = kHello}));
  }
  ExpectBackToBaseline();
}

// ---- In the session
// ------------------------------------------------------------------------------

TEST_F(HandleChannel, EndsTheSessionOfAMessageThatIsTooShort) {
  ExpectEndsSession("short", {}, sysmem2::SESSION_END_REASON_BAD_MESSAGE, "byte");
}

TEST_F(HandleChannel, EndsTheSessionOfAMessageThatIsTooLong) {
  RawMessage message{.kind = kDescriptors, .first = 1, .body = std::string(4096, 'x')};
  message.descriptors = Pipes(1);
  ExpectBadMessage(message, "4096");
}

TEST_F(HandleChannel, EndsTheSessionOfAMessageOfUnknownKind) {
  ExpectBadMessage({.kind = 0}, "kind");
  ExpectBadMessage({.kind = 0xffffffff}, "kind");
}

TEST_F(HandleChannel, EndsTheSessionOfAMessageThatOnlyTheDaemonMaySend) {
  ExpectBadMessage({.kind = kNodeClosed, .order = 1, .first = 1}, "NODE_CLOSED");
  ExpectBadMessage({.kind = kSessionEnded}, "SESSION_ENDED");
}

TEST_F(HandleChannel, EndsTheSessionOfASecondHello) { ExpectBadMessage({.kind = kHello}, "HELLO"); }

TEST_F(HandleChannel, EndsTheSessionOfAMessageWhoseSizeIsNotItsOwn) {
  RawMessage message = Descriptors(1, 1);
  message.size = 34;
  ExpectBadMessage(message, "size");
}

TEST_F(HandleChannel, EndsTheSessionOfAMessageWhoseDescriptorsAreMiscounted) {
  RawMessage fewer = Descriptors(1, 2);
  fewer.count = 3;
  ExpectBadMessage(fewer, "count");
  RawMessage more = Descriptors(1, 2);
  more.count = 1;
  ExpectBadMessage(more, "count");
  ExpectBadMessage(Descriptors(1, 0), "count");
}

TEST_F(HandleChannel, EndsTheSessionOfAMessageThatUsesTheReservedField) {
  RawMessage message = Descriptors(1, 1);
  message.reserved = 1;
  ExpectBadMessage(message, "reserved");
}

TEST_F(HandleChannel, EndsTheSessionOfDescriptorsThatAreNumberedWrongly) {
  ExpectBadMessage(Descriptors(2, 1), "2");
  ExpectBadMessage(Descriptors(0, 1), "first");
  RawMessage far = Descriptors(UINT64_MAX, 1);
  ExpectBadMessage(far, "first");
}

TEST_F(HandleChannel, EndsTheSessionOfOneThatSendsMoreDescriptorsThanItNames) {
  auto guilty = Connect();
  guilty->Push(Pipes(65));
  sysmem2::ImportRequest request;
  request.set_descriptor_number(66);  // so that the daemon looks for more
  request.set_handle(1);
  guilty->Send("Session.Import", request);
  ExpectEnded(*guilty, sysmem2::SESSION_END_REASON_LIMIT, "64");
  guilty.reset();
  ExpectBackToBaseline();
}

TEST_F(HandleChannel, EndsTheSessionOfForbiddenDescriptors) {
  ExpectForbidden(base::UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
  ExpectForbidden(base::UniqueFd(::open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  ExpectForbidden(base::UniqueFd(::open("/proc/self/status", O_RDONLY | O_CLOEXEC)));
  ExpectForbidden(base::UniqueFd(::eventfd(0, EFD_CLOEXEC)));
  ExpectForbidden(base::UniqueFd(::epoll_create1(EPOLL_CLOEXEC)));
  ExpectForbidden(base::UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
  const base::UniqueFd memfd(::memfd_create("x", MFD_CLOEXEC));
  const std::string path_of_memfd = "/proc/self/fd/" + std::to_string(memfd.get());
  ExpectForbidden(base::UniqueFd(::open(path_of_memfd.c_str(), O_PATH | O_CLOEXEC)));
}

TEST_F(HandleChannel, EndsTheSessionOfItsOwnChannelSentThroughItself) {
  // A socket that holds itself: only the daemon's closing can free it.
  auto guilty = Connect();
  guilty->Push(base::Dup(guilty->channel()));
  NameADescriptor(*guilty);
  guilty.reset();
  ExpectBackToBaseline();
}

TEST_F(HandleChannel, GivesBackDescriptorsThatWereSentAndNeverNamed) {
  auto guilty = Connect();
  guilty->Push(Pipes(10));
  guilty.reset();
  auto other = Connect();
  other->Push(Pipes(10));
  NameADescriptor(*other);  // takes in all ten, and uses up one
  other.reset();
  ExpectBackToBaseline();
}

// ---- A descriptor whose close() takes its time
// -----------------------------------------------------

// Both ends of a TCP connection whose first end lingers: it has sent more than the second has room
// for, so its last close() would wait until the second reads or dies.
std::pair<base::UniqueFd, base::UniqueFd> LingeringConnection() {
  const base::UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(listener.get(), generic, size), 0);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  EXPECT_EQ(::getsockname(listener.get(), generic, &size), 0);
  base::UniqueFd lingering(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(lingering.get(), generic, size), 0);
  base::UniqueFd peer(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const linger forever{.l_onoff = 1, .l_linger = 3600};
  EXPECT_EQ(::setsockopt(lingering.get(), SOL_SOCKET, SO_LINGER, &forever, sizeof(forever)), 0);
  const std::string block(1 << 16, 'x');
  while (::send(lingering.get(), block.data(), block.size(), MSG_DONTWAIT) > 0) {
  }
  return {std::move(lingering), std::move(peer)};
}

TEST_F(HandleChannel, IsNotHeldUpByADescriptorWhoseCloseTakesAnHour) {
  auto [named, named_peer] = LingeringConnection();
  auto [unread, unread_peer] = LingeringConnection();
  auto guilty = Connect();
  guilty->Push(std::move(named));
  NameADescriptor(*guilty);
  ExpectEnded(*guilty, sysmem2::SESSION_END_REASON_FORBIDDEN_DESCRIPTOR, "descriptor 1");
  auto dying = Connect();
  dying->Push(std::move(unread));
  dying.reset();
  // Everybody is served while the daemon's closer waits.
  ExpectServed(*Connect());
  ExpectServed(bystander());
  named_peer.reset();
  unread_peer.reset();
  guilty.reset();
  ExpectBackToBaseline();
}

}  // namespace
}  // namespace sysmem::testing
