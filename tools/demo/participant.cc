// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/participant.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <cstdio>

namespace sysmem::demo {
namespace {

constexpr std::array<std::string_view, 6> kStageNames = {
    "connected", "token-held", "bound", "constraints-set", "waiting", "streaming"};

const char* Description(Role role) {
  switch (role) {
    case Role::kDecoder:
      return "Decodes a video straight into buffers shared through sysmemd.";
    case Role::kAnalyser:
      return "Hashes the shared frames and counts how bright they are.";
    case Role::kPresenter:
      return "Draws sixteen of the shared frames into one PNG.";
    case Role::kReference:
      return "Hashes a video's frames without the daemon, to compare with.";
  }
  return "";
}

void AddCollectionOptions(CLI::App& app, ParticipantOptions& options, std::string& pause_at) {
  app.add_option("--socket", options.socket, "Where the daemon listens")->type_name("PATH");
  app.add_option("--link", options.links,
                 "Descriptor of a socketpair (SOCK_SEQPACKET) to the other process; the decoder "
                 "takes one for each consumer")
      ->type_name("FD")
      ->allow_extra_args(false)
      ->required();
  app.add_option_function<int>(
         "--timeout", [&options](int seconds) { options.timeout = std::chrono::seconds(seconds); },
         "How long to wait for the others to take part (default 30)")
      ->type_name("SECONDS")
      ->check(CLI::PositiveNumber);
  app.add_option("--pause-at", pause_at,
                 "Print \"PAUSED stage\" at this stage and wait for a byte: connected, token-held, "
                 "bound, constraints-set, waiting or streaming")
      ->check(CLI::IsMember(std::vector<std::string>(kStageNames.begin(), kStageNames.end())))
      ->type_name("STAGE");
  app.add_option("--resume-fd", options.resume_fd, "Where that byte comes from (default 0)")
      ->type_name("FD");
}

void AddVideoOptions(CLI::App& app, ParticipantOptions& options) {
  app.add_option("video", options.video, "A file or an address that FFmpeg knows")->required();
  app.add_option("--video-fd", options.video_fd,
                 "The same file, already open, for when this user may not open it")
      ->type_name("FD");
  app.add_option("--threads", options.threads, "For decoding (default: one per processor, up to 8)")
      ->check(CLI::Range(0, 64));
}

}  // namespace

std::string_view StageName(Stage stage) { return kStageNames[static_cast<size_t>(stage)]; }

std::optional<Stage> FindStage(std::string_view name) {
  for (size_t i = 0; i < kStageNames.size(); ++i) {
    if (kStageNames[i] == name) return static_cast<Stage>(i);
  }
  return std::nullopt;
}

std::string RoleName(Role role) {
  switch (role) {
    case Role::kDecoder:
      return "decoder";
    case Role::kAnalyser:
      return "analyser";
    case Role::kPresenter:
      return "presenter";
    case Role::kReference:
      return "reference";
  }
  return "";
}

ParsedOptions ParseParticipant(int argc, const char* const* argv, Role role) {
  ParticipantOptions options;
  std::string pause_at;
  CLI::App app(Description(role), "sysmem-demo-" + RoleName(role));
  app.add_option("--status", options.status_fd, "Descriptor for status lines (default 1)")
      ->type_name("FD");
  if (role != Role::kReference) AddCollectionOptions(app, options, pause_at);
  if (role == Role::kDecoder || role == Role::kReference) AddVideoOptions(app, options);
  if (role == Role::kPresenter) {
    app.add_option("--output", options.output, "The PNG to write")->type_name("FILE");
    app.add_option("--output-fd", options.output_fd, "The same as an open file")->type_name("FD");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& outcome) {  // --help is such an outcome too
    return {.exit_code = app.exit(outcome) == 0 ? kExitDone : kExitUsage};
  }
  options.pause_at = FindStage(pause_at);
  return {.options = std::move(options)};
}

int Conclude(Role role, const Result<void>& outcome) {
  if (outcome.ok()) return kExitDone;
  const std::string line = "sysmem-demo-" + RoleName(role) + ": " + outcome.failure().text + "\n";
  std::fputs(line.c_str(), stderr);
  return IsFaultOfOthers(outcome.failure()) ? kExitOthersLeft : kExitFailed;
}

Result<void> PauseIfTold(const ParticipantOptions& options, Stage stage) {
  if (options.pause_at != stage) return {};
  StatusWriter(options.status_fd).Line("PAUSED", StageName(stage));
  char byte = 0;
  ssize_t count = 0;
  do {
    count = ::read(options.resume_fd, &byte, 1);
  } while (count < 0 && errno == EINTR);
  if (count == 1) return {};
  return Sentence("paused, and nobody is left to tell me to go on");
}

}  // namespace sysmem::demo
