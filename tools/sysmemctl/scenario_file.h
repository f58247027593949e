// SPDX-License-Identifier: Apache-2.0
//
// Scenario files, from the disk.
#pragma once

#include <optional>
#include <string>

#include "scenario/scenario.h"

namespace sysmem::ctl {

// Why a scenario could not be had.
struct ScenarioError {
  std::string text;             // for people, already safe for a terminal; ends with a newline
  bool cannot_be_read = false;  // the file; else its content has mistakes
};

// Empty, with `error` filled, if it cannot be read or has mistakes.
std::optional<scenario::Scenario> LoadScenario(const std::string& path, ScenarioError& error);

}  // namespace sysmem::ctl
