// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/crew.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace sysmem::demo {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 10s;
constexpr int kStatusNumber = 3;

}  // namespace

Result<void> Crew::Start(Role role, ChildSpec spec) {
  std::array<int, 2> status{};
  if (::pipe2(status.data(), O_CLOEXEC) != 0) return ErrnoSentence("cannot start a process");
  UniqueFd reader(status[0]);
  const UniqueFd writer(status[1]);
  if (::fcntl(reader.get(), F_SETFL, O_NONBLOCK) != 0) return ErrnoSentence("cannot set a pipe");
  spec.arguments.insert(spec.arguments.end(), {"--status", std::to_string(kStatusNumber)});
  spec.descriptors.emplace_back(writer.get(), kStatusNumber);
  Result<ChildProcess> process = ChildProcess::Start(spec);
  if (!process.ok()) return process.failure();
  members_.push_back(std::make_unique<Member>(
      Member{.role = role, .process = std::move(*process), .status = std::move(reader)}));
  return {};
}

void Crew::Run(const LineHandler& handle) {
  while (IsAnyoneHere()) Poll(handle);
}

bool Crew::IsAnyoneHere() const {
  return std::any_of(members_.begin(), members_.end(),
                     [](const auto& member) { return !member->ending; });
}

// Until patience is at its end, in the form that poll() likes.
int Crew::TimeLeft() const {
  if (!patience_ends_) return -1;
  const auto left = *patience_ends_ - std::chrono::steady_clock::now();
  const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::max<int64_t>(rounded, 0));
}

void Crew::Poll(const LineHandler& handle) {
  std::vector<pollfd> sources = {{interrupts_, POLLIN, 0}};
  sources.push_back({resume_ ? STDIN_FILENO : -1, POLLIN, 0});
  for (const auto& member : members_) {
    const bool is_here = !member->ending;
    sources.push_back({is_here ? member->status.get() : -1, POLLIN, 0});
    sources.push_back({is_here ? member->process.pidfd() : -1, POLLIN, 0});
  }
  const int count = ::poll(sources.data(), sources.size(), TimeLeft());
  if (count == 0) KillTheDeaf();
  if (count <= 0) return;
  if (sources[0].revents != 0) Interrupt();
  if (sources[1].revents != 0) ForwardInput();
  for (size_t i = 0; i < members_.size(); ++i) {
    if (sources[2 + 2 * i].revents != 0) Read(*members_[i], handle);
    if (sources[3 + 2 * i].revents != 0) SeeOff(*members_[i], handle);
  }
}

void Crew::Read(Member& member, const LineHandler& handle) {
  std::array<char, 4096> bytes;
  for (;;) {
    const ssize_t count = ::read(member.status.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) member.status.reset();  // closed; its end will follow
    if (count <= 0) return;
    member.unread.append(bytes.data(), static_cast<size_t>(count));
    size_t begin = 0;
    for (size_t end; (end = member.unread.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      handle(member.role,
             ParseStatusLine(std::string_view(member.unread).substr(begin, end - begin)));
    }
    member.unread.erase(0, begin);
  }
}

void Crew::SeeOff(Member& member, const LineHandler& handle) {
  if (member.status) Read(member, handle);  // what it said last
  member.ending = member.process.TakeEnding();
  if (!member.ending || member.ending->is_clean()) return;
  failed_.push_back(&member);
  if (!patience_ends_) patience_ends_ = std::chrono::steady_clock::now() + kPatience;
}

void Crew::Interrupt() {
  std::array<char, 128> signal_info;  // struct signalfd_siginfo
  static_cast<void>(!::read(interrupts_, signal_info.data(), signal_info.size()));
  was_interrupted_ = true;
  for (const auto& member : members_) member->process.Signal(SIGTERM);
}

void Crew::KillTheDeaf() {
  patience_ends_.reset();
  for (const auto& member : members_) {
    if (member->ending) continue;
    member->was_deaf = true;
    member->process.Signal(SIGKILL);
  }
}

void Crew::ForwardInput() {
  char byte = 0;
  const bool has_byte = ::read(STDIN_FILENO, &byte, 1) == 1;
  if (!has_byte || ::write(resume_.get(), &byte, 1) != 1) resume_.reset();
}

const Crew::Member* Crew::Find(Role role) const {
  for (const auto& member : members_) {
    if (member->role == role) return member.get();
  }
  return nullptr;
}

pid_t Crew::pid_of(Role role) const {
  const Member* const member = Find(role);
  return member != nullptr ? member->process.pid() : -1;
}

std::optional<Ending> Crew::ending_of(Role role) const {
  const Member* const member = Find(role);
  return member != nullptr ? member->ending : std::nullopt;
}

bool Crew::was_deaf(Role role) const {
  const Member* const member = Find(role);
  return member != nullptr && member->was_deaf;
}

std::optional<Role> Crew::guilty() const {
  for (const Member* member : failed_) {
    if (member->ending->by_signal || member->ending->code != kExitOthersLeft) return member->role;
  }
  if (failed_.empty()) return std::nullopt;
  return failed_.front()->role;
}

}  // namespace sysmem::demo
