// SPDX-License-Identifier: Apache-2.0
//
// What may stand in a batch: one row per request of sysmem2.Operation.
#pragma once

#include <string_view>

#include "server/reply.h"
#include "server/request.h"
#include "sysmem2/session.pb.h"

namespace sysmem::server::transport {

struct OperationKind {
  sysmem2::Operation::RequestCase request;
  std::string_view name;  // of the method, for people
  bool (*two_way)(const sysmem2::Operation& operation);
  // Null: not implemented in this version.
  Operation (*parse)(const sysmem2::Operation& operation);
  // Puts the result of a two-way operation under its own number; false if it is none of it. Null
  // for operations that are always one-way or not implemented.
  bool (*encode)(const OperationResult& from, sysmem2::OperationResult* to);
};

// Null for an operation that is not set or not known.
const OperationKind* FindOperation(sysmem2::Operation::RequestCase request);

}  // namespace sysmem::server::transport
