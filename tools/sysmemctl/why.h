// SPDX-License-Identifier: Apache-2.0
//
// Why nothing happens in a collection, why it failed, why this result won, or who keeps its
// buffers.
#pragma once

#include <cstdint>
#include <string>

#include "tools/sysmemctl/colour.h"
#include "tools/sysmemctl/daemon_view.h"

namespace sysmem::ctl {

// `detail` is what Inspect.ShowCollection answers, `sessions` the sessions of ListSessions that
// hold the nodes allocation waits for.
std::string DescribeReasons(const Json& detail, const Json& sessions, const Colours& colours);
// The same for programs: sysmemctl(1) lists the fields.
Json ReasonsForPrograms(const Json& detail);

// Of a collection, or of a session that ended.
Result<void> PrintWhy(DaemonView& daemon, uint64_t id, bool json);

}  // namespace sysmem::ctl
