// SPDX-License-Identifier: Apache-2.0
#include "server/transport/number.h"

#include <grpcpp/support/proto_buffer_reader.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace sysmem::server::transport {
namespace {

constexpr uint8_t kNumberTag = 0x09;  // field 1, eight bytes
constexpr size_t kNumberBytes = 8;

}  // namespace

std::optional<uint64_t> ReadNumber(google::protobuf::io::ZeroCopyInputStream& body) {
  std::array<uint8_t, 1 + kNumberBytes> head{};
  size_t have = 0;
  const void* chunk = nullptr;
  int size = 0;
  while (have < head.size() && body.Next(&chunk, &size)) {
    const size_t take = std::min(head.size() - have, static_cast<size_t>(size));
    if (take > 0) std::memcpy(head.data() + have, chunk, take);
    have += take;
  }
  if (have < head.size() || head[0] != kNumberTag) return std::nullopt;
  uint64_t number = 0;
  for (size_t i = kNumberBytes; i > 0; --i) number = number << 8 | head[i];
  if (number == 0) return std::nullopt;
  return number;
}

std::optional<uint64_t> ReadNumber(const grpc::ByteBuffer& body) {
  grpc::ByteBuffer view(body);  // another reference to the same slices
  if (!view.Valid()) return std::nullopt;
  grpc::ProtoBufferReader reader(&view);
  return ReadNumber(reader);
}

}  // namespace sysmem::server::transport
