// SPDX-License-Identifier: Apache-2.0
#include "server/transport/number.h"

namespace sysmem::server::transport {
namespace {

constexpr char kNumberTag = 0x09;  // field 1, eight bytes
constexpr size_t kNumberBytes = 8;

}  // namespace

grpc::Slice InOnePiece(const grpc::ByteBuffer& body) {
  grpc::Slice bytes;
  if (!body.TrySingleSlice(&bytes).ok() && !body.DumpToSingleSlice(&bytes).ok()) return {};
  return bytes;
}

std::optional<uint64_t> ReadNumber(std::string_view body) {
  if (body.size() < 1 + kNumberBytes || body[0] != kNumberTag) return std::nullopt;
  uint64_t number = 0;
  for (size_t i = kNumberBytes; i > 0; --i) number = number << 8 | static_cast<uint8_t>(body[i]);
  if (number == 0) return std::nullopt;
  return number;
}

}  // namespace sysmem::server::transport
