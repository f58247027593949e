// SPDX-License-Identifier: Apache-2.0
//
// A process that works beside a measurement while it is told to.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <iostream>
#include <memory>
#include <sysmem/sysmem.hpp>
#include <type_traits>
#include <utility>

#include "tools/demo/sentence.h"

namespace sysmem::bench {

// What the process has of the one that started it.
struct Orders {
  int commands;
  int answers;

  // Waits for the next one. False when the other side is gone.
  bool Next() const {
    char command = 0;
    return ::read(commands, &command, 1) == 1;
  }
  // Whether there is one.
  bool HasNext() const {
    pollfd poll_fd{.fd = commands, .events = POLLIN, .revents = 0};
    return ::poll(&poll_fd, 1, 0) > 0;
  }
};

// `Answer` is what it says of its work, as bytes through a pipe.
template <typename Answer>
class Neighbour {
  static_assert(std::is_trivially_copyable_v<Answer>);

 public:
  // Starts the process with `prepare()` and then, for each Begin, `work(orders)`, which is to
  // return a Result<Answer> once `orders.HasNext()`. To be called before the library has threads
  // here, as any fork.
  template <typename Prepare, typename Work>
  static Result<std::unique_ptr<Neighbour>> Start(Prepare prepare, Work work) {
    std::array<int, 2> commands{-1, -1};
    std::array<int, 2> answers{-1, -1};
    if (::pipe2(commands.data(), O_CLOEXEC) != 0) return demo::ErrnoSentence("pipe");
    UniqueFd commands_read(commands[0]);
    UniqueFd commands_write(commands[1]);
    if (::pipe2(answers.data(), O_CLOEXEC) != 0) return demo::ErrnoSentence("pipe");
    UniqueFd answers_read(answers[0]);
    UniqueFd answers_write(answers[1]);
    const pid_t child = ::fork();
    if (child < 0) return demo::ErrnoSentence("fork");
    if (child > 0) {
      return std::unique_ptr<Neighbour>(
          new Neighbour(child, std::move(commands_write), std::move(answers_read)));
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    commands_write.reset();
    answers_read.reset();
    prepare();
    const Orders orders{.commands = commands_read.get(), .answers = answers_write.get()};
    while (orders.Next()) {
      Result<Answer> answer = work(orders);
      if (!answer.ok()) {
        std::cerr << "beside the measurement: " << answer.failure().ToString() << "\n";
        ::_exit(1);
      }
      if (!orders.Next()) break;
      if (::write(orders.answers, &*answer, sizeof(Answer)) != sizeof(Answer)) break;
    }
    ::_exit(0);
  }
  ~Neighbour() { ::kill(child_, SIGKILL); }
  Neighbour(const Neighbour&) = delete;
  Neighbour& operator=(const Neighbour&) = delete;

  Result<void> Begin() { return Say(); }
  // What it has to say of its work since Begin.
  Result<Answer> End() {
    Result<void> said = Say();
    if (!said.ok()) return said.failure();
    Answer answer{};
    if (::read(answers_.get(), &answer, sizeof(answer)) != sizeof(answer)) {
      return demo::Sentence("the process beside the measurement has ended");
    }
    return answer;
  }

 private:
  Neighbour(pid_t child, UniqueFd commands, UniqueFd answers)
      : child_(child), commands_(std::move(commands)), answers_(std::move(answers)) {}
  Result<void> Say() {
    if (::write(commands_.get(), "l", 1) != 1) return demo::ErrnoSentence("write");
    return {};
  }

  const pid_t child_;
  UniqueFd commands_;
  UniqueFd answers_;
};

}  // namespace sysmem::bench
