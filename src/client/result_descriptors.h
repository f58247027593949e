// SPDX-License-Identifier: Apache-2.0
//
// Which descriptors a result names. Thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "sysmem2/session.pb.h"

namespace sysmem::client {

// Every descriptor number in `result`, whatever the method, in the order of its fields.
std::vector<uint64_t> DescriptorsNamed(const sysmem2::OperationResult& result);

}  // namespace sysmem::client
