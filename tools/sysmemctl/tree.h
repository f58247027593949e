// SPDX-License-Identifier: Apache-2.0
//
// The tree of one collection as a drawing: who came from whom, who fails with whom, which children
// of groups were chosen, who is weak, who has gone.
#pragma once

#include <cstdint>
#include <string>

#include "tools/sysmemctl/daemon_view.h"

namespace sysmem::ctl {

// `detail` is what Inspect.ShowCollection answers. With `colour`, in the escapes of terminals.
std::string DrawTree(const Json& detail, bool colour);
// The same for graphviz. Shapes: a token is a note, a collection a box, a group a diamond. Dashed:
// weak. Grey: released and closed. Red: allocation waits for it. Green: allocated. Bold edge: the
// chosen child of a group; dotted: the others. Frames: failure domains, if there are several.
std::string DrawDot(const Json& detail);

enum class TreeForm { kText, kDot, kJson };
Result<void> PrintTree(DaemonView& daemon, uint64_t id, TreeForm form);

}  // namespace sysmem::ctl
