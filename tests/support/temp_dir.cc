// SPDX-License-Identifier: Apache-2.0
#include "tests/support/temp_dir.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>

#include "gtest/gtest.h"

namespace sysmem::testing {

TempDir::TempDir() {
  std::string name = "/tmp/sysmem-test-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr || ::chmod(name.c_str(), 0755) != 0) {
    ADD_FAILURE() << "cannot make a directory like " << name;
    return;
  }
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;  // a leftover in /tmp fails nobody
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace sysmem::testing
