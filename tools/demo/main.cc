// SPDX-License-Identifier: Apache-2.0
//
// sysmem-demo [VIDEO]: a daemon and three processes that share the frames of a video.
#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "tools/demo/launcher.h"

namespace sysmem::demo {
namespace {

// "decoder:waiting"; an error text, or empty.
std::string ParsePause(const std::string& text, LauncherOptions& options) {
  const size_t colon = text.find(':');
  for (Role role : {Role::kDecoder, Role::kAnalyser, Role::kPresenter}) {
    if (RoleName(role) == text.substr(0, colon)) options.pause_role = role;
  }
  const std::optional<Stage> stage =
      colon == std::string::npos ? std::nullopt : FindStage(text.substr(colon + 1));
  if (!options.pause_role || !stage) return "expected a process and a stage, as decoder:waiting";
  options.pause_stage = *stage;
  return "";
}

int Main(int argc, char** argv) {
  LauncherOptions options;
  CLI::App app(
      "Shows sysmemd at work: a decoder, an analyser and a presenter, processes of their own, "
      "share "
      "the frames of a video without a copy of a pixel.",
      "sysmem-demo");
  app.add_option("video", options.video, "Any that FFmpeg can decode; else a clip is made");
  app.add_option("--output", options.output, "Where the contact sheet goes")
      ->capture_default_str()
      ->type_name("FILE");
  app.add_option("--socket", options.socket,
                 "Use the daemon that listens there, instead of a private one")
      ->type_name("PATH");
  app.add_option_function<int>(
         "--timeout", [&](int seconds) { options.timeout = std::chrono::seconds(seconds); },
         "How long a process waits for the others to take part (default 30)")
      ->type_name("SECONDS")
      ->check(CLI::PositiveNumber);
  app.add_option_function<std::string>(
         "--pause",
         [&](const std::string& text) {
           const std::string error = ParsePause(text, options);
           if (!error.empty()) throw CLI::ValidationError("--pause", error);
         },
         "Let one process (decoder, analyser, presenter) pause at a stage (connected, token-held, "
         "bound, constraints-set, waiting, streaming); prints its process id, goes on at Enter")
      ->type_name("PROCESS:STAGE");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& outcome) {  // --help is such an outcome too
    return app.exit(outcome) == 0 ? kExitDone : kExitUsage;
  }
  return Launcher(options).Run();
}

}  // namespace
}  // namespace sysmem::demo

int main(int argc, char** argv) { return sysmem::demo::Main(argc, argv); }
