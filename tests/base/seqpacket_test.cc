// SPDX-License-Identifier: Apache-2.0
//
// Method: a real socket pair. Open descriptors of the whole process are counted before and after,
// so that one that was lost or left open shows. What a peer can do wrong is done with bare
// sendmsg().
#include "base/seqpacket.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/process_info.h"
#include "base/unix_socket.h"

namespace sysmem::base {
namespace {

using testing::HasSubstr;

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::vector<UniqueFd> SomeDescriptors(size_t count) {
  std::vector<UniqueFd> descriptors;
  for (size_t i = 0; i < count; ++i) {
    descriptors.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  return descriptors;
}

uint64_t OpenDescriptors() { return OwnDescriptorCount().value_or(0); }

class Seqpacket : public testing::Test {
 protected:
  Seqpacket() {
    absl::StatusOr<std::pair<UniqueFd, UniqueFd>> ends = SocketPair(SOCK_SEQPACKET);
    EXPECT_TRUE(ends.ok()) << ends.status();
    here_ = std::move(ends->first);
    there_ = std::move(ends->second);
    (void)OpenDescriptors();  // so that lazily opened files of the runtime do not count
  }

  absl::StatusOr<Received> ReceiveThere(const ReceiveOptions& options = {}) {
    return Receive(there_, buffer_, options);
  }
  std::string Text(const Received& received) const {
    return std::string(reinterpret_cast<const char*>(buffer_.data()), received.size);
  }

  UniqueFd here_;
  UniqueFd there_;
  std::array<std::byte, 16> buffer_;
};

TEST_F(Seqpacket, CarriesAMessageAsAWhole) {
  EXPECT_EQ(*Send(here_, Bytes("one")), SendOutcome::kSent);
  EXPECT_EQ(*Send(here_, Bytes("two")), SendOutcome::kSent);
  const absl::StatusOr<Received> first = ReceiveThere();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->outcome, ReceiveOutcome::kMessage);
  EXPECT_EQ(Text(*first), "one");
  EXPECT_EQ(Text(*ReceiveThere()), "two");
}

TEST_F(Seqpacket, CarriesDescriptorsInTheirOrderAndClosesThemOnExec) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  std::vector<UniqueFd> sent;
  sent.emplace_back(ends[0]);
  sent.emplace_back(ends[1]);
  ASSERT_EQ(*Send(here_, Bytes("x"), sent), SendOutcome::kSent);
  const absl::StatusOr<Received> received = ReceiveThere();
  ASSERT_TRUE(received.ok()) << received.status();
  ASSERT_EQ(received->descriptors.size(), 2U);
  EXPECT_EQ(::fcntl(received->descriptors[0].get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(::write(received->descriptors[1].get(), "!", 1), 1);
  char character = 0;
  EXPECT_EQ(::read(received->descriptors[0].get(), &character, 1), 1);
  EXPECT_EQ(character, '!');
}

TEST_F(Seqpacket, CarriesAsManyDescriptorsAsTheKernelAllowsAndNoMore) {
  std::vector<UniqueFd> sent = SomeDescriptors(kMaxDescriptorsPerMessage);
  ASSERT_EQ(*Send(here_, Bytes("x"), sent), SendOutcome::kSent);
  EXPECT_EQ(ReceiveThere()->descriptors.size(), kMaxDescriptorsPerMessage);
  sent = SomeDescriptors(kMaxDescriptorsPerMessage + 1);
  EXPECT_THAT(std::string(Send(here_, Bytes("x"), sent).status().message()),
              HasSubstr("254 descriptors"));
}

TEST_F(Seqpacket, LeavesSentDescriptorsWithTheSender) {
  const std::vector<UniqueFd> sent = SomeDescriptors(1);
  ASSERT_EQ(*Send(here_, Bytes("x"), sent), SendOutcome::kSent);
  EXPECT_GE(::fcntl(sent[0].get(), F_GETFD), 0);
}

TEST_F(Seqpacket, RefusesToSendNothingOrAClosedDescriptor) {
  EXPECT_EQ(Send(here_, {}).status().code(), absl::StatusCode::kInvalidArgument);
  const std::vector<UniqueFd> closed(1);
  EXPECT_EQ(Send(here_, Bytes("x"), closed).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(Seqpacket, RefusesToSendMoreThanTheSocketTakesAtOnce) {
  const std::string huge(64 << 20, 'x');
  EXPECT_EQ(Send(here_, Bytes(huge)).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(Seqpacket, TellsNothingThereFromEndOfStream) {
  EXPECT_EQ(ReceiveThere()->outcome, ReceiveOutcome::kWouldBlock);
  here_.reset();
  EXPECT_EQ(ReceiveThere()->outcome, ReceiveOutcome::kPeerGone);
}

TEST_F(Seqpacket, DeliversWhatWasSentBeforeTheEnd) {
  ASSERT_EQ(*Send(here_, Bytes("last words")), SendOutcome::kSent);
  here_.reset();
  EXPECT_EQ(Text(*ReceiveThere()), "last words");
  EXPECT_EQ(ReceiveThere()->outcome, ReceiveOutcome::kPeerGone);
}

TEST_F(Seqpacket, TreatsAResetAsTheEnd) {
  ASSERT_EQ(*Send(there_, Bytes("never read")), SendOutcome::kSent);
  here_.reset();
  EXPECT_EQ(ReceiveThere()->outcome, ReceiveOutcome::kPeerGone);
}

TEST_F(Seqpacket, WaitsForAMessageWhenAsked) {
  std::thread sender([this] { EXPECT_EQ(*Send(here_, Bytes("late")), SendOutcome::kSent); });
  const absl::StatusOr<Received> received = ReceiveThere({.wait = Wait::kYes});
  sender.join();
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_EQ(Text(*received), "late");
}

TEST_F(Seqpacket, TellsThatThePeerIsGoneWithoutASignal) {
  there_.reset();
  EXPECT_EQ(*Send(here_, Bytes("x")), SendOutcome::kPeerGone);
}

TEST_F(Seqpacket, TellsThatThePeerDoesNotRead) {
  SendOutcome outcome = SendOutcome::kSent;
  const std::string message(1024, 'x');
  for (int i = 0; i < 100'000 && outcome == SendOutcome::kSent; ++i) {
    outcome = *Send(here_, Bytes(message));
  }
  EXPECT_EQ(outcome, SendOutcome::kWouldBlock);
}

TEST_F(Seqpacket, RefusesATruncatedMessageAndClosesWhatCameWithIt) {
  const std::vector<UniqueFd> sent = SomeDescriptors(3);
  const std::string longer(buffer_.size() + 1, 'x');
  ASSERT_EQ(*Send(here_, Bytes(longer), sent), SendOutcome::kSent);
  const uint64_t before = OpenDescriptors();
  const absl::Status refused = ReceiveThere().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("more than 16 bytes"));
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(Seqpacket, RefusesSurplusDescriptorsAndClosesThemAll) {
  const std::vector<UniqueFd> sent = SomeDescriptors(3);
  ASSERT_EQ(*Send(here_, Bytes("x"), sent), SendOutcome::kSent);
  const uint64_t before = OpenDescriptors();
  const absl::Status refused = ReceiveThere({.max_descriptors = 2}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("3 descriptors, at most 2"));
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(Seqpacket, HandsRefusedDescriptorsToTheDisposer) {
  const std::vector<UniqueFd> sent = SomeDescriptors(3);
  ASSERT_EQ(*Send(here_, Bytes("x"), sent), SendOutcome::kSent);
  std::vector<UniqueFd> disposed;
  const absl::StatusOr<Received> refused =
      ReceiveThere({.max_descriptors = 0, .dispose = [&](std::vector<UniqueFd> descriptors) {
                      disposed = std::move(descriptors);
                    }});
  EXPECT_FALSE(refused.ok());
  ASSERT_EQ(disposed.size(), 3U);
  for (const UniqueFd& fd : disposed) EXPECT_GE(::fcntl(fd.get(), F_GETFD), 0);
}

TEST_F(Seqpacket, RefusesAMessageWithoutAByteThoughThePeerIsThere) {
  ASSERT_EQ(::send(here_.get(), "", 0, MSG_NOSIGNAL), 0);
  const absl::Status refused = ReceiveThere().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("without a byte"));
}

TEST_F(Seqpacket, RefusesDescriptorsWithoutAByteAndClosesThem) {
  const std::vector<UniqueFd> sent = SomeDescriptors(1);
  const int number = sent[0].get();
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header{};
  header.msg_control = control;
  header.msg_controllen = sizeof(control);
  cmsghdr* rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(rights), &number, sizeof(number));
  ASSERT_EQ(::sendmsg(here_.get(), &header, MSG_NOSIGNAL), 0);
  const uint64_t before = OpenDescriptors();
  EXPECT_EQ(ReceiveThere().status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(Seqpacket, TellsItsOwnShortageOfDescriptorsFromThePeersFault) {
  const std::vector<UniqueFd> sent = SomeDescriptors(4);
  ASSERT_EQ(*Send(here_, Bytes("x"), sent), SendOutcome::kSent);
  const uint64_t before = OpenDescriptors();
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  rlimit tight = limit;
  tight.rlim_cur = static_cast<rlim_t>(sent.back().get()) + 2;  // room for at most a few
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  const absl::Status refused = ReceiveThere().status();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  EXPECT_EQ(OpenDescriptors(), before);
}

// In a child, because giving up root cannot be undone. The kernel spares root this limit.
TEST_F(Seqpacket, TellsThatTooManyDescriptorsOfItsUidAreUnread) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const rlimit tight{.rlim_cur = 64, .rlim_max = 64};
    if (::geteuid() == 0 && ::setuid(54321) != 0) ::_exit(2);
    if (::setrlimit(RLIMIT_NOFILE, &tight) != 0) ::_exit(2);
    const std::vector<UniqueFd> sent = SomeDescriptors(8);
    for (int i = 0; i < 100; ++i) {
      const absl::StatusOr<SendOutcome> outcome = Send(here_, Bytes("x"), sent);
      if (!outcome.ok()) ::_exit(3);
      if (*outcome == SendOutcome::kTooManyReferences) ::_exit(0);
      if (*outcome != SendOutcome::kSent) ::_exit(4);
    }
    ::_exit(5);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace sysmem::base
