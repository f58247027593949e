// SPDX-License-Identifier: Apache-2.0
//
// The subcommands. Each prints to standard output, text for people or one JSON document, and
// returns how sysmemctl is to end.
#pragma once

#include <cstdint>

#include "tools/sysmemctl/colour.h"
#include "tools/sysmemctl/daemon_view.h"
#include "tools/sysmemctl/exit_code.h"

namespace sysmem::ctl {

// Figures of the whole daemon, its limits and how close it is to each.
Result<void> PrintStatus(DaemonView& daemon, bool json);
// Heaps, and why those that cannot be used cannot.
Result<void> PrintHeaps(DaemonView& daemon, bool json, bool figures);
// Collections, and sessions with the reason of those that ended.
Result<void> PrintList(DaemonView& daemon, bool json);
// One collection or one session. Collection ids and session ids do not collide: the first grow from
// the boot clock, the second from 1.
Result<void> PrintOne(DaemonView& daemon, uint64_t id, bool json);

// Parts of PrintOne and PrintWhy.
std::string DescribeCollection(const Json& detail, const Colours& colours);
// "waiting", in the colour of how that is.
std::string CollectionStateWord(const Json& summary, const Colours& colours);
// Which collection, how it stands, and the result if there is one.
std::string DescribeSummary(const Json& detail, const Colours& colours);
// Why its nodes ended. REQUIRES: summary has a failure.
std::string DescribeEnd(const Json& summary, const Colours& colours);
std::string DescribeSession(const Json& session);
// One line for the result that everybody receives: format, size, stride, count, heap.
std::string DescribeSettings(const Json& settings);
// The buffers that there are, and who keeps each of them; nothing if there are none.
std::string DescribeBuffers(const Json& detail, const Colours& colours);
// What one participant asked for, one line per field it set.
std::string DescribeConstraints(const Json& constraints, const std::string& indent);

}  // namespace sysmem::ctl
