// SPDX-License-Identifier: Apache-2.0
//
// The running number of a call, read from its raw bytes.
//
// Every request begins with `fixed64 number = 1`: one tag byte 0x09 and eight bytes, little-endian.
// It is read by hand and before anything else, so that a call whose body cannot be parsed, or is
// too large to be, still has its place in the session's order.
//
// Thread-safe.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace sysmem::server::transport {

// The bytes of a body in one piece; empty if gRPC has none. Copies only what came in several.
grpc::Slice InOnePiece(const grpc::ByteBuffer& body);
inline std::string_view ViewOf(const grpc::Slice& bytes) {
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

// Nullopt when the body does not begin with a number, or with 0, which is none.
std::optional<uint64_t> ReadNumber(std::string_view body);

}  // namespace sysmem::server::transport
