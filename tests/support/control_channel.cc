// SPDX-License-Identifier: Apache-2.0
#include "tests/support/control_channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <span>

#include "base/seqpacket.h"
#include "base/unix_socket.h"
#include "gtest/gtest.h"
#include "tests/support/patience.h"

namespace sysmem::testing {
namespace {

constexpr size_t kLongestWord = 128 << 10;  // below what a socket takes in one message
constexpr int kLostItsTest = 3;

}  // namespace

base::UniqueFd Word::TakeDescriptor() {
  if (descriptors.size() != 1) {
    ADD_FAILURE() << "'" << text << "' came with " << descriptors.size() << " descriptors, not 1";
    return {};
  }
  return std::move(descriptors[0]);
}

std::pair<ControlChannel, ControlChannel> ControlChannel::Pair() {
  auto ends = base::SocketPair(SOCK_SEQPACKET);
  if (!ends.ok()) {
    ADD_FAILURE() << ends.status();
    return {};
  }
  return {ControlChannel(std::move(ends->first), Side::kTest),
          ControlChannel(std::move(ends->second), Side::kChild)};
}

void ControlChannel::Send(const std::string& text, std::vector<base::UniqueFd> descriptors) {
  ASSERT_LE(text.size(), kLongestWord);
  const std::span<const char> bytes(text);
  auto sent = base::Send(socket_, std::as_bytes(bytes), descriptors, base::Wait::kYes);
  EXPECT_TRUE(sent.ok() && *sent == base::SendOutcome::kSent) << "cannot send '" << text << "'";
}

void ControlChannel::Send(const std::string& text, base::UniqueFd descriptor) {
  std::vector<base::UniqueFd> descriptors;
  descriptors.push_back(std::move(descriptor));
  Send(text, std::move(descriptors));
}

Word ControlChannel::Receive() {
  auto readable = base::WaitReadable(socket_, kPatience);
  if (!readable.ok() || !*readable) return Silence("no word came in time");
  std::vector<std::byte> buffer(kLongestWord + 1);
  auto received = base::Receive(socket_, buffer);
  if (!received.ok()) return Silence(received.status().ToString());
  if (received->outcome != base::ReceiveOutcome::kMessage) return Silence("the other side is gone");
  return {std::string(reinterpret_cast<const char*>(buffer.data()), received->size),
          std::move(received->descriptors)};
}

Word ControlChannel::ReceiveOneDay() {
  pollfd said{.fd = socket_.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&said, 1, -1), 1);
  return Receive();
}

Word ControlChannel::Expect(const std::string& text) {
  Word word = Receive();
  if (word.text == text) return word;
  if (!word.text.empty()) return Silence("got '" + word.text + "' instead of '" + text + "'");
  return word;
}

Word ControlChannel::Silence(const std::string& why) {
  if (side_ == Side::kChild) {
    std::fprintf(stderr, "process %d: %s\n", static_cast<int>(::getpid()), why.c_str());
    std::fflush(nullptr);
    ::_exit(kLostItsTest);
  }
  ADD_FAILURE() << why;
  return {};
}

}  // namespace sysmem::testing
