// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "sysmem2/inspect.pb.h"
#include "tests/client/session_fixture.h"

namespace sysmem::client {
namespace {

using ::testing::HasSubstr;

class InspectTest : public SessionTest {};

TEST_F(InspectTest, GivesTheResultAsJsonWithTheWiresNamesAndItsZeros) {
  auto status = Async([&] { return client_->Inspect("GetStatus"); });
  const FakeDaemon::Call call = daemon_.NextCall();
  EXPECT_EQ(call.method, "/sysmem2.Inspect/GetStatus");
  sysmem2::GetStatusReply reply;
  reply.set_order(2);
  reply.mutable_result()->set_version("1.2.3");
  daemon_.ReplyBytes(call, reply.SerializeAsString());
  const auto json = status.get();
  ASSERT_TRUE(json.ok()) << json.failure().ToString();
  EXPECT_THAT(*json, HasSubstr("\"version\":\"1.2.3\""));
  EXPECT_THAT(*json, HasSubstr("\"uptime_ns\":\"0\""));
}

TEST_F(InspectTest, SendsTheRequestWithTheSessionsOwnNumber) {
  auto shown = Async([&] { return client_->Inspect("ListSessions", R"({"number": "77"})"); });
  const FakeDaemon::Call call = daemon_.NextCall();
  EXPECT_EQ(call.number, 2u);
  sysmem2::ListSessionsRequest request;
  ASSERT_TRUE(request.ParseFromString(call.bytes));
  EXPECT_EQ(request.number(), 2u);
  sysmem2::ListSessionsReply reply;
  reply.set_order(2);
  reply.mutable_failure()->set_outcome(sysmem2::OUTCOME_UNIMPLEMENTED);
  reply.mutable_failure()->set_message("not yet");
  daemon_.ReplyBytes(call, reply.SerializeAsString());
  EXPECT_EQ(shown.get().failure().status, Status::kUnimplemented);
}

TEST_F(InspectTest, SendsWhatIsQueuedFirst) {
  Token token = MakeToken();
  auto status = Async([&] { return client_->Inspect("GetStatus", "{}", 1ms); });
  EXPECT_TRUE(daemon_.NextCall().run.operations(0).has_allocate_shared_collection());
  EXPECT_EQ(daemon_.NextCall().method, "/sysmem2.Inspect/GetStatus");
  EXPECT_EQ(status.get().failure().status, Status::kTimeout);
}

TEST_F(InspectTest, RefusesMethodsAndRequestsThatDoNotExist) {
  EXPECT_EQ(client_->Inspect("Nonsense").failure().field, "method_name");
  EXPECT_EQ(client_->Inspect("GetStatus", "{").failure().field, "request_json");
  EXPECT_EQ(client_->Inspect("GetStatus", R"({"nonsense": 1})").failure().field, "request_json");
  EXPECT_EQ(daemon_.waiting_calls(), 0u);
}

}  // namespace
}  // namespace sysmem::client
