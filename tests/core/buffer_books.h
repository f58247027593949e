// SPDX-License-Identifier: Apache-2.0
//
// Who has which buffer of a simulated collection, by what was handed out and what has ended.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "core/event.h"

namespace sysmem::core::test {

struct BufferBooks {
  uint32_t count = 0;                                     // 0 until they are made
  bool daemon_holds = false;                              // its own strong handles
  std::map<std::pair<CallId, uint32_t>, bool> hand_outs;  // {call, buffer} that live; weak?
  std::set<uint32_t> weakened;                            // close_weak_asap was signalled
  std::set<uint32_t> gone;

  size_t CountHandOuts(uint32_t buffer, bool weak_ones_too) const {
    size_t found = 0;
    for (const auto& [hand_out, weak] : hand_outs) {
      found += hand_out.second == buffer && (weak_ones_too || !weak);
    }
    return found;
  }
  // Those that nobody has any more, not even the daemon, and that did not go yet.
  std::vector<uint32_t> Abandoned() const {
    std::vector<uint32_t> abandoned;
    for (uint32_t buffer = 0; buffer < count && !daemon_holds; ++buffer) {
      if (!gone.count(buffer) && CountHandOuts(buffer, true) == 0) abandoned.push_back(buffer);
    }
    return abandoned;
  }
  size_t remaining() const { return count - gone.size(); }
};

}  // namespace sysmem::core::test
