// SPDX-License-Identifier: Apache-2.0
#include "tests/hostile/hostile_fixture.h"

#include <fcntl.h>
#include <unistd.h>

#include "tests/support/eventually.h"
#include "tests/support/sanitizers.h"

namespace sysmem::testing {
namespace {

constexpr uint32_t kSameRights = 0x80000000;
constexpr uint32_t kCpuReadWrite = sysmem2::CPU_USAGE_READ | sysmem2::CPU_USAGE_WRITE;

}  // namespace

sysmem2::Operation CreateToken(uint64_t handle) {
  sysmem2::Operation operation;
  operation.mutable_allocate_shared_collection()->set_token_handle(handle);
  return operation;
}
sysmem2::Operation CreateAlone(uint64_t handle) {
  sysmem2::Operation operation;
  operation.mutable_allocate_non_shared_collection()->set_collection_handle(handle);
  return operation;
}
sysmem2::Operation Duplicate(uint64_t handle, uint64_t child) {
  sysmem2::Operation operation;
  operation.mutable_duplicate()->set_handle(handle);
  operation.mutable_duplicate()->set_rights_attenuation_mask(kSameRights);
  operation.mutable_duplicate()->set_token_handle(child);
  return operation;
}
sysmem2::Operation Bind(uint64_t token, uint64_t collection) {
  sysmem2::Operation operation;
  operation.mutable_bind_shared_collection()->set_token_handle(token);
  operation.mutable_bind_shared_collection()->set_collection_handle(collection);
  return operation;
}
sysmem2::Operation BindDescriptor(uint64_t descriptor_number, uint64_t collection) {
  sysmem2::Operation operation;
  operation.mutable_bind_shared_collection()->set_token_descriptor(descriptor_number);
  operation.mutable_bind_shared_collection()->set_collection_handle(collection);
  return operation;
}
sysmem2::BufferCollectionConstraints CpuConstraints(uint32_t count) {
  sysmem2::BufferCollectionConstraints constraints;
  constraints.mutable_usage()->set_cpu(kCpuReadWrite);
  constraints.set_min_buffer_count_for_camping(count);
  constraints.mutable_buffer_memory_constraints()->set_min_size_bytes(4096);
  return constraints;
}
sysmem2::Operation SetConstraints(uint64_t handle, uint32_t count) {
  sysmem2::Operation operation;
  operation.mutable_set_constraints()->set_handle(handle);
  *operation.mutable_set_constraints()->mutable_constraints() = CpuConstraints(count);
  return operation;
}
sysmem2::Operation Wait(uint64_t handle) {
  sysmem2::Operation operation;
  operation.mutable_wait_for_all_buffers_allocated()->set_handle(handle);
  return operation;
}
sysmem2::Operation Sync(uint64_t handle) {
  sysmem2::Operation operation;
  operation.mutable_sync()->set_handle(handle);
  return operation;
}
sysmem2::Operation Release(uint64_t handle) {
  sysmem2::Operation operation;
  operation.mutable_release()->set_handle(handle);
  return operation;
}
sysmem2::Operation Close(uint64_t handle) {
  sysmem2::Operation operation;
  operation.mutable_close_handle()->set_handle(handle);
  return operation;
}

base::UniqueFd AnyPipe() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ::close(ends[1]);
  return base::UniqueFd(ends[0]);
}

void ExpectFailure(const sysmem2::Failure& failure, sysmem2::Outcome outcome, sysmem2::Error error,
                   const std::string& field) {
  EXPECT_EQ(failure.outcome(), outcome) << failure.ShortDebugString();
  EXPECT_EQ(failure.error(), error) << failure.ShortDebugString();
  EXPECT_EQ(failure.field(), field) << failure.ShortDebugString();
  EXPECT_FALSE(failure.message().empty());
}

void HostileTest::SetUp() {
  ASSERT_TRUE(daemon_.ready());
  inspector_ = std::make_unique<RawClient>(path(), As(kDaemonUid));
  bystander_ = std::make_unique<RawClient>(path(), As(kOtherClientUid));
  ASSERT_TRUE(inspector_->open() && bystander_->open());
  // A first life, so that what the daemon makes on first use is there before anybody counts.
  ExpectServed(*Connect());
  ExpectServed(*bystander_);
  // A collection under way: one participant waits for another.
  bystander_root_ = bystander_->NewHandle();
  const uint64_t child = bystander_->NewHandle();
  bystander_collection_ = bystander_->NewHandle();
  const sysmem2::RunReply reply =
      bystander_->Run({CreateToken(bystander_root_), Duplicate(bystander_root_, child),
                       Bind(child, bystander_collection_), SetConstraints(bystander_collection_)});
  ASSERT_TRUE(reply.failures().empty()) << reply.ShortDebugString();
  TakeBaseline();
}

void HostileTest::TakeBaseline() {
  // Descriptors close a moment after their session is gone.
  ASSERT_TRUE(Eventually([&] {
    const Figures before = std::exchange(baseline_, Take());
    return before == baseline_ && baseline_.sessions == 2 && baseline_.nodes == 2 &&
           baseline_.live_buffers == 0;
  }));
  resident_baseline_ = daemon_.process().ResidentBytes();
}

void HostileTest::TearDown() {
  if (!bystander_ || HasFatalFailure()) return;
  ExpectBystanderUnharmed();
}

std::unique_ptr<RawClient> HostileTest::Connect(uid_t uid) {
  auto client = std::make_unique<RawClient>(path(), As(uid));
  EXPECT_TRUE(client->open()) << "no session: "
                              << (client->refusal() ? client->refusal()->message() : "");
  return client;
}

void HostileTest::ExpectServed(RawClient& client) {
  const uint64_t handle = client.NewHandle();
  const sysmem2::RunReply reply =
      client.Run({CreateAlone(handle), SetConstraints(handle), Wait(handle)});
  ASSERT_TRUE(reply.failures().empty()) << reply.ShortDebugString();
  const auto& info = reply.last().wait_for_all_buffers_allocated().buffer_collection_info();
  ASSERT_EQ(info.buffers_size(), 1);
  EXPECT_TRUE(client.Take(info.buffers(0).vmo()));
  EXPECT_TRUE(client.Run({Release(handle), Close(handle)}).failures().empty());
}

void HostileTest::ExpectBystanderUnharmed() {
  const uint64_t collection = bystander_->NewHandle();
  const sysmem2::RunReply reply = bystander_->Run(
      {Bind(bystander_root_, collection), SetConstraints(collection), Wait(bystander_collection_)});
  EXPECT_TRUE(reply.failures().empty()) << reply.ShortDebugString();
  const auto& info = reply.last().wait_for_all_buffers_allocated().buffer_collection_info();
  EXPECT_EQ(info.buffers_size(), 2);
  ExpectServed(*bystander_);
}

void HostileTest::StopDaemon() {
  daemon_.Stop();
  bystander_.reset();
}

sysmem2::GetStatusResult HostileTest::Status() {
  return inspector_->Do<sysmem2::GetStatusReply>("Inspect.GetStatus", sysmem2::GetStatusRequest())
      .result();
}

Figures HostileTest::Take() {
  const sysmem2::GetStatusResult status = Status();
  // Descriptors open for what nobody has asked for yet come and go by themselves.
  uint64_t spare = 0;
  for (const sysmem2::Limit& limit : status.limits()) {
    if (limit.name() == "spare_descriptors") spare = limit.used();
  }
  return {.sessions = status.sessions(),
          .collections = status.collections(),
          .nodes = status.nodes(),
          .exported_nodes = status.exported_nodes(),
          .live_buffers = status.live_buffers(),
          .live_bytes = status.live_bytes(),
          .descriptors = daemon_.process().DescriptorCount() - spare};
}

sysmem2::SessionInfo HostileTest::AwaitEnded(uint64_t session_id) {
  sysmem2::ListSessionsRequest request;
  request.set_session_id(session_id);
  sysmem2::SessionInfo session;
  EXPECT_TRUE(Eventually([&] {
    const auto reply = inspector_->Do<sysmem2::ListSessionsReply>("Inspect.ListSessions", request);
    if (reply.result().sessions_size() != 1) return false;
    session = reply.result().sessions(0);
    return !session.open() && session.has_ended();
  })) << "the inspector does not show the end of session "
      << session_id;
  return session;
}

void HostileTest::ExpectEnded(RawClient& guilty, sysmem2::SessionEndReason reason,
                              const std::string& says) {
  const std::optional<sysmem2::SessionEnded> told = guilty.AwaitEnd();
  ASSERT_TRUE(told.has_value()) << "hung up without a reason";
  EXPECT_EQ(told->reason(), reason) << told->message();
  EXPECT_NE(told->message().find(says), std::string::npos) << told->message();
  const sysmem2::SessionInfo shown = AwaitEnded(guilty.session_id());
  EXPECT_EQ(shown.ended().reason(), reason);
  EXPECT_EQ(shown.ended().message(), told->message());
}

void HostileTest::ExpectBackToBaseline() {
  Figures now;
  EXPECT_TRUE(Eventually([&] { return (now = Take()).IsBackTo(baseline_); }))
      << "now:      " << now << "\nbaseline: " << baseline_;
  EXPECT_LT(daemon_.process().ResidentBytes(), resident_baseline_ + kResidentTolerance);
}

}  // namespace sysmem::testing
