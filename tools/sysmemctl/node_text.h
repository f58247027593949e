// SPDX-License-Identifier: Apache-2.0
//
// One node of a collection's tree in words.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tools/sysmemctl/daemon_view.h"

namespace sysmem::ctl {

// `5 token "camera"`.
std::string NodeTitle(const Json& node);
// "held by ffmpeg (pid 712, uid 1000) in session 3", "travelling since ... exported it", or
// "released and closed".
std::string NodeHolder(const Json& node);
// The ids of those of a collection's nodes that allocation waits for: not ready, and neither
// attached (AttachToken) nor below such a node, for these are allocated for later. Parents come
// before their children.
std::set<uint64_t> AwaitedNodes(const Json& nodes);
// Released and closed; what it said still counts.
bool IsOrphaned(const Json& node);
// Its failure does not fail its parent, at least not always: it is the root of a failure domain.
bool BeginsFailureDomain(const Json& node);

// The nodes by their parent's id, siblings in their order. They must outlive it.
using Children = std::map<uint64_t, std::vector<const Json*>>;
Children ChildrenByParent(const Json& nodes);

}  // namespace sysmem::ctl
