// SPDX-License-Identifier: Apache-2.0
//
// Calls that should not have been made: each is refused with its field and rule, uses up its
// number, and hurts at most the node it was sent to.
#include <sys/mman.h>
#include <sys/socket.h>

#include <string>
#include <utility>
#include <vector>

#include "sysmem2/allocator.pb.h"
#include "sysmem2/collection.pb.h"
#include "sysmem2/heap.pb.h"
#include "sysmem2/token.pb.h"
#include "tests/hostile/hostile_fixture.h"

namespace sysmem::testing {
namespace {

using sysmem2::ERROR_NOT_FOUND;
using sysmem2::ERROR_PROTOCOL_DEVIATION;
using sysmem2::OUTCOME_REFUSED;

constexpr size_t kOurLimit = 256 << 10;
constexpr size_t kLimitOfGrpc = 1 << 20;

std::string NumberField(uint64_t number) {
  std::string bytes = "\x09";
  for (int shift = 0; shift < 64; shift += 8) bytes.push_back(static_cast<char>(number >> shift));
  return bytes;
}

class Calls : public HostileTest {
 protected:
  // A call with this body behind its number is refused, and the session goes on as if it had not
  // been.
  void ExpectRefusedInPlace(const std::string& method, const std::string& body,
                            const std::string& says) {
    auto client = Connect();
    const uint64_t root = client->NewHandle();
    EXPECT_TRUE(client->Run({CreateToken(root), Sync(root)}).failures().empty());
    RawCall& call = client->SendBytes(method, NumberField(client->NextNumber()) + body);
    ASSERT_TRUE(client->Await(call));
    ASSERT_TRUE(call.status().ok()) << call.status().error_message();
    const auto ack = call.As<sysmem2::Ack>();
    ExpectFailure(ack.failure(), OUTCOME_REFUSED, ERROR_PROTOCOL_DEVIATION, "");
    EXPECT_NE(ack.failure().message().find(says), std::string::npos) << ack.failure().message();
    EXPECT_TRUE(client->Run({Sync(root)}).failures().empty());
    ExpectServed(*client);
    client.reset();
    ExpectBackToBaseline();
  }

  template <typename Reply, typename Request>
  static sysmem2::Failure Refusal(RawClient& client, const std::string& method,
                                  const Request& request) {
    return client.Do<Reply>(method, request).failure();
  }
};

// ---- Bodies
// ----------------------------------------------------------------------------------------

TEST_F(Calls, RefuseABodyThatCannotBeParsed) {
  ExpectRefusedInPlace("BufferCollectionToken.Duplicate", "\xff\xff\xff\xff\xff", "parse");
  ExpectRefusedInPlace("BufferCollection.SetConstraints", "\x1a\x7fzz", "parse");
  ExpectRefusedInPlace("Allocator.GetVmoInfo", "\x0b", "parse");
}

TEST_F(Calls, RefuseTextThatIsNoUtf8) {
  // SetName: field 4, two bytes that are no character.
  ExpectRefusedInPlace("BufferCollection.SetName", std::string("\x22\x02\xc3\x28"), "parse");
}

TEST_F(Calls, RefuseABodyAboveOurLimitAndBelowThatOfGrpc) {
  const std::string filler(kOurLimit, 'x');
  ExpectRefusedInPlace("Session.Ping", "\x7a" + filler, "262144");
  ExpectRefusedInPlace("Session.Import", std::string(kLimitOfGrpc - 64, '\0'), "262144");
}

TEST_F(Calls, TakeABodyRightAtOurLimit) {
  auto client = Connect();
  // An unknown field that fills the body to the last byte: number 9, tag 1, length 3.
  const size_t filler = kOurLimit - 13;
  std::string body = NumberField(client->NextNumber()) + "\x7a";
  for (size_t rest = filler; rest > 0; rest >>= 7) {
    body.push_back(static_cast<char>((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0)));
  }
  body += std::string(filler, 'x');
  ASSERT_EQ(body.size(), kOurLimit);
  RawCall& call = client->SendBytes("Session.Ping", body);
  ASSERT_TRUE(client->Await(call));
  EXPECT_TRUE(call.As<sysmem2::Ack>().has_result());
}

TEST_F(Calls, RefuseABatchWithATwoWayCallInItsMiddle) {
  auto client = Connect();
  const sysmem2::RunReply reply = client->Run({CreateToken(1), Sync(1), Duplicate(1, 2)});
  ExpectFailure(reply.failure(), OUTCOME_REFUSED, ERROR_PROTOCOL_DEVIATION, "operations[1]");
  // Nothing of it was carried out.
  EXPECT_TRUE(client->Run({CreateToken(1), Sync(1)}).failures().empty());
}

TEST_F(Calls, RefuseABatchOfTooManyOperations) {
  auto client = Connect();
  sysmem2::RunRequest request;
  for (int i = 0; i < 4097; ++i) request.add_operations()->mutable_ping();
  const auto reply = client->Do<sysmem2::RunReply>("Session.Run", request);
  EXPECT_EQ(reply.failure().outcome(), OUTCOME_REFUSED);
  EXPECT_NE(reply.failure().message().find("4096"), std::string::npos) << reply.failure().message();
  ExpectServed(*client);
}

TEST_F(Calls, AnswerAnOperationOfTheFutureWithUnimplemented) {
  auto client = Connect();
  sysmem2::Operation unknown;
  const sysmem2::RunReply reply = client->Run({unknown, CreateToken(1), Sync(1)});
  ASSERT_EQ(reply.failures_size(), 1) << reply.ShortDebugString();
  EXPECT_EQ(reply.failures(0).index(), 0u);
  EXPECT_EQ(reply.failures(0).failure().outcome(), sysmem2::OUTCOME_UNIMPLEMENTED);
  EXPECT_TRUE(reply.last().has_sync());
}

// ---- Cancelled calls
// ---------------------------------------------------------------------------------

TEST_F(Calls, UseUpTheNumberOfACancelledCallAndGoOn) {
  auto client = Connect();
  EXPECT_TRUE(client->Run({CreateToken(1), Duplicate(1, 2), Bind(2, 3), SetConstraints(3)})
                  .failures()
                  .empty());
  for (int i = 0; i < 20; ++i) {
    sysmem2::WaitForAllBuffersAllocatedRequest wait;
    wait.set_handle(3);
    RawCall& call = client->Send("BufferCollection.WaitForAllBuffersAllocated", wait);
    EXPECT_TRUE(client->Run({Sync(3)}).failures().empty());  // the wait is parked now
    call.Cancel();
    ASSERT_TRUE(client->Await(call));
    EXPECT_EQ(call.status().error_code(), grpc::StatusCode::CANCELLED);
  }
  // The collection is unharmed, and allocates for those who still want it.
  const sysmem2::RunReply reply = client->Run({Bind(1, 4), SetConstraints(4), Wait(3)});
  EXPECT_TRUE(reply.failures().empty()) << reply.ShortDebugString();
  EXPECT_EQ(reply.last().wait_for_all_buffers_allocated().buffer_collection_info().buffers_size(),
            2);
  client.reset();
  ExpectBackToBaseline();
}

TEST_F(Calls, GoOnAfterACallThatIsCancelledBeforeItsTurn) {
  auto client = Connect();
  // Held: its number is not due yet.
  const uint64_t first = client->NextNumber();
  RawCall& held = client->Send("Session.Ping", sysmem2::PingRequest());
  held.Cancel();
  ASSERT_TRUE(client->Await(held));
  RawCall& due = client->SendAs(first, "Session.Ping", sysmem2::PingRequest());
  ASSERT_TRUE(client->Await(due));
  // How much of the cancelled one arrived is gRPC's affair. Without its body it bears no number,
  // and that ends its session, and nobody else's.
  if (!due.status().ok()) {
    const sysmem2::SessionInfo ended = AwaitEnded(client->session_id());
    EXPECT_EQ(ended.ended().reason(), sysmem2::SESSION_END_REASON_BAD_MESSAGE);
  }
  client.reset();
  ExpectBackToBaseline();
}

// ---- Handles
// -----------------------------------------------------------------------------------------

TEST_F(Calls, RefuseAHandleThatWasNeverMade) {
  auto client = Connect();
  for (const sysmem2::Operation& operation :
       {Sync(77), Release(77), Close(77), SetConstraints(77), Wait(77), Duplicate(77, 78)}) {
    const sysmem2::RunReply reply = client->Run({operation});
    ASSERT_EQ(reply.failures_size(), 1) << operation.ShortDebugString();
    ExpectFailure(reply.failures(0).failure(), OUTCOME_REFUSED, ERROR_NOT_FOUND, "handle");
  }
  const sysmem2::RunReply bind = client->Run({Bind(77, 78)});
  ASSERT_EQ(bind.failures_size(), 1);
  ExpectFailure(bind.failures(0).failure(), OUTCOME_REFUSED, ERROR_NOT_FOUND, "token_handle");
  ExpectServed(*client);
}

TEST_F(Calls, RefuseTheHandleOfSomebodyElse) {
  auto owner = Connect(kOtherClientUid);
  EXPECT_TRUE(owner->Run({CreateToken(5000)}).failures().empty());
  auto thief = Connect();
  const sysmem2::RunReply reply = thief->Run({Close(5000)});
  ASSERT_EQ(reply.failures_size(), 1);
  ExpectFailure(reply.failures(0).failure(), OUTCOME_REFUSED, ERROR_NOT_FOUND, "handle");
  EXPECT_TRUE(owner->Run({Sync(5000)}).failures().empty());
}

TEST_F(Calls, RefuseAHandleThatIsClosed) {
  auto client = Connect();
  EXPECT_TRUE(client->Run({CreateToken(1), Release(1), Close(1)}).failures().empty());
  const sysmem2::RunReply reply = client->Run({Sync(1)});
  ASSERT_EQ(reply.failures_size(), 1);
  ExpectFailure(reply.failures(0).failure(), OUTCOME_REFUSED, ERROR_NOT_FOUND, "handle");
}

TEST_F(Calls, RefuseANumberInUseAndMakeNoNode) {
  auto client = Connect();
  EXPECT_TRUE(client->Run({CreateToken(1), Duplicate(1, 2)}).failures().empty());
  const uint64_t nodes = Status().nodes();
  for (const auto& [operation, field] :
       {std::pair(CreateToken(2), "token_handle"), std::pair(CreateAlone(2), "collection_handle"),
        std::pair(Duplicate(1, 2), "token_handle"), std::pair(Duplicate(1, 1), "token_handle"),
        std::pair(Duplicate(1, 0), "token_handle"), std::pair(Bind(1, 2), "collection_handle")}) {
    const sysmem2::RunReply reply = client->Run({operation});
    ASSERT_EQ(reply.failures_size(), 1) << operation.ShortDebugString();
    ExpectFailure(reply.failures(0).failure(), OUTCOME_REFUSED, ERROR_PROTOCOL_DEVIATION, field);
  }
  EXPECT_EQ(Status().nodes(), nodes);
  EXPECT_TRUE(client->Run({Sync(1)}).failures().empty());
  EXPECT_TRUE(client->Run({Sync(2)}).failures().empty());
}

TEST_F(Calls, RefuseAHandleOfAnotherKindAndHarmNobody) {
  auto client = Connect();
  EXPECT_TRUE(client->Run({CreateToken(1), Duplicate(1, 2), Bind(2, 3), SetConstraints(3)})
                  .failures()
                  .empty());
  for (const sysmem2::Operation& operation : {SetConstraints(1), Wait(1), Duplicate(3, 9)}) {
    const sysmem2::RunReply reply = client->Run({operation});
    ASSERT_EQ(reply.failures_size(), 1) << operation.ShortDebugString();
    ExpectFailure(reply.failures(0).failure(), OUTCOME_REFUSED, ERROR_PROTOCOL_DEVIATION, "handle");
  }
  const sysmem2::RunReply bind = client->Run({Bind(3, 9)});
  ASSERT_EQ(bind.failures_size(), 1);
  EXPECT_EQ(bind.failures(0).failure().outcome(), OUTCOME_REFUSED);
  EXPECT_EQ(bind.failures(0).failure().field(), "token_handle");
  // The same through the service of another kind.
  sysmem2::SyncRequest sync;
  sync.set_handle(1);
  ExpectFailure(Refusal<sysmem2::SyncReply>(*client, "BufferCollection.Sync", sync),
                OUTCOME_REFUSED, ERROR_PROTOCOL_DEVIATION, "handle");
  const sysmem2::RunReply reply = client->Run({Bind(1, 4), SetConstraints(4), Wait(3)});
  EXPECT_TRUE(reply.failures().empty()) << reply.ShortDebugString();
}

// ---- Required fields
// ---------------------------------------------------------------------------------

TEST_F(Calls, NameARequiredFieldThatIsMissingAndHarmNobodyWhereNoNodeIsMeant) {
  auto client = Connect();
  EXPECT_TRUE(client->Run({CreateToken(1)}).failures().empty());
  auto expect_missing = [&](const sysmem2::Failure& failure, const std::string& field) {
    SCOPED_TRACE(failure.ShortDebugString() + " of " + field);
    ExpectFailure(failure, OUTCOME_REFUSED, ERROR_PROTOCOL_DEVIATION, field);
  };
  using namespace sysmem2;  // NOLINT(google-build-using-namespace): names of the wire
  expect_missing(Refusal<SyncReply>(*client, "BufferCollectionToken.Sync", SyncRequest()),
                 "handle");
  expect_missing(Refusal<CreateReply>(*client, "Allocator.AllocateSharedCollection",
                                      AllocateSharedCollectionRequest()),
                 "token_handle");
  expect_missing(Refusal<CreateReply>(*client, "Allocator.AllocateNonSharedCollection",
                                      AllocateNonSharedCollectionRequest()),
                 "collection_handle");
  BindSharedCollectionRequest bind;
  bind.set_token_handle(1);
  expect_missing(Refusal<CreateReply>(*client, "Allocator.BindSharedCollection", bind),
                 "collection_handle");
  expect_missing(Refusal<Ack>(*client, "Session.CloseHandle", CloseHandleRequest()), "handle");
  expect_missing(Refusal<ExportReply>(*client, "Session.Export", ExportRequest()), "handle");
  expect_missing(Refusal<Ack>(*client, "Session.CancelWait", CancelWaitRequest()), "wait_number");
  AllocatorSetDebugClientInfoRequest info;
  expect_missing(Refusal<Ack>(*client, "Allocator.SetDebugClientInfo", info), "name");
  DuplicateRequest duplicate;
  duplicate.set_handle(1);
  duplicate.set_rights_attenuation_mask(0x80000000);
  expect_missing(Refusal<CreateReply>(*client, "BufferCollectionToken.Duplicate", duplicate),
                 "token_handle");
  EXPECT_TRUE(client->Run({Sync(1)}).failures().empty());
}

TEST_F(Calls, FailTheNodeThatARequiredFieldIsMissingFor) {
  struct Case {
    std::string field;
    sysmem2::Operation operation;
  };
  std::vector<Case> cases(4);
  cases[0].field = "name";
  cases[0].operation.mutable_set_name()->set_handle(2);
  cases[0].operation.mutable_set_name()->set_priority(1);
  cases[1].field = "priority";
  cases[1].operation.mutable_set_name()->set_handle(2);
  cases[1].operation.mutable_set_name()->set_name("x");
  cases[2].field = "rights_attenuation_mask";
  cases[2].operation.mutable_duplicate()->set_handle(2);
  cases[2].operation.mutable_duplicate()->set_token_handle(9);
  cases[3].field = "deadline";
  cases[3].operation.mutable_set_debug_timeout_log_deadline()->set_handle(2);
  for (const Case& each : cases) {
    auto client = Connect();
    EXPECT_TRUE(client->Run({CreateToken(1), Duplicate(1, 2)}).failures().empty());
    const sysmem2::RunReply reply = client->Run({each.operation});
    ASSERT_EQ(reply.failures_size(), 1) << each.operation.ShortDebugString();
    ExpectFailure(reply.failures(0).failure(), OUTCOME_REFUSED, ERROR_PROTOCOL_DEVIATION,
                  each.field);
    // The failure domain is told, and only that.
    const uint64_t first = client->AwaitNodeClosed();
    const uint64_t second = client->AwaitNodeClosed();
    EXPECT_EQ(first + second, 3u) << "closed: " << first << " and " << second;
    ExpectServed(*client);
    client.reset();
    ExpectBackToBaseline();
  }
}

TEST_F(Calls, FailTheNodeOfTextThatIsTooLong) {
  auto client = Connect();
  EXPECT_TRUE(client->Run({CreateToken(1)}).failures().empty());
  sysmem2::Operation set_name;
  set_name.mutable_set_name()->set_handle(1);
  set_name.mutable_set_name()->set_priority(1);
  set_name.mutable_set_name()->set_name(std::string(65, 'x'));
  const sysmem2::RunReply reply = client->Run({set_name});
  ASSERT_EQ(reply.failures_size(), 1);
  ExpectFailure(reply.failures(0).failure(), OUTCOME_REFUSED, ERROR_PROTOCOL_DEVIATION, "name");
  EXPECT_EQ(client->AwaitNodeClosed(), 1u);
}

// Case CON-5, rule MSG-5
TEST_F(Calls, FailTheNodeOfTooManyImageFormats) {
  auto client = Connect();
  sysmem2::Operation set = SetConstraints(1);
  for (int i = 0; i < 65; ++i) {
    auto* entry =
        set.mutable_set_constraints()->mutable_constraints()->add_image_format_constraints();
    entry->add_color_spaces(sysmem2::COLOR_SPACE_REC709);
  }
  const sysmem2::RunReply reply = client->Run({CreateAlone(1), set, Wait(1)});
  ASSERT_EQ(reply.failures_size(), 2) << reply.ShortDebugString();
  ExpectFailure(reply.failures(0).failure(), OUTCOME_REFUSED, ERROR_PROTOCOL_DEVIATION,
                "constraints.image_format_constraints");
  EXPECT_EQ(reply.failures(1).failure().outcome(), sysmem2::OUTCOME_CLOSED);
  ExpectServed(*client);
}

// ---- Descriptors named by calls
// ------------------------------------------------------------------------

TEST_F(Calls, RefuseADescriptorNumberNeverSentOrUsedUp) {
  auto client = Connect();
  sysmem2::ImportRequest import;
  import.set_descriptor_number(5);
  import.set_handle(1);
  ExpectFailure(Refusal<sysmem2::Ack>(*client, "Session.Import", import), OUTCOME_REFUSED,
                ERROR_NOT_FOUND, "descriptor_number");
  const uint64_t pipe = client->Push(AnyPipe());
  import.set_descriptor_number(pipe);
  for (int i = 0; i < 2; ++i) {  // a pipe is no node, and afterwards it is used up
    ExpectFailure(Refusal<sysmem2::Ack>(*client, "Session.Import", import), OUTCOME_REFUSED,
                  ERROR_NOT_FOUND, "descriptor_number");
  }
  ExpectServed(*client);
  client.reset();
  ExpectBackToBaseline();
}

TEST_F(Calls, RefuseToBindWhatIsNoTokenAndHarmNobody) {  // CONV-3
  auto client = Connect();
  int pair[2] = {-1, -1};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const base::UniqueFd other_end(pair[1]);
  std::vector<base::UniqueFd> candidates;
  candidates.emplace_back(pair[0]);
  candidates.push_back(AnyPipe());
  candidates.emplace_back(::memfd_create("x", MFD_CLOEXEC));
  candidates.push_back(ConnectSilently(path(), As(kClientUid)));
  for (base::UniqueFd& candidate : candidates) {
    const uint64_t number = client->Push(std::move(candidate));
    const uint64_t handle = client->NewHandle();
    const sysmem2::RunReply reply =
        client->Run({BindDescriptor(number, handle), SetConstraints(handle), Wait(handle)});
    ASSERT_EQ(reply.failures_size(), 3) << reply.ShortDebugString();
    ExpectFailure(reply.failures(0).failure(), OUTCOME_REFUSED, ERROR_NOT_FOUND,
                  "token_descriptor");
    // What was sent behind it finds the collection closed, as the handle is.
    EXPECT_EQ(reply.failures(1).failure().outcome(), sysmem2::OUTCOME_CLOSED);
    EXPECT_EQ(reply.failures(2).failure().outcome(), sysmem2::OUTCOME_CLOSED);
    EXPECT_EQ(client->AwaitNodeClosed(), handle);
  }
  ExpectServed(*client);
  client.reset();
  ExpectBackToBaseline();
}

TEST_F(Calls, LetASecondImportOfACopyHarmNobody) {
  auto owner = Connect(kOtherClientUid);
  EXPECT_TRUE(owner->Run({CreateToken(1), Duplicate(1, 2)}).failures().empty());
  sysmem2::ExportRequest request;
  request.set_handle(2);
  const auto exported = owner->Do<sysmem2::ExportReply>("Session.Export", request);
  const base::UniqueFd token = owner->Take(exported.result().descriptor_number());
  auto first = Connect();
  auto second = Connect();
  const uint64_t number = first->Push(base::Dup(token));
  const uint64_t copy = second->Push(base::Dup(token));
  EXPECT_TRUE(first->Run({BindDescriptor(number, 1), SetConstraints(1)}).failures().empty());
  const sysmem2::RunReply refused = second->Run({BindDescriptor(copy, 1)});
  ASSERT_EQ(refused.failures_size(), 1);
  ExpectFailure(refused.failures(0).failure(), OUTCOME_REFUSED, ERROR_NOT_FOUND,
                "token_descriptor");
  const sysmem2::RunReply reply = owner->Run({Bind(1, 3), SetConstraints(3), Wait(3)});
  EXPECT_TRUE(reply.failures().empty()) << reply.ShortDebugString();
}

TEST_F(Calls, RefuseToImportAsWhatItIsNotAndLetItTravelOn) {
  auto owner = Connect();
  EXPECT_TRUE(owner->Run({CreateToken(1)}).failures().empty());
  sysmem2::ExportRequest request;
  request.set_handle(1);
  const auto exported = owner->Do<sysmem2::ExportReply>("Session.Export", request);
  const base::UniqueFd token = owner->Take(exported.result().descriptor_number());
  sysmem2::ImportRequest import;
  import.set_handle(7);
  import.set_expected_kind(sysmem2::NODE_KIND_COLLECTION);
  import.set_descriptor_number(owner->Push(base::Dup(token)));
  const auto refused = Refusal<sysmem2::Ack>(*owner, "Session.Import", import);
  EXPECT_EQ(refused.outcome(), OUTCOME_REFUSED);
  EXPECT_EQ(refused.error(), ERROR_PROTOCOL_DEVIATION);
  import.set_expected_kind(sysmem2::NODE_KIND_TOKEN);
  import.set_descriptor_number(owner->Push(base::Dup(token)));
  EXPECT_TRUE(owner->Do<sysmem2::Ack>("Session.Import", import).has_result());
  EXPECT_TRUE(owner->Run({Sync(7)}).failures().empty());
}

}  // namespace
}  // namespace sysmem::testing
