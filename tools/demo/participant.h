// SPDX-License-Identifier: Apache-2.0
//
// What every process of the pipeline has in common: its options, the stages at which it can be made
// to pause, and how it says good-bye.
//
//   int main(int argc, char** argv) {
//     const ParsedOptions parsed = ParseParticipant(argc, argv, kAnalyser);
//     if (!parsed.options) return parsed.exit_code;
//     return Conclude(kAnalyser, Run(*parsed.options));
//   }
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/demo/sentence.h"
#include "tools/demo/status.h"

namespace sysmem::demo {

// Steps in the life of a participant, in their order.
enum class Stage {
  kConnected,       // has a session
  kTokenHeld,       // holds its token (the decoder: has passed on those of the others)
  kBound,           // the token has become a collection
  kConstraintsSet,  // has said what it needs
  kWaiting,         // has asked for the buffers
  kStreaming,       // has passed on, or looked at, the first frames
};
// "connected", "token-held", ...
std::string_view StageName(Stage stage);
std::optional<Stage> FindStage(std::string_view name);

// A process of streaming is one that has done this many frames.
inline constexpr uint64_t kFramesUntilStreaming = 3;

enum class Role { kDecoder, kAnalyser, kPresenter, kReference };
inline constexpr Role kAllRoles[] = {Role::kDecoder, Role::kAnalyser, Role::kPresenter,
                                     Role::kReference};
// "decoder", ...; its program is "sysmem-demo-" and this.
std::string RoleName(Role role);

struct ParticipantOptions {
  std::optional<std::string> socket;  // of the daemon; else as the library finds it
  std::vector<int> links;             // the decoder's: analyser, presenter
  int status_fd = 1;
  std::optional<Stage> pause_at;
  int resume_fd = 0;
  std::chrono::seconds timeout{30};  // for others to take part
  std::string video;                 // decoder and reference
  int video_fd = -1;
  int threads = 0;     // likewise; 0: one per processor, at most 8
  std::string output;  // presenter: where the contact sheet goes
  int output_fd = -1;  // or an open file for it
};

struct ParsedOptions {
  std::optional<ParticipantOptions> options;  // empty: nothing to run; what there is to say is said
  int exit_code = 0;
};
ParsedOptions ParseParticipant(int argc, const char* const* argv, Role role);

// Exit codes.
inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitOthersLeft = 3;  // another process or the daemon has gone

// Prints the failure, if there is one, as this role's; the exit code.
int Conclude(Role role, const Result<void>& outcome);

// If the process was told to pause at `stage`: says "PAUSED stage" and waits for a byte. Failure
// when nobody is there any more to send one.
Result<void> PauseIfTold(const ParticipantOptions& options, Stage stage);

}  // namespace sysmem::demo
