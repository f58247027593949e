// SPDX-License-Identifier: Apache-2.0
//
// Constraints from the wire: every field with its presence, every list within its bound. Values are
// not judged (interface.md 4.4); that is the negotiation's business.
//
// Pure functions. A failure's field is relative to the message given.
#pragma once

#include "core/constraints.h"
#include "core/failure.h"
#include "sysmem2/constraints.pb.h"

namespace sysmem::server::transport {

core::Result<core::Constraints> ParseConstraints(const sysmem2::BufferCollectionConstraints& from);

}  // namespace sysmem::server::transport
