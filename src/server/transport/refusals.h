// SPDX-License-Identifier: Apache-2.0
//
// What the parser says when it says no.
//
// Rules of the wire, as they stand in Failure.rule:
//   WIRE-SIZE     a request is larger than MESSAGE_LIMIT_REQUEST_BYTES
//   WIRE-PARSE    a request is no message of its kind
//   WIRE-BOUND    a list or string exceeds its MessageLimit
//   WIRE-FIELDS   a field is missing, or stands where it must not, so that the request says nothing
//   WIRE-BATCH    a batch has a two-way operation before its end
//
// A broken bound fails the node the request was sent to (server-behaviour.md 2.4). Everything else
// here harms nobody: the request is answered in its place in the order, and that is all.
//
// Pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "core/failure.h"
#include "server/request.h"
#include "sysmem2/constants.pb.h"

namespace sysmem::server::transport {

inline constexpr size_t kMaxRequestBytes = sysmem2::MESSAGE_LIMIT_REQUEST_BYTES;
inline constexpr size_t kMaxBatchOperations = sysmem2::MESSAGE_LIMIT_OPERATIONS;

// The failure if there are more than `limit`; `field` is its path. `unit`: "bytes", "entries".
std::optional<core::Failure> ExceedsBound(std::string_view field, size_t count,
                                          sysmem2::MessageLimit limit, std::string_view unit);

// Requests that are answered with their own failure. `method` is "BufferCollection.Sync" or so.
Operation TooLarge(std::string_view method, size_t bytes);
Operation Unparsable(std::string_view method);
Operation BadFields(std::string_view field, std::string message);
// `what`: a method, or a feature of one, as the subject of a sentence.
Operation NotYet(std::string_view what);

// A message that fails its node, because of `why`. `kind` as in op::NodeMessage.
Operation FailsNode(std::optional<Handle> handle, std::optional<core::NodeKind> kind,
                    core::Failure why);

}  // namespace sysmem::server::transport
