// SPDX-License-Identifier: Apache-2.0
//
// What the calls of one client cost while others are at work.
//
// Two figures of one run are compared, of the same caller with as many processes beside it: a
// machine that does other things too moves both. A bad run is repeated a few times; bounds are
// strict.
#pragma once

#include <string>

#include "tests/hostile/raw_client.h"
#include "tests/support/client_process.h"

namespace sysmem::testing {

// How many calls a percentile is taken of.
inline constexpr size_t kLatencyCalls = 5000;

// The 99th percentile, in microseconds, of as many waits for a buffer that exists, each bringing a
// new descriptor, by a client of kClientUid in a process of its own. 0, with a test failure, when
// something went wrong.
double MeasurePercentile99(const std::string& socket_path);

// The same beside a neighbour: another process that does `neighbour` until it is killed, and has
// sent "begun" when it is worth being measured against.
double MeasureBeside(uid_t neighbours_uid, const std::string& socket_path,
                     const ClientProcess::Body& neighbour);

}  // namespace sysmem::testing
