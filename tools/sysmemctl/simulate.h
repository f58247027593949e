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

struct SimulateOptions {
  std::vector<std::string> files;
  bool json = false;   // one document: an object for one file, an array for several
  std::string record;  // file that gets what was said and answered (recording/recording.h)
};

// How sysmemctl is to end: the first of the files' own codes that is not kOk.
int SimulateFiles(const SimulateOptions& options);

// kUnsatisfiable if constraints conflict, kFailed if somebody got nothing for another reason.
ExitCode ExitCodeOf(const scenario::Outcome& outcome);

// Parts of SimulateFiles, in files of their own.
std::string DescribeOutcome(const scenario::Scenario& scenario, const scenario::Outcome& outcome);
Json OutcomeAsJson(const scenario::Scenario& scenario, const scenario::Outcome& outcome);
Json ReportAsJson(const core::Report& report);
// What one participant asked for, one line per matter, for people.
std::vector<std::string> DescribeNeeds(const core::Constraints& constraints);

}  // namespace sysmem::ctl
