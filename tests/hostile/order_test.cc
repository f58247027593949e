// SPDX-License-Identifier: Apache-2.0
//
// The running numbers of a session: what is sent is carried out in their order, and a number that
// is lost costs nobody but the session that lost it.
#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "sysmem2/allocator.pb.h"
#include "sysmem2/collection.pb.h"
#include "sysmem2/token.pb.h"
#include "tests/hostile/hostile_fixture.h"
#include "tests/support/eventually.h"
#include "tests/support/programs.h"

namespace sysmem::testing {
namespace {

// Calls under way at a time: below what the daemon holds behind a hole, because to it everything
// that overtakes is a hole.
constexpr size_t kWindow = 200;
constexpr uint64_t kManyTimes = 10000;

class Order : public HostileTest {
 protected:
  using HostileTest::HostileTest;

  // Ends for SEQUENCE_GAP, having said so, and leaves nothing behind.
  void ExpectGap(RawClient& guilty, const std::string& says) {
    ExpectEnded(guilty, sysmem2::SESSION_END_REASON_SEQUENCE_GAP, says);
  }
};

// Sends calls and keeps at most kWindow of them unanswered.
class Pipeline {
 public:
  explicit Pipeline(RawClient& client) : client_(client) {}
  ~Pipeline() { AwaitAll(); }

  template <typename Request>
  void Send(const std::string& method, const Request& request,
            std::function<void(const RawCall&)> check) {
    calls_.push_back({&client_.Send(method, request), std::move(check)});
    if (calls_.size() >= kWindow) AwaitOldest();
  }
  void AwaitAll() {
    while (!calls_.empty()) AwaitOldest();
  }

 private:
  struct Pending {
    RawCall* call;
    std::function<void(const RawCall&)> check;
  };
  void AwaitOldest() {
    Pending oldest = std::move(calls_.front());
    calls_.pop_front();
    ASSERT_TRUE(client_.Await(*oldest.call));
    ASSERT_TRUE(oldest.call->status().ok()) << oldest.call->status().error_message();
    oldest.check(*oldest.call);
    client_.Forget(*oldest.call);
  }
  RawClient& client_;
  std::deque<Pending> calls_;
};

void ExpectDone(const RawCall& call) {
  const auto ack = call.As<sysmem2::Ack>();
  EXPECT_FALSE(ack.has_failure()) << ack.ShortDebugString();
}

// ---- Order that holds
// ------------------------------------------------------------------------------

TEST_F(Order, ReleaseAndCloseSentTogetherTenThousandTimesNeverFailTheCollection) {
  auto client = Connect();
  const uint64_t root = client->NewHandle();
  EXPECT_TRUE(client->Run({CreateToken(root)}).failures().empty());
  {
    Pipeline pipeline(*client);
    for (uint64_t i = 0; i < kManyTimes && !HasFailure(); ++i) {
      const uint64_t handle = client->NewHandle();
      sysmem2::DuplicateRequest duplicate;
      duplicate.set_handle(root);
      duplicate.set_rights_attenuation_mask(0x80000000);
      duplicate.set_token_handle(handle);
      sysmem2::ReleaseRequest release;
      release.set_handle(handle);
      sysmem2::CloseHandleRequest close;
      close.set_handle(handle);
      pipeline.Send("BufferCollectionToken.Duplicate", duplicate, ExpectDone);
      pipeline.Send("BufferCollectionToken.Release", release, ExpectDone);
      pipeline.Send("Session.CloseHandle", close, ExpectDone);
    }
  }
  const uint64_t collection = client->NewHandle();
  const sysmem2::RunReply reply =
      client->Run({Bind(root, collection), SetConstraints(collection), Wait(collection)});
  EXPECT_TRUE(reply.failures().empty()) << reply.ShortDebugString();
  client.reset();
  ExpectBackToBaseline();
}

class ShuffledOrder : public Order {
 protected:
  static constexpr char kSeed[] = "20240229";
  ShuffledOrder() : Order({.arguments = {"--test-shuffle-calls", kSeed}}) {}
};

// Random creations and closings under a few numbers. Whether each is refused depends on everything
// before it, so one call out of order shows.
TEST_F(ShuffledOrder, CarriesOutALongRandomSequenceAsIfNothingHadBeenShuffled) {
  auto client = Connect();
  std::mt19937 random(7);
  std::map<uint64_t, bool> in_use;
  {
    Pipeline pipeline(*client);
    for (int i = 0; i < 6000 && !HasFailure(); ++i) {
      const uint64_t handle = 1 + random() % 5;
      const bool was_in_use = in_use[handle];
      const bool creates = random() % 2 == 0;
      const std::string what = (creates ? "create " : "close ") + std::to_string(handle);
      auto check = [=](const RawCall& call, bool refused, sysmem2::Error error) {
        const auto ack = call.As<sysmem2::Ack>();
        EXPECT_EQ(ack.has_failure(), refused) << "call " << i << ", " << what;
        if (refused) {
          EXPECT_EQ(ack.failure().error(), error);
        }
      };
      if (creates) {
        sysmem2::AllocateSharedCollectionRequest create;
        create.set_token_handle(handle);
        pipeline.Send("Allocator.AllocateSharedCollection", create, [=](const RawCall& call) {
          check(call, was_in_use, sysmem2::ERROR_PROTOCOL_DEVIATION);
        });
        in_use[handle] = true;
      } else {
        sysmem2::CloseHandleRequest close;
        close.set_handle(handle);
        pipeline.Send("Session.CloseHandle", close, [=](const RawCall& call) {
          check(call, !was_in_use, sysmem2::ERROR_NOT_FOUND);
        });
        in_use[handle] = false;
      }
    }
  }
  client.reset();
  ExpectBackToBaseline();
}

TEST_F(ShuffledOrder, ReleaseStaysInFrontOfClose) {
  auto client = Connect();
  EXPECT_TRUE(client->Run({CreateToken(1)}).failures().empty());
  {
    Pipeline pipeline(*client);
    for (uint64_t handle = 2; handle < 1000; ++handle) {
      sysmem2::DuplicateRequest duplicate;
      duplicate.set_handle(1);
      duplicate.set_rights_attenuation_mask(0x80000000);
      duplicate.set_token_handle(handle);
      sysmem2::ReleaseRequest release;
      release.set_handle(handle);
      sysmem2::CloseHandleRequest close;
      close.set_handle(handle);
      pipeline.Send("BufferCollectionToken.Duplicate", duplicate, ExpectDone);
      pipeline.Send("BufferCollectionToken.Release", release, ExpectDone);
      pipeline.Send("Session.CloseHandle", close, ExpectDone);
    }
  }
  EXPECT_TRUE(client->Run({Sync(1)}).failures().empty());
}

// ---- Holes
// -------------------------------------------------------------------------------------------

TEST_F(Order, ANumberThatNeverComesEndsItsSession) {
  auto guilty = Connect();
  guilty->NextNumber();
  RawCall& held = guilty->Send("Session.Ping", sysmem2::PingRequest());
  ExpectGap(*guilty, "call 1 never came");
  ASSERT_TRUE(guilty->Await(held));
  EXPECT_FALSE(held.status().ok()) << "a call behind a hole was carried out";
  guilty.reset();
  ExpectBackToBaseline();
}

TEST_F(Order, ANumberThatComesTwiceEndsItsSession) {
  auto guilty = Connect();
  guilty->Do<sysmem2::Ack>("Session.Ping", sysmem2::PingRequest());
  RawCall& again = guilty->SendAs(1, "Session.Ping", sysmem2::PingRequest());
  ExpectGap(*guilty, "call number 1 came again");
  ASSERT_TRUE(guilty->Await(again));
  EXPECT_FALSE(again.status().ok());
  guilty.reset();
  ExpectBackToBaseline();
}

TEST_F(Order, TwoHeldCallsOfOneNumberEndTheirSession) {
  auto guilty = Connect();
  guilty->SendAs(5, "Session.Ping", sysmem2::PingRequest());
  guilty->SendAs(5, "Session.Ping", sysmem2::PingRequest());
  ExpectGap(*guilty, "5 came again");
  guilty.reset();
  ExpectBackToBaseline();
}

TEST_F(Order, MoreCallsThanAreHeldBehindAHoleEndTheirSession) {
  auto guilty = Connect();
  guilty->NextNumber();
  for (int i = 0; i < 257; ++i) guilty->Send("Session.Ping", sysmem2::PingRequest());
  ExpectGap(*guilty, "256");
  guilty.reset();
  ExpectBackToBaseline();
}

TEST_F(Order, ANumberFarAheadOfAllOthersEndsItsSession) {
  auto guilty = Connect();
  guilty->SendAs(UINT64_MAX, "Session.Ping", sysmem2::PingRequest());
  ExpectGap(*guilty, "");
  guilty.reset();
  ExpectBackToBaseline();
}

TEST_F(Order, ACallThatGrpcRefusesForItsSizeLosesItsNumberAndItsSession) {
  auto guilty = Connect();
  std::string body = "\x09";
  body += std::string("\x01\0\0\0\0\0\0\0", 8);
  body += "\x7a" + std::string((1 << 20) + 1, 'x');
  guilty->NextNumber();
  RawCall& oversized = guilty->SendBytes("Session.Ping", body);
  ASSERT_TRUE(guilty->Await(oversized));
  EXPECT_EQ(oversized.status().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  guilty->Send("Session.Ping", sysmem2::PingRequest());
  ExpectGap(*guilty, "call 1 never came");
  guilty.reset();
  ExpectBackToBaseline();
}

TEST_F(Order, ACallToAMethodNobodyKnowsLosesItsNumberAndItsSession) {
  auto guilty = Connect();
  RawCall& unknown = guilty->Send("Session.Conjure", sysmem2::PingRequest());
  ASSERT_TRUE(guilty->Await(unknown));
  EXPECT_EQ(unknown.status().error_code(), grpc::StatusCode::UNIMPLEMENTED);
  guilty->Send("Session.Ping", sysmem2::PingRequest());
  ExpectGap(*guilty, "call 1 never came");
  guilty.reset();
  ExpectBackToBaseline();
}

TEST_F(Order, ACallWithoutANumberEndsItsSession) {
  for (const std::string& body :
       {std::string(), std::string("\x10\x01"), std::string("\x09\x01\x02"),
        std::string("\x09\0\0\0\0\0\0\0\0", 9)}) {
    auto guilty = Connect();
    RawCall& call = guilty->SendBytes("Session.Ping", body);
    ExpectEnded(*guilty, sysmem2::SESSION_END_REASON_BAD_MESSAGE, "Ping");
    ASSERT_TRUE(guilty->Await(call));
    EXPECT_FALSE(call.status().ok());
    guilty.reset();
    ExpectBackToBaseline();
  }
}

TEST_F(Order, WhatWaitsBehindAHoleIsNotCarriedOutWhenTheSessionEnds) {
  auto guilty = Connect();
  EXPECT_TRUE(guilty->Run({CreateToken(1)}).failures().empty());
  const uint64_t collections = Status().collections();
  guilty->NextNumber();
  sysmem2::AllocateSharedCollectionRequest create;
  create.set_token_handle(2);
  guilty->Send("Allocator.AllocateSharedCollection", create);
  guilty.reset();
  ExpectBackToBaseline();
  EXPECT_LT(Status().collections(), collections);
}

TEST_F(Order, TheReasonOfASessionsEndIsThereForPeopleToo) {
  auto guilty = Connect();
  guilty->Do<sysmem2::Ack>("Session.Ping", sysmem2::PingRequest());
  guilty->SendAs(1, "Session.Ping", sysmem2::PingRequest());
  AwaitEnded(guilty->session_id());
  const Ended shown =
      RunToEnd({.program = ProgramPath("sysmemctl"),
                .arguments = {"--socket", path(), "show", std::to_string(guilty->session_id())},
                .environment = CleanEnvironment(),
                .uid = As(kDaemonUid)});
  EXPECT_EQ(shown.exit_code, 0) << shown.output;
  EXPECT_NE(shown.output.find("sequence gap"), std::string::npos) << shown.output;
  EXPECT_NE(shown.output.find("call number 1 came again"), std::string::npos) << shown.output;
}

// ---- The daemon's own end
// ----------------------------------------------------------------------------

TEST_F(Order, ADaemonThatStopsEndsTheCallsThatWaitAndThoseThatAreHeld) {
  auto client = Connect();
  EXPECT_TRUE(client->Run({CreateToken(1), Duplicate(1, 2), Bind(2, 3), SetConstraints(3)})
                  .failures()
                  .empty());
  sysmem2::WaitForAllBuffersAllocatedRequest wait;
  wait.set_handle(3);
  std::vector<RawCall*> calls;
  for (int i = 0; i < 100; ++i) {
    calls.push_back(&client->Send("BufferCollection.WaitForAllBuffersAllocated", wait));
  }
  EXPECT_TRUE(client->Run({Sync(3)}).failures().empty());  // they are parked
  client->NextNumber();                                    // never comes
  for (int i = 0; i < 100; ++i) {
    calls.push_back(&client->Send("Session.Ping", sysmem2::PingRequest()));
  }
  ASSERT_TRUE(Eventually([&] { return Status().calls_pending() >= calls.size(); }));
  StopDaemon();
  const std::optional<sysmem2::SessionEnded> end = client->AwaitEnd();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->reason(), sysmem2::SESSION_END_REASON_SHUTDOWN) << end->message();
  for (RawCall* call : calls) {
    ASSERT_TRUE(client->Await(*call));
    EXPECT_FALSE(call->status().ok());
  }
}

}  // namespace
}  // namespace sysmem::testing
