// SPDX-License-Identifier: Apache-2.0
//
// sysmemctl simulate: files that say what participants need, negotiated without a daemon. Prints to
// standard output what came of each, and to standard error what is wrong with a file.
#pragma once

#include <string>
#include <vector>

#include "scenario/scenario.h"
#include "scenario/simulate.h"
#include "tools/sysmemctl/daemon_view.h"
#include "tools/sysmemctl/exit_code.h"

namespace sysmem::ctl {

// How sysmemctl is to end: the first of the files' own codes that is not kOk. One JSON document is
// an object for one file and an array for several.
int SimulateFiles(const std::vector<std::string>& paths, bool json);

// Parts of SimulateFiles, in files of their own.
std::string DescribeOutcome(const scenario::Scenario& scenario, const scenario::Outcome& outcome);
Json OutcomeAsJson(const scenario::Scenario& scenario, const scenario::Outcome& outcome);
// What one participant asked for, one line per matter, for people.
std::vector<std::string> DescribeNeeds(const core::Constraints& constraints);

}  // namespace sysmem::ctl
