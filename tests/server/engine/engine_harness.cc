// SPDX-License-Identifier: Apache-2.0
#include "tests/server/engine/engine_harness.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "base/unix_socket.h"
#include "heaps/memfd_heap.h"

namespace sysmem::server {

template <typename Op>
AnyOperation::AnyOperation(Op operation)
    : operation_(std::make_unique<Operation>(std::move(operation))) {}
AnyOperation::AnyOperation(const AnyOperation& other)
    : operation_(std::make_unique<Operation>(other.value())) {}
AnyOperation::AnyOperation(AnyOperation&& other) noexcept = default;
AnyOperation& AnyOperation::operator=(const AnyOperation& other) {
  *this = AnyOperation(other);
  return *this;
}
AnyOperation& AnyOperation::operator=(AnyOperation&& other) noexcept = default;
AnyOperation::~AnyOperation() = default;

// ---- TestPort ----------------------------------------------------------------------------------

TestPort::TestPort() = default;
TestPort::~TestPort() = default;
void TestPort::Finish(Reply reply) { Set(std::move(reply), {}); }
void TestPort::Abort(const std::string& reason) { Set({}, reason); }

bool TestPort::Wait(std::chrono::nanoseconds patience) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] { return answers_ > 0; });
}

bool TestPort::answered() {
  std::lock_guard lock(mutex_);
  return answers_ > 0;
}

int TestPort::answers() {
  std::lock_guard lock(mutex_);
  return answers_;
}

void TestPort::Set(Reply reply, std::string reason) {
  std::array<char, 16> thread{};
  ::pthread_getname_np(::pthread_self(), thread.data(), thread.size());
  std::lock_guard lock(mutex_);
  answered_by_ = thread.data();
  reply_ = std::move(reply);
  abort_reason_ = std::move(reason);
  ++answers_;
  changed_.notify_all();
}

// ---- TestEngine --------------------------------------------------------------------------------

TestEngine::TestEngine(EngineLimits limits, const std::function<Heap(Heap)>& dress,
                       LastCloseOptions last_close, std::set<uid_t> heap_providers,
                       const std::function<void(EngineOptions&)>& change) {
  auto loop = EventLoop::Create();
  EXPECT_TRUE(loop.ok()) << loop.status();
  loop_ = std::move(*loop);
  EngineOptions options;
  options.limits = limits;
  options.last_close = std::move(last_close);
  options.version = "test";
  options.heaps.push_back(dress(std::make_shared<heaps::MemfdHeap>(gate_)));
  options.gate = &gate_;
  options.heap_providers = std::move(heap_providers);
  options.encode_session_end = [](const SessionEnd& end) {
    return std::string(EndReasonName(end.reason));
  };
  options.log = [this](const LogLine& line) {
    if (on_log_) on_log_(line.text);
    std::lock_guard lock(log_mutex_);
    log_.push_back(line.text);
    lines_.push_back({line.level, line.fields, line.continues});
    return !lets_through_ || lets_through_(line);
  };
  change(options);
  engine_ = std::make_unique<Engine>(std::move(options), *loop_);
  thread_ = std::thread([this] { loop_->Run(); });
}

TestEngine::~TestEngine() {
  engine_->Shutdown();
  loop_->Stop();
  thread_.join();
  engine_.reset();
}

std::vector<TestEngine::Line> TestEngine::LinesWith(const std::string& part) {
  std::lock_guard lock(log_mutex_);
  std::vector<Line> lines;
  for (size_t i = 0; i < log_.size(); ++i) {
    if (log_[i].find(part) != std::string::npos) lines.push_back(lines_[i]);
  }
  return lines;
}

std::vector<std::string> TestEngine::Logged(const std::string& part) {
  std::lock_guard lock(log_mutex_);
  std::vector<std::string> lines;
  for (const std::string& line : log_) {
    if (line.find(part) != std::string::npos) lines.push_back(line);
  }
  return lines;
}

// ---- TestClient --------------------------------------------------------------------------------

TestClient::TestClient(TestEngine& engine, uid_t uid) {
  auto channel = base::SocketPair(SOCK_SEQPACKET);
  auto wire = base::SocketPair(SOCK_STREAM);
  EXPECT_TRUE(channel.ok() && wire.ok());
  channel_ = std::move(channel->first);
  wire_ = std::move(wire->first);
  PeerInfo peer;
  peer.pid = ::getpid();
  peer.uid = uid;
  session_ = engine.engine().OpenSession(peer, std::move(channel->second), std::move(wire->second),
                                         &refusal_);
}

TestClient::~TestClient() {
  if (channel_) channel_.reset();
}

std::shared_ptr<TestPort> TestClient::Send(std::initializer_list<AnyOperation> operations) {
  return SendAs(++last_number_, operations);
}

std::shared_ptr<TestPort> TestClient::SendAs(uint64_t number,
                                             std::initializer_list<AnyOperation> operations) {
  std::vector<Operation> values;
  for (const AnyOperation& operation : operations) values.push_back(operation.value());
  return SendAs(number, std::move(values));
}

std::shared_ptr<TestPort> TestClient::SendAs(uint64_t number, std::vector<Operation> operations) {
  auto port = std::make_shared<TestPort>();
  session_->Submit(Request{number, std::move(operations)}, port);
  return port;
}

const OperationResult& TestClient::Do(const AnyOperation& operation) {
  auto port = Send({operation});
  if (!port->Wait()) {
    ADD_FAILURE() << "no answer";
    return results_.emplace_back(core::Nothing{});
  }
  if (!port->abort_reason().empty()) {
    core::Failure aborted;
    aborted.rule = "ABORTED";
    aborted.message = port->abort_reason();
    return results_.emplace_back(std::move(aborted));
  }
  return results_.emplace_back(port->reply().results.at(0));
}

DescriptorNumber TestClient::Push(std::vector<base::UniqueFd> fds) {
  const DescriptorNumber first = last_pushed_ + 1;
  last_pushed_ += fds.size();
  auto sent = base::SendHandleMessage(channel_, base::DescriptorsMessage(first, std::move(fds)));
  EXPECT_TRUE(sent.ok() && *sent == base::SendOutcome::kSent);
  return first;
}

DescriptorNumber TestClient::Push(base::UniqueFd fd) {
  std::vector<base::UniqueFd> fds;
  fds.push_back(std::move(fd));
  return Push(std::move(fds));
}

std::optional<base::HandleMessage> TestClient::Read() {
  auto readable = base::WaitReadable(channel_, kPatience);
  EXPECT_TRUE(readable.ok() && *readable) << "nothing came";
  auto received = base::ReceiveHandleMessage(channel_, base::HandleMessageSender::kDaemon);
  if (!received.ok() || received->outcome != base::ReceiveOutcome::kMessage) return std::nullopt;
  return std::move(received->message);
}

void TestClient::ReadIfAny() {
  auto received = base::ReceiveHandleMessage(channel_, base::HandleMessageSender::kDaemon);
  EXPECT_TRUE(received.ok()) << received.status();
}

base::UniqueFd TestClient::Take(DescriptorNumber number) {
  while (!received_.contains(number)) {
    auto message = Read();
    if (!message) return {};
    if (message->kind == base::HandleMessageKind::kNodeClosed) {
      closed_.push_back(std::move(*message));
      continue;
    }
    for (size_t i = 0; i < message->descriptors.size(); ++i) {
      received_[message->first + i] = std::move(message->descriptors[i]);
    }
  }
  return std::move(received_[number]);
}

std::optional<base::HandleMessage> TestClient::NextClosed() {
  if (!closed_.empty()) {
    auto message = std::move(closed_.front());
    closed_.pop_front();
    return message;
  }
  while (auto message = Read()) {
    if (message->kind == base::HandleMessageKind::kNodeClosed) return message;
    for (size_t i = 0; i < message->descriptors.size(); ++i) {
      received_[message->first + i] = std::move(message->descriptors[i]);
    }
  }
  return std::nullopt;
}

// ---- Operations, in the words of the tests -----------------------------------------------------

template <typename Event>
AnyOperation Message(Handle handle, Event event, std::optional<DescriptorNumber> descriptor,
                     std::optional<core::NodeKind> kind) {
  return op::NodeMessage{handle, kind, core::Event(std::move(event)), descriptor};
}

core::Constraints CpuConstraints(uint32_t count, uint64_t bytes) {
  core::Constraints constraints;
  constraints.usage.emplace();
  constraints.usage->cpu = core::kCpuUsageRead | core::kCpuUsageWrite;
  constraints.min_buffer_count_for_camping = count;
  constraints.memory.emplace();
  constraints.memory->min_size_bytes = bytes;
  return constraints;
}

AnyOperation SetConstraints(Handle handle, core::Constraints constraints) {
  return Message<core::event::SetConstraints>(handle, {0, 0, std::move(constraints)});
}
AnyOperation Wait(Handle handle) { return Message<core::event::Wait>(handle); }
AnyOperation Release(Handle handle) { return Message<core::event::Release>(handle); }
AnyOperation Sync(Handle handle) { return Message<core::event::Sync>(handle); }

const core::Failure* AsFailure(const OperationResult& result) {
  return std::get_if<core::Failure>(&result);
}

testing::AssertionResult IsOk(const OperationResult& result) {
  const core::Failure* failure = AsFailure(result);
  if (failure == nullptr) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << "rule " << failure->rule << ", field " << failure->field << ": " << failure->message;
}

void MakeBuffers(TestClient& client, Handle handle, uint32_t count) {
  client.Send({op::AllocateNonSharedCollection{handle}});
  ASSERT_OK(client.Do(SetConstraints(handle, CpuConstraints(count))));
}

// ---- What the templates are made for -----------------------------------------------------------

template AnyOperation::AnyOperation(Operation);
template AnyOperation::AnyOperation(op::AllocateNonSharedCollection);
template AnyOperation::AnyOperation(op::AllocateSharedCollection);
template AnyOperation::AnyOperation(op::AnswerProviderCall);
template AnyOperation::AnyOperation(op::AttachToken);
template AnyOperation::AnyOperation(op::BindSharedCollection);
template AnyOperation::AnyOperation(op::CancelWait);
template AnyOperation::AnyOperation(op::CloseHandle);
template AnyOperation::AnyOperation(op::CreateChild);
template AnyOperation::AnyOperation(op::CreateChildrenSync);
template AnyOperation::AnyOperation(op::CreateTokenGroup);
template AnyOperation::AnyOperation(op::Duplicate);
template AnyOperation::AnyOperation(op::DuplicateSync);
template AnyOperation::AnyOperation(op::Export);
template AnyOperation::AnyOperation(op::GetServerInfo);
template AnyOperation::AnyOperation(op::GetVmoInfo);
template AnyOperation::AnyOperation(op::Import);
template AnyOperation::AnyOperation(op::InspectCollection);
template AnyOperation::AnyOperation(op::InspectCollections);
template AnyOperation::AnyOperation(op::InspectHeaps);
template AnyOperation::AnyOperation(op::InspectSessions);
template AnyOperation::AnyOperation(op::InspectStatus);
template AnyOperation::AnyOperation(op::Malformed);
template AnyOperation::AnyOperation(op::NextEvents);
template AnyOperation::AnyOperation(op::NodeMessage);
template AnyOperation::AnyOperation(op::OnRegister);
template AnyOperation::AnyOperation(op::Ping);
template AnyOperation::AnyOperation(op::RegisterHeap);
template AnyOperation::AnyOperation(op::RegisterSecureMem);
template AnyOperation::AnyOperation(op::SetAllocatorDebugInfo);
template AnyOperation::AnyOperation(op::TakeProviderCall);
template AnyOperation::AnyOperation(op::UnregisterSecureMem);
template AnyOperation::AnyOperation(op::ValidateToken);

#define SYSMEM_MESSAGE(Event)                                                                \
  template AnyOperation Message(Handle, core::event::Event, std::optional<DescriptorNumber>, \
                                std::optional<core::NodeKind>)
SYSMEM_MESSAGE(AllChildrenPresent);
SYSMEM_MESSAGE(AttachLifetimeTracking);
SYSMEM_MESSAGE(AttachNodeTracking);
SYSMEM_MESSAGE(BadMessage);
SYSMEM_MESSAGE(Check);
SYSMEM_MESSAGE(GetBufferCollectionId);
SYSMEM_MESSAGE(GetNodeRef);
SYSMEM_MESSAGE(IsAlternateFor);
SYSMEM_MESSAGE(Release);
SYSMEM_MESSAGE(SetConstraints);
SYSMEM_MESSAGE(SetDebugClientInfo);
SYSMEM_MESSAGE(SetDebugTimeoutLogDeadline);
SYSMEM_MESSAGE(SetDispensable);
SYSMEM_MESSAGE(SetName);
SYSMEM_MESSAGE(SetVerboseLogging);
SYSMEM_MESSAGE(SetWeak);
SYSMEM_MESSAGE(SetWeakOk);
SYSMEM_MESSAGE(Sync);
SYSMEM_MESSAGE(Wait);
#undef SYSMEM_MESSAGE

}  // namespace sysmem::server
