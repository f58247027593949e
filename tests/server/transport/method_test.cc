// SPDX-License-Identifier: Apache-2.0
#include "server/transport/method.h"

#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/transport/refusals.h"
#include "server/transport/used_up.h"
#include "sysmem2/allocator.pb.h"
#include "sysmem2/group.pb.h"
#include "sysmem2/heap.pb.h"
#include "sysmem2/inspect.pb.h"
#include "sysmem2/node.pb.h"
#include "sysmem2/session.pb.h"
#include "sysmem2/token.pb.h"
#include "tests/server/transport/wire.h"

namespace sysmem::server::transport {
namespace {

constexpr uint64_t kNumber = 41;

// A body with a number and then this.
grpc::ByteBuffer Numbered(const std::string& rest) {
  sysmem2::PingRequest number;
  number.set_number(kNumber);
  return BodyOf(number.SerializeAsString() + rest);
}

// The failure of a call with one operation that was refused.
const core::Failure& WhyRefused(const ReadCall& call) {
  static const core::Failure kNone{.message = "not refused"};
  EXPECT_TRUE(call.request.has_value());
  if (!call.request || call.request->operations.size() != 1) return kNone;
  return As<op::Malformed>(call.request->operations.front()).why;
}

TEST(ReadCall, FindsNumberAndOperation) {
  sysmem2::CloseHandleRequest request;
  request.set_number(kNumber);
  request.set_handle(3);
  const ReadCall call = ReadRequest("Session.CloseHandle", request);
  ASSERT_TRUE(call.request.has_value());
  EXPECT_EQ(call.request->number, kNumber);
  ASSERT_EQ(call.request->operations.size(), 1u);
  EXPECT_EQ(As<op::CloseHandle>(call.request->operations.front()).handle, 3u);
}

TEST(ReadCall, HasNoRequestWithoutANumber) {
  EXPECT_FALSE(ReadRequest("Session.Ping", sysmem2::PingRequest()).request.has_value());
  EXPECT_FALSE(Read(MethodNamed("Session.Ping"), BodyOf("garbage")).request.has_value());
}

TEST(ReadCall, KeepsTheNumberOfABodyThatDoesNotParse) {
  const ReadCall call = Read(MethodNamed("BufferCollection.SetConstraints"), Numbered("\xff\xff"));
  EXPECT_EQ(call.request->number, kNumber);
  EXPECT_EQ(WhyRefused(call).rule, "WIRE-PARSE");
  EXPECT_EQ(WhyRefused(call).error, core::Error::kProtocolDeviation);
  EXPECT_NE(WhyRefused(call).message.find("BufferCollection.SetConstraints"), std::string::npos);
}

TEST(ReadCall, RefusesAStringThatIsNotUtf8) {
  sysmem2::SetNameRequest request;
  request.set_number(kNumber);
  request.set_name("ab");
  std::string bytes = request.SerializeAsString();
  bytes.replace(bytes.find("ab"), 2, "\xc3\x28");
  EXPECT_EQ(WhyRefused(Read(MethodNamed("BufferCollection.SetName"), BodyOf(bytes))).rule,
            "WIRE-PARSE");
}

TEST(ReadCall, ParsesABodyInManySlices) {
  sysmem2::SetNameRequest request;
  request.set_number(kNumber);
  request.set_name("frames");
  const ReadCall call =
      Read(MethodNamed("BufferCollection.SetName"), ShreddedBodyOf(request.SerializeAsString()));
  EXPECT_EQ(EventOf<core::event::SetName>(call.request->operations.front()).name, "frames");
}

TEST(ReadCall, RefusesALargeBodyInItsPlaceWithTheFigures) {
  sysmem2::PingRequest number;
  number.set_number(kNumber);
  const size_t head = number.SerializeAsString().size();
  // An unknown field of the right length fills the message up to the last byte.
  const std::string tag("\x92\x3f\x80\x80\x10", 5);
  std::string rest = tag + std::string(kMaxRequestBytes - head - tag.size(), 'x');
  EXPECT_EQ(WhyRefused(Read(MethodNamed("Session.Ping"), Numbered(rest))).rule, "WIRE-PARSE")
      << "at the limit it is looked at, and the length in it is wrong";
  rest += 'x';
  const ReadCall call = Read(MethodNamed("Session.Ping"), Numbered(rest));
  EXPECT_EQ(call.request->number, kNumber);
  EXPECT_EQ(WhyRefused(call).rule, "WIRE-SIZE");
  EXPECT_NE(WhyRefused(call).message.find("262145"), std::string::npos);
  EXPECT_NE(WhyRefused(call).message.find("262144"), std::string::npos);
}

TEST(ReadCall, SaysWhichKindOfNodeTheServiceSpeaksFor) {
  sysmem2::SyncRequest request;
  request.set_number(kNumber);
  const struct {
    const char* method;
    core::NodeKind kind;
  } services[] = {{"BufferCollectionToken.Sync", core::NodeKind::kToken},
                  {"BufferCollection.Sync", core::NodeKind::kCollection},
                  {"BufferCollectionTokenGroup.Sync", core::NodeKind::kGroup}};
  for (const auto& service : services) {
    const ReadCall call = ReadRequest(service.method, request);
    EXPECT_EQ(As<op::NodeMessage>(call.request->operations.front()).kind, service.kind);
  }
}

TEST(ReadCall, AnswersARefusalInTheShapeOfEveryReply) {
  const ReadCall call = Read(MethodNamed("Inspect.GetStatus"), Numbered("\xff"));
  const Reply reply{.order = 9, .results = {WhyRefused(call)}};
  const auto answer = Decode<sysmem2::GetStatusReply>(call.encode(reply));
  EXPECT_EQ(answer.order(), 9u);
  EXPECT_EQ(answer.failure().rule(), "WIRE-PARSE");
}

TEST(ReadCall, AnswersARefusedBatchAsAWhole) {
  const ReadCall call = Read(MethodNamed("Session.Run"), Numbered("\xff"));
  const Reply reply{.order = 9, .results = {WhyRefused(call)}};
  const auto answer = Decode<sysmem2::RunReply>(call.encode(reply));
  EXPECT_EQ(answer.order(), 9u);
  EXPECT_EQ(answer.failure().rule(), "WIRE-PARSE");
  EXPECT_EQ(answer.failures_size(), 0);
}

// Of a later version: with a message that is no request of this one.
TEST(UnimplementedMethods, SayTheirName) {
  google::protobuf::FileDescriptorProto file;
  file.set_name("later.proto");
  file.set_package("later");
  file.add_dependency("sysmem2/heap.proto");
  file.add_dependency("sysmem2/failure.proto");
  google::protobuf::ServiceDescriptorProto* const service = file.add_service();
  service->set_name("Session");
  google::protobuf::MethodDescriptorProto* const fly = service->add_method();
  fly->set_name("Fly");
  fly->set_input_type(".sysmem2.HeapProperties");
  fly->set_output_type(".sysmem2.Ack");
  google::protobuf::DescriptorPool pool(google::protobuf::DescriptorPool::generated_pool());
  const google::protobuf::FileDescriptor* const built = pool.BuildFile(file);
  ASSERT_NE(built, nullptr);
  const Method later = DescribeMethod(*built->service(0)->method(0));
  const ReadCall call = Read(later, Numbered(""));
  EXPECT_EQ(call.request->number, kNumber);
  EXPECT_EQ(WhyRefused(call).outcome, core::Outcome::kUnimplemented);
  EXPECT_NE(WhyRefused(call).message.find("Session.Fly"), std::string::npos);
}

// They can be read, and answered with a failure of their own reply type.
TEST(Methods, AreAllKnown) {
  const auto& pool = *google::protobuf::DescriptorPool::generated_pool();
  int implemented = 0;
  for (const char* name :
       {"Allocator", "BufferCollectionToken", "BufferCollection", "BufferCollectionTokenGroup",
        "HeapRegistration", "HeapProvider", "Session", "Inspect"}) {
    const auto* service = pool.FindServiceByName(std::string("sysmem2.") + name);
    ASSERT_NE(service, nullptr) << name;
    for (int i = 0; i < service->method_count(); ++i) {
      const ReadCall call = Read(DescribeMethod(*service->method(i)), Numbered(""));
      ASSERT_TRUE(call.request.has_value());
      const Operation* operation =
          call.request->operations.empty() ? nullptr : &call.request->operations.front();
      const auto* refusal = operation != nullptr ? std::get_if<op::Malformed>(operation) : nullptr;
      if (refusal == nullptr || refusal->why.outcome != core::Outcome::kUnimplemented) {
        ++implemented;
      }
    }
  }
  // 12 methods of every node in 3 services, 4 more of tokens, 3 of groups, 5 of collections, 6 of
  // the allocator, 7 of the session, 6 of the inspector, 6 of and for providers of heaps and
  // secure memory.
  EXPECT_EQ(implemented, 12 * 3 + 4 + 3 + 5 + 6 + 7 + 6 + 6);
}

TEST(UsedUpDescriptors, AreThoseARefusedMessageNamed) {
  sysmem2::GetVmoInfoRequest request;
  request.set_number(kNumber);
  request.set_vmo(5);
  request.set_vmo_settings_to_check(6);
  request.mutable_constraints_to_check()->mutable_buffer_memory_constraints();
  for (int i = 0; i <= sysmem2::MESSAGE_LIMIT_IMAGE_FORMAT_CONSTRAINTS; ++i) {
    request.mutable_constraints_to_check()->add_image_format_constraints();
  }
  const ReadCall call = ReadRequest("Allocator.GetVmoInfo", request);
  EXPECT_EQ(As<op::Malformed>(call.request->operations.front()).used_up,
            (std::vector<DescriptorNumber>{5, 6}));
}

TEST(UsedUpDescriptors, AreThoseOfAMessageThatFailsItsNode) {
  sysmem2::SetConstraintsRequest request;
  request.set_number(kNumber);
  request.set_must_match_vmo(8);
  for (int i = 0; i <= sysmem2::MESSAGE_LIMIT_IMAGE_FORMAT_CONSTRAINTS; ++i) {
    request.mutable_constraints()->add_image_format_constraints();
  }
  const ReadCall call = ReadRequest("BufferCollection.SetConstraints", request);
  const auto& message = As<op::NodeMessage>(call.request->operations.front());
  EXPECT_TRUE(std::holds_alternative<core::event::BadMessage>(message.event));
  EXPECT_EQ(message.descriptor, 8u);
}

TEST(UsedUpDescriptors, AreFoundInsideAnAnswer) {
  sysmem2::AnswerProviderCallRequest request;
  request.set_number(kNumber);
  request.mutable_allocate_vmo()->set_vmo(7);
  EXPECT_EQ(DescriptorsNamedIn(request), (std::vector<DescriptorNumber>{7}));
}

}  // namespace
}  // namespace sysmem::server::transport
