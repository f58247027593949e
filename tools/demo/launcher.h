// SPDX-License-Identifier: Apache-2.0
//
// Puts a run together: workspace, video, daemon, the three processes of the pipeline with the
// socketpairs between them, then the reference, then the report.
//
// Thread-safety: one thread; only one launcher per process.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "tools/demo/crew.h"
#include "tools/demo/private_daemon.h"
#include "tools/demo/progress.h"
#include "tools/demo/report.h"
#include "tools/demo/video_file.h"
#include "tools/demo/workspace.h"

namespace sysmem::demo {

struct LauncherOptions {
  std::string video;  // empty: a clip is made
  std::string output = "sysmem-demo.png";
  std::optional<std::string> socket;  // of a daemon that runs already
  std::chrono::seconds timeout{30};
  // Which process is to pause, and where.
  std::optional<Role> pause_role;
  Stage pause_stage = Stage::kConnected;
};

class Launcher {
 public:
  explicit Launcher(const LauncherOptions& options) : options_(options) {}
  // The exit code: 0 when every hash equals the reference.
  int Run();

 private:
  Result<void> Prepare();
  Result<void> StartPipeline(Crew& crew);
  Result<void> StartParticipant(Crew& crew, Role role, const std::vector<int>& links);
  Result<void> AddPause(Crew& crew, Role role, ChildSpec& spec);
  Result<bool> RunPipeline();
  Result<bool> RunReference();
  Result<void> SaveSheet();
  void Take(const Crew& crew, Role role, const StatusLine& line);
  void ExplainFailure(const Crew& crew);
  bool PrintVerdict();

  const LauncherOptions options_;
  Progress progress_;
  RunRecord record_;
  UniqueFd interrupts_;
  std::unique_ptr<Workspace> workspace_;
  std::unique_ptr<PrivateDaemon> daemon_;
  VideoFile video_;
  UniqueFd sheet_;   // what the presenter draws
  UniqueFd resume_;  // what a paused process reads
};

}  // namespace sysmem::demo
