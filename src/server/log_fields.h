// SPDX-License-Identifier: Apache-2.0
//
// What programs may read of a log line besides its text.
#pragma once

#include <cstdint>
#include <string>

namespace sysmem::server {

// Zero or empty: the line is about none.
struct LogFields {
  uint64_t collection_id = 0;
  std::string collection_name;  // as the client gave it, as is everything here
  uint64_t node_id = 0;
  std::string rule;   // "ATT-4"
  std::string error;  // "NO_MEMORY"
};

}  // namespace sysmem::server
