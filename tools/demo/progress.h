// SPDX-License-Identifier: Apache-2.0
//
// What is being done at the moment: one line that changes on a terminal, else a line now and then.
#pragma once

#include <chrono>
#include <string>

namespace sysmem::demo {

class Progress {
 public:
  // Writes to standard error.
  Progress();
  // Removes the changing line.
  ~Progress() { Clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // The next thing begins.
  void Begin(const std::string& text);
  // How far it has come.
  void Update(const std::string& text);
  // Before somebody else prints.
  void Clear();

 private:
  bool is_terminal_;
  bool is_shown_ = false;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace sysmem::demo
