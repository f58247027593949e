// SPDX-License-Identifier: Apache-2.0
//
// Policies of heaps, as a TOML file says them.
//
//   [[heap_policies]]
//   heap = ["DMA_HEAP_SYSTEM", "linux.sysmem.heap.HEAP_TYPE.UDMABUF"]  # one type or several
//   users = ["camera", "1000"]     # who may use them, besides root and the daemon's user
//   max_buffers = 64               # of each of them, at a time
//   max_bytes = "256MiB"           # likewise
//   max_bytes_per_user = "64MiB"   # likewise, of collections that one user began
//
// What is left out is not restricted. `users = []`: nobody else.
#pragma once

#include <toml++/toml.h>

#include <string>

#include "absl/status/status.h"
#include "server/heap_policy.h"

namespace sysmem::server {

// Adds the entries of `node`, the value of the key `heap_policies` in the file at `path`.
// Errors: InvalidArgument "FILE:LINE: ..." for an unknown key, a user that this system does not
// have, a cap that is no number, and a second policy of the same heap.
absl::Status ReadHeapPolicies(const toml::node& node, const std::string& path,
                              HeapPolicies& policies);

}  // namespace sysmem::server
