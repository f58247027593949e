// SPDX-License-Identifier: Apache-2.0
//
// Session.Run: many requests in one message, one reply for all.
//
// Pure functions.
#pragma once

#include <vector>

#include "server/request.h"
#include "server/transport/method.h"
#include "sysmem2/session.pb.h"

namespace sysmem::server::transport {

// The operations of the batch in their order, and how to encode their results. A batch that is
// refused as a whole (WIRE-BOUND, WIRE-BATCH) comes as one op::Malformed.
ReadBody ParseBatch(const sysmem2::RunRequest& from);

// The reply to a batch that was refused as a whole.
grpc::ByteBuffer EncodeRefusedBatch(const Reply& reply);

}  // namespace sysmem::server::transport
