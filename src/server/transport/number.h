// SPDX-License-Identifier: Apache-2.0
//
// The running number of a call, read from its raw bytes.
//
// Every request begins with `fixed64 number = 1`: one tag byte 0x09 and eight bytes, little-endian.
// It is read by hand and before anything else, so that a call whose body cannot be parsed, or is
// too large to be, still has its place in the session's order.
//
// Thread-safe. Nothing is copied.
#pragma once

#include <google/protobuf/io/zero_copy_stream.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <optional>

namespace sysmem::server::transport {

// Nullopt when the body does not begin with a number, or with 0, which is none.
std::optional<uint64_t> ReadNumber(google::protobuf::io::ZeroCopyInputStream& body);
std::optional<uint64_t> ReadNumber(const grpc::ByteBuffer& body);

}  // namespace sysmem::server::transport
