// SPDX-License-Identifier: Apache-2.0
//
// A fresh directory below /tmp that everybody may enter, removed with all it holds at the end.
#pragma once

#include <string>

namespace sysmem::testing {

class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace sysmem::testing
