// SPDX-License-Identifier: Apache-2.0
//
// What there is in the daemon, exact to the last descriptor.
#pragma once

#include <cstdint>
#include <ostream>

namespace sysmem::testing {

struct Figures {
  uint64_t sessions = 0;
  uint64_t collections = 0;
  uint64_t nodes = 0;
  uint64_t exported_nodes = 0;
  uint64_t live_buffers = 0;
  uint64_t live_bytes = 0;
  uint64_t descriptors = 0;  // without those open for what nobody has asked for yet
  bool operator==(const Figures&) const = default;
  // Fewer descriptors are no leak: when the baseline was taken one may have been closing still.
  bool IsBackTo(Figures baseline) const {
    if (descriptors < baseline.descriptors) baseline.descriptors = descriptors;
    return *this == baseline;
  }
};
std::ostream& operator<<(std::ostream& out, const Figures& figures);

}  // namespace sysmem::testing
