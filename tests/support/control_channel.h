// SPDX-License-Identifier: Apache-2.0
//
// Between a test and the processes it forks: words, each with descriptors if need be.
//
// A process that waits for a word which does not come has nothing left to do: the test fails, and a
// child ends. Not thread-safe.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.h"

namespace sysmem::testing {

struct Word {
  std::string text;
  std::vector<base::UniqueFd> descriptors;

  // The only descriptor. Fails the test when there is none.
  base::UniqueFd TakeDescriptor();
};

class ControlChannel {
 public:
  enum class Side { kTest, kChild };
  ControlChannel() = default;
  ControlChannel(base::UniqueFd socket, Side side) : socket_(std::move(socket)), side_(side) {}

  // Both ends: the test's and the child's.
  static std::pair<ControlChannel, ControlChannel> Pair();

  // Descriptors are duplicated to the other side; ours close.
  void Send(const std::string& text, std::vector<base::UniqueFd> descriptors = {});
  void Send(const std::string& text, base::UniqueFd descriptor);
  // The next word, awaited with kPatience.
  Word Receive();
  // The next word, however long it takes: for a child that sleeps until it is needed. It goes when
  // its test does.
  Word ReceiveOneDay();
  // The next word must be this one.
  Word Expect(const std::string& text);

  const base::UniqueFd& socket() const { return socket_; }
  void Close() { socket_.reset(); }

 private:
  Word Silence(const std::string& why);

  base::UniqueFd socket_;
  Side side_ = Side::kTest;
};

}  // namespace sysmem::testing
