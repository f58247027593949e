// SPDX-License-Identifier: Apache-2.0
//
// Long lists in pages. The engine answers with the whole list; the page the client asked for is cut
// out when the reply is made.
//
// Pure functions.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "server/inspection.h"
#include "server/reply.h"

namespace sysmem::server::transport {

// So many fit, with the longest texts, into the 4 MiB that gRPC takes unless told otherwise.
inline constexpr uint32_t kMaxPageEntries{kMostItemsInPage};

// A page that has so much takes no further entry: each may be large, by names and constraints of
// clients or by the number of its collections, and gRPC takes no messages of any size.
inline constexpr size_t kFullPageBytes = 1 << 20;

struct Page {
  std::optional<uint64_t> after;    // entries with greater ids only
  uint32_t at_most = 0;             // 0: as many as fit
  std::optional<uint64_t> only_id;  // nothing but this entry; NOT_FOUND if it is not there
};

grpc::ByteBuffer EncodeCollections(const Reply& reply, const Page& page);
grpc::ByteBuffer EncodeSessions(const Reply& reply, const Page& page);

}  // namespace sysmem::server::transport
