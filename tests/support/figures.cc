// SPDX-License-Identifier: Apache-2.0
#include "tests/support/figures.h"

namespace sysmem::testing {

std::ostream& operator<<(std::ostream& out, const Figures& figures) {
  return out << figures.sessions << " sessions, " << figures.collections << " collections, "
             << figures.nodes << " nodes, " << figures.exported_nodes << " exported, "
             << figures.live_buffers << " buffers of " << figures.live_bytes << " bytes, "
             << figures.descriptors << " descriptors";
}

}  // namespace sysmem::testing
