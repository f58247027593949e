// SPDX-License-Identifier: Apache-2.0
//
// A fresh temporary folder for one run: the daemon's socket, the clip, and, when the processes run
// under users of their own, copies of the programs, because those users may not be able to reach
// the folder we were built in.
//
//   <folder>/bin, lib   programs and libsysmem.so.0
//   <folder>/run        the socket; belongs to the daemon's user
//   <folder>/clip       what ffmpeg writes; belongs to the decoder's user
//
// All of it is removed at the end.
#pragma once

#include <memory>
#include <string>

#include "tools/demo/sentence.h"

namespace sysmem::demo {

class Workspace {
 public:
  static Result<std::unique_ptr<Workspace>> Create();
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  // Where a program of ours (one beside the launcher) can be started from.
  Result<std::string> Program(const std::string& name);

  const std::string& folder() const { return folder_; }
  std::string socket_path() const { return folder_ + "/run/socket"; }
  std::string clip_folder() const { return folder_ + "/clip"; }
  std::string daemon_log() const { return folder_ + "/daemon.log"; }
  std::string empty_file() const { return folder_ + "/empty"; }

 private:
  Workspace(std::string folder, std::string own_folder)
      : folder_(std::move(folder)), own_folder_(std::move(own_folder)) {}
  Result<void> Furnish();

  std::string folder_;
  std::string own_folder_;  // of the launcher's program
};

}  // namespace sysmem::demo
