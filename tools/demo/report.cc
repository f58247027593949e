// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/report.h"

#include <charconv>

#include "tools/demo/identity.h"

namespace sysmem::demo {
namespace {

constexpr Role kHolders[] = {Role::kDecoder, Role::kAnalyser, Role::kPresenter};

uint64_t TakeNumber(std::string_view& text) {
  const std::string_view word = TakeWord(text);
  uint64_t number = 0;
  std::from_chars(word.data(), word.data() + word.size(), number);
  return number;
}

void PrintLine(std::FILE* out, const std::string& label, const std::string& text) {
  std::fprintf(out, "  %-12s %s\n", label.c_str(), text.c_str());
}

std::string UserText(Role role) {
  const std::optional<uid_t> user = UserOf(role);
  return user ? "; uid " + std::to_string(*user) : "";
}

}  // namespace

void RunRecord::Take(Role role, const StatusLine& line) {
  Participant& participant = participants_[static_cast<size_t>(role)];
  const std::string text(line.text);
  std::string_view rest = line.text;
  if (line.keyword == "FRAME") return TakeFrame(role, rest);
  if (line.keyword == "BUFFER") return TakeBuffer(role, rest);
  if (line.keyword == "NEEDS") participant.needs = text;
  if (line.keyword == "ACCESS") participant.access = text;
  if (line.keyword == "EVENT") participant.event = text;
  if (line.keyword == "VIDEO") video_ = text;
  if (line.keyword == "LUMA") luma_ = text;
  if (line.keyword == "RESULT") results_.push_back(text);
  if (line.keyword == "NOTE") notes_.push_back(text);
  if (line.keyword == "PROGRESS") {
    decoded_frames_ = TakeNumber(rest);
    expected_frames_ = TakeNumber(rest);
  }
  if (line.keyword == "STREAMED") {
    decoded_frames_ = TakeNumber(rest);
    streamed_ns_ = TakeNumber(rest);
  }
}

void RunRecord::TakeFrame(Role role, std::string_view text) {
  const uint64_t number = TakeNumber(text);
  if (role == Role::kAnalyser) {
    if (number == hashes_.size()) hashes_.emplace_back(text);
    return;
  }
  if (number != compared_) return;
  if (number >= hashes_.size() || hashes_[number] != text) differing_.push_back(number);
  ++compared_;
}

void RunRecord::TakeBuffer(Role role, std::string_view text) {
  const uint64_t index = TakeNumber(text);
  const uint64_t device = TakeNumber(text);
  const uint64_t inode = TakeNumber(text);
  participants_[static_cast<size_t>(role)].buffers[index] = {device, inode};
}

std::vector<uint64_t> RunRecord::DifferingFrames() const {
  std::vector<uint64_t> differing = differing_;
  for (uint64_t missing = compared_; missing < hashes_.size(); ++missing) {
    differing.push_back(missing);
  }
  return differing;
}

bool RunRecord::IsSameMemory() const {
  const auto& buffers = of(Role::kDecoder).buffers;
  return !buffers.empty() && of(Role::kAnalyser).buffers == buffers &&
         of(Role::kPresenter).buffers == buffers;
}

void RunRecord::PrintNegotiation(std::FILE* out) const {
  std::fprintf(out, "video          %s\n", video_.c_str());
  std::fprintf(out, "negotiated\n");
  for (const std::string& result : results_) {
    const size_t colon = result.find(": ");
    if (colon == std::string::npos) continue;
    PrintLine(out, result.substr(0, colon), result.substr(colon + 2));
  }
  std::fprintf(out, "who needed what\n");
  for (Role role : kHolders) PrintLine(out, RoleName(role), of(role).needs);
  std::fprintf(out, "who may do what\n");
  for (Role role : kHolders) PrintLine(out, RoleName(role), of(role).access + UserText(role));
  if (!HasSeparateUsers()) {
    std::fprintf(out,
                 "  All run as one user, who can open anything of his again: read-only is advice "
                 "here.\n  Run as root to have each run as a user of its own.\n");
  }
  PrintMemory(out);
}

void RunRecord::PrintMemory(std::FILE* out) const {
  const auto& buffers = of(Role::kDecoder).buffers;
  if (buffers.empty()) return;
  if (IsSameMemory()) {
    const auto& [device, inode] = buffers.begin()->second;
    std::fprintf(out,
                 "same memory    all %zu buffers have the same device and inode in all three "
                 "processes (the first: %llu, %llu)\n",
                 buffers.size(), static_cast<unsigned long long>(device),
                 static_cast<unsigned long long>(inode));
    return;
  }
  std::fprintf(out, "NOT the same memory (device, inode):\n");
  for (Role role : kHolders) {
    std::string list;
    for (const auto& [index, file] : of(role).buffers) {
      list += " " + std::to_string(index) + ":" + std::to_string(file.first) + "," +
              std::to_string(file.second);
    }
    PrintLine(out, RoleName(role), list);
  }
}

void RunRecord::PrintResults(std::FILE* out) const {
  const double seconds = static_cast<double>(streamed_ns_) / 1e9;
  std::fprintf(out, "brightness     %s\n", luma_.c_str());
  for (const std::string& note : notes_) std::fprintf(out, "note           %s\n", note.c_str());
  std::fprintf(out, "speed          %llu frames in %.2f s: %.0f frames per second\n",
               static_cast<unsigned long long>(decoded_frames_), seconds,
               seconds > 0 ? static_cast<double>(decoded_frames_) / seconds : 0.0);
}

}  // namespace sysmem::demo
