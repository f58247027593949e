// SPDX-License-Identifier: Apache-2.0
#include "server/closer.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <latch>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/seqpacket.h"
#include "base/unique_fd.h"
#include "base/unix_socket.h"

namespace sysmem::server {
namespace {

constexpr std::chrono::seconds kPatience{20};

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::pair<base::UniqueFd, base::UniqueFd> MakePipe() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  return {base::UniqueFd(ends[0]), base::UniqueFd(ends[1])};
}

// Waits for the end of `reader`'s pipe: until its other end is closed everywhere.
bool EndsSoon(const base::UniqueFd& reader) {
  char byte = 0;
  return base::WaitReadable(reader, kPatience).value() &&
         ::read(reader.get(), &byte, sizeof(byte)) == 0;
}

TEST(Closer, ClosesADescriptorAndTells) {
  auto [reader, writer] = MakePipe();
  std::latch closed(1);
  Closer closer;
  closer.Close(std::move(writer), [&] { closed.count_down(); });
  closed.wait();
  EXPECT_TRUE(EndsSoon(reader));
}

TEST(Closer, ClosesManyAtOnce) {
  auto [first_reader, first_writer] = MakePipe();
  auto [second_reader, second_writer] = MakePipe();
  std::vector<base::UniqueFd> writers;
  writers.push_back(std::move(first_writer));
  writers.push_back(std::move(second_writer));
  Closer closer;
  closer.Close(std::move(writers));
  EXPECT_TRUE(EndsSoon(first_reader));
  EXPECT_TRUE(EndsSoon(second_reader));
}

TEST(Closer, LetsThePeerReadWhatWasSentLastThoughItsOwnMessagesAreUnread) {
  auto [ours, theirs] = base::SocketPair(SOCK_SEQPACKET).value();
  for (const std::string_view text : {"one", "two", "three"}) {
    ASSERT_EQ(base::Send(theirs, Bytes(text)).value(), base::SendOutcome::kSent);
  }
  ASSERT_EQ(base::Send(ours, Bytes("bye")).value(), base::SendOutcome::kSent);
  Closer closer;
  closer.CloseConnection(std::move(ours));

  ASSERT_TRUE(closer.Stop(INT64_MAX));
  std::array<char, 16> buffer{};
  EXPECT_EQ(::recv(theirs.get(), buffer.data(), buffer.size(), 0), 3);
  EXPECT_EQ(std::string(buffer.data()), "bye");
  EXPECT_EQ(::recv(theirs.get(), buffer.data(), buffer.size(), 0), 0);
}

TEST(Closer, ClosesDescriptorsThatNobodyTookOutOfAConnection) {
  auto [ours, theirs] = base::SocketPair(SOCK_SEQPACKET).value();
  auto [reader, writer] = MakePipe();
  std::vector<base::UniqueFd> sent;
  sent.push_back(std::move(writer));
  ASSERT_EQ(base::Send(theirs, Bytes("x"), sent).value(), base::SendOutcome::kSent);
  sent.clear();
  Closer closer;
  closer.CloseConnection(std::move(ours));
  EXPECT_TRUE(EndsSoon(reader));
}

}  // namespace
}  // namespace sysmem::server
