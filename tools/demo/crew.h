// SPDX-License-Identifier: Apache-2.0
//
// Processes that work together: started, listened to, and seen off.
//
//   Crew crew(interrupts);
//   crew.Start(Role::kAnalyser, spec);
//   crew.Run([&](Role role, StatusLine line) { ... });
//   if (std::optional<Role> guilty = crew.guilty()) ...
//
// When one of them fails, the others hear of it from the daemon and leave by themselves; those that
// have not done so after ten seconds are killed.
//
// Thread-safety: one thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/demo/child_process.h"
#include "tools/demo/participant.h"

namespace sysmem::demo {

class Crew {
 public:
  // `interrupts`: a signalfd; when it is readable, everybody is asked to stop. Outlives the crew.
  explicit Crew(int interrupts) : interrupts_(interrupts) {}

  // Adds "--status N" and its descriptor to `spec` and starts it.
  Result<void> Start(Role role, ChildSpec spec);

  using LineHandler = std::function<void(Role role, const StatusLine& line)>;
  // Returns when all have ended.
  void Run(const LineHandler& handle);

  // Sends bytes that arrive on standard input to `resume`, which a paused process reads.
  void ForwardInputTo(UniqueFd resume) { resume_ = std::move(resume); }

  bool was_interrupted() const { return was_interrupted_; }
  pid_t pid_of(Role role) const;
  std::optional<Ending> ending_of(Role role) const;
  // Whether it had to be killed, because it did not notice that the work was over.
  bool was_deaf(Role role) const;
  // The one through whom the work has failed: the first that ended badly through nobody else's
  // fault, else the first that ended badly.
  std::optional<Role> guilty() const;

 private:
  struct Member {
    Role role;
    ChildProcess process;
    UniqueFd status;
    std::string unread;  // the beginning of a line
    std::optional<Ending> ending;
    bool was_deaf = false;
  };

  bool IsAnyoneHere() const;
  int TimeLeft() const;
  void Poll(const LineHandler& handle);
  void Read(Member& member, const LineHandler& handle);
  void SeeOff(Member& member, const LineHandler& handle);
  void Interrupt();
  void KillTheDeaf();
  void ForwardInput();
  const Member* Find(Role role) const;

  const int interrupts_;
  std::vector<std::unique_ptr<Member>> members_;
  std::vector<const Member*> failed_;  // in that order
  std::optional<std::chrono::steady_clock::time_point> patience_ends_;
  bool was_interrupted_ = false;
  UniqueFd resume_;
};

}  // namespace sysmem::demo
