// SPDX-License-Identifier: Apache-2.0
//
// A daemon for one run: started on a socket in the workspace, stopped at the end.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tools/demo/child_process.h"
#include "tools/demo/workspace.h"

namespace sysmem::demo {

class PrivateDaemon {
 public:
  // Returns when clients can connect. `arguments`: besides those that it gets anyway.
  static Result<std::unique_ptr<PrivateDaemon>> Start(
      Workspace& workspace, const std::vector<std::string>& arguments = {});
  // Stops it, forcibly if need be.
  ~PrivateDaemon();
  PrivateDaemon(const PrivateDaemon&) = delete;
  PrivateDaemon& operator=(const PrivateDaemon&) = delete;

  ChildProcess& process() { return process_; }
  // The end of what it has logged.
  std::string LastWords() const;

 private:
  PrivateDaemon(ChildProcess process, std::string log)
      : process_(std::move(process)), log_(std::move(log)) {}
  Result<void> WaitUntilReady(const UniqueFd& ready);

  ChildProcess process_;
  std::string log_;
};

}  // namespace sysmem::demo
