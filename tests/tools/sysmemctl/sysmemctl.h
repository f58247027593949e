// SPDX-License-Identifier: Apache-2.0
//
// Runs the sysmemctl of this build.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/programs.h"

namespace sysmem::ctl {

inline testing::Ended Sysmemctl(std::vector<std::string> arguments) {
  return testing::RunToEnd({.program = testing::ProgramPath("sysmemctl"),
                            .arguments = std::move(arguments),
                            .environment = testing::CleanEnvironment()});
}

}  // namespace sysmem::ctl
