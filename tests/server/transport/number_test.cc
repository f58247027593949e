// SPDX-License-Identifier: Apache-2.0
#include "server/transport/number.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "sysmem2/session.pb.h"
#include "tests/server/transport/wire.h"

namespace sysmem::server::transport {
namespace {

std::string Bytes(uint64_t number, const std::string& rest = "") {
  std::string bytes = "\x09";
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(number >> (8 * i));
  return bytes + rest;
}

std::optional<uint64_t> NumberOf(const grpc::ByteBuffer& body) {
  const grpc::Slice bytes = InOnePiece(body);
  return ReadNumber(ViewOf(bytes));
}

TEST(Number, IsWhatAnOrdinarySerializerWritesFirst) {
  sysmem2::CancelWaitRequest request;
  request.set_wait_number(77);
  request.set_number(0x0102030405060708);
  EXPECT_EQ(NumberOf(BodyOf(request.SerializeAsString())), 0x0102030405060708u);
}

TEST(Number, IsReadWhateverFollowsIt) {
  EXPECT_EQ(NumberOf(BodyOf(Bytes(5, "\xff\xff\xff not a message"))), 5u);
}

TEST(Number, IsReadAcrossSlices) {
  EXPECT_EQ(NumberOf(ShreddedBodyOf(Bytes(UINT64_MAX, "tail"))), UINT64_MAX);
}

TEST(Number, IsMissingInAnythingElse) {
  EXPECT_EQ(NumberOf(grpc::ByteBuffer()), std::nullopt);
  EXPECT_EQ(NumberOf(BodyOf("")), std::nullopt);
  EXPECT_EQ(NumberOf(BodyOf(Bytes(5).substr(0, 8))), std::nullopt) << "a byte is missing";
  EXPECT_EQ(NumberOf(BodyOf("\x10\x07" + Bytes(5))), std::nullopt) << "field 2 comes first";
  EXPECT_EQ(NumberOf(BodyOf("\x08" + Bytes(5).substr(1))), std::nullopt) << "not fixed64";
}

TEST(Number, IsNeverZero) { EXPECT_EQ(NumberOf(BodyOf(Bytes(0))), std::nullopt); }

}  // namespace
}  // namespace sysmem::server::transport
