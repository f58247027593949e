// SPDX-License-Identifier: Apache-2.0
//
// An engine without a wire: requests go in as values, replies come back as values, and descriptors
// travel over a real handle channel. Waiting is done on events only.
#pragma once

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/handle_channel.h"
#include "base/unix_socket.h"
#include "gtest/gtest.h"
#include "heaps/memfd_heap.h"
#include "server/engine.h"
#include "server/event_loop.h"

namespace sysmem::server {

// How long a test waits for what must happen: long enough for a sanitized build on a busy machine.
inline constexpr std::chrono::seconds kPatience{30};

// Where a fake client's answer arrives.
class TestPort : public ReplyPort {
 public:
  void Finish(Reply reply) override { Set(std::move(reply), {}); }
  void Abort(const std::string& reason) override { Set({}, reason); }

  bool Wait(std::chrono::nanoseconds patience = kPatience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return answers_ > 0; });
  }
  bool answered() {
    std::lock_guard lock(mutex_);
    return answers_ > 0;
  }
  // REQUIRES: Wait() returned true.
  const Reply& reply() const { return reply_; }
  const std::string& abort_reason() const { return abort_reason_; }
  // The name of the thread that answered. REQUIRES: as reply().
  const std::string& answered_by() const { return answered_by_; }
  int answers() {
    std::lock_guard lock(mutex_);
    return answers_;
  }

 private:
  void Set(Reply reply, std::string reason) {
    std::array<char, 16> thread{};
    ::pthread_getname_np(::pthread_self(), thread.data(), thread.size());
    std::lock_guard lock(mutex_);
    answered_by_ = thread.data();
    reply_ = std::move(reply);
    abort_reason_ = std::move(reason);
    ++answers_;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  int answers_ = 0;
  Reply reply_;
  std::string abort_reason_;
  std::string answered_by_;
};

class TestEngine {
 public:
  using Heap = std::shared_ptr<heaps::Heap>;
  // `dress` makes the heap that is used of a real one.
  explicit TestEngine(
      EngineLimits limits = LimitsFor(1024),
      const std::function<Heap(Heap)>& dress = [](Heap heap) { return heap; },
      LastCloseOptions last_close = {}, std::set<uid_t> heap_providers = {}) {
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
    options.log = [this](core::effect::Log::Level, const PeerInfo&, const std::string& text) {
      std::lock_guard lock(log_mutex_);
      log_.push_back(text);
    };
    engine_ = std::make_unique<Engine>(std::move(options), *loop_);
    thread_ = std::thread([this] { loop_->Run(); });
  }
  ~TestEngine() {
    engine_->Shutdown();
    loop_->Stop();
    thread_.join();
    engine_.reset();
  }
  Engine& engine() { return *engine_; }
  EventLoop& loop() { return *loop_; }
  // Log lines that hold `part`, oldest first.
  std::vector<std::string> Logged(const std::string& part) {
    std::lock_guard lock(log_mutex_);
    std::vector<std::string> lines;
    for (const std::string& line : log_) {
      if (line.find(part) != std::string::npos) lines.push_back(line);
    }
    return lines;
  }

 private:
  std::mutex log_mutex_;
  std::vector<std::string> log_;
  heaps::ReservationGate gate_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Engine> engine_;
  std::thread thread_;
};

// A client of TestEngine: numbers its calls and reads its handle channel when told to.
class TestClient {
 public:
  explicit TestClient(TestEngine& engine, uid_t uid = 1000) {
    auto channel = base::SocketPair(SOCK_SEQPACKET);
    auto wire = base::SocketPair(SOCK_STREAM);
    EXPECT_TRUE(channel.ok() && wire.ok());
    channel_ = std::move(channel->first);
    wire_ = std::move(wire->first);
    PeerInfo peer;
    peer.pid = ::getpid();
    peer.uid = uid;
    session_ = engine.engine().OpenSession(peer, std::move(channel->second),
                                           std::move(wire->second), &refusal_);
  }
  ~TestClient() {
    if (channel_) channel_.reset();
  }

  bool open() const { return session_ != nullptr; }
  const SessionEnd& refusal() const { return refusal_; }
  Session& session() { return *session_; }
  std::shared_ptr<Session> shared_session() { return session_; }
  base::UniqueFd& channel() { return channel_; }

  // Sends operations under the next number and does not wait.
  std::shared_ptr<TestPort> Send(std::vector<Operation> operations) {
    return SendAs(++last_number_, std::move(operations));
  }
  std::shared_ptr<TestPort> SendAs(uint64_t number, std::vector<Operation> operations) {
    auto port = std::make_shared<TestPort>();
    session_->Submit(Request{number, std::move(operations)}, port);
    return port;
  }
  uint64_t NextNumber() { return ++last_number_; }
  uint64_t last_number() const { return last_number_; }

  // Sends one operation and waits for its result.
  OperationResult Do(Operation operation) {
    std::vector<Operation> operations;
    operations.push_back(std::move(operation));
    auto port = Send(std::move(operations));
    if (!port->Wait()) {
      ADD_FAILURE() << "no answer";
      return core::Nothing{};
    }
    if (!port->abort_reason().empty()) {
      core::Failure aborted;
      aborted.rule = "ABORTED";
      aborted.message = port->abort_reason();
      return aborted;
    }
    return port->reply().results.at(0);
  }

  // Sends descriptors over the handle channel; the number of the first.
  DescriptorNumber Push(std::vector<base::UniqueFd> fds) {
    const DescriptorNumber first = last_pushed_ + 1;
    last_pushed_ += fds.size();
    auto sent = base::SendHandleMessage(channel_, base::DescriptorsMessage(first, std::move(fds)));
    EXPECT_TRUE(sent.ok() && *sent == base::SendOutcome::kSent);
    return first;
  }
  DescriptorNumber Push(base::UniqueFd fd) {
    std::vector<base::UniqueFd> fds;
    fds.push_back(std::move(fd));
    return Push(std::move(fds));
  }

  // Reads one message; waits for it. Nothing after the end of the channel.
  std::optional<base::HandleMessage> Read() {
    auto readable = base::WaitReadable(channel_, kPatience);
    EXPECT_TRUE(readable.ok() && *readable) << "nothing came";
    auto received = base::ReceiveHandleMessage(channel_, base::HandleMessageSender::kDaemon);
    if (!received.ok() || received->outcome != base::ReceiveOutcome::kMessage) return std::nullopt;
    return std::move(received->message);
  }
  // Reads and drops one message if one is there.
  void ReadIfAny() {
    auto received = base::ReceiveHandleMessage(channel_, base::HandleMessageSender::kDaemon);
    EXPECT_TRUE(received.ok()) << received.status();
  }
  // The descriptor with this number, which was pushed already.
  base::UniqueFd Take(DescriptorNumber number) {
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
  // The next closure that the daemon announces.
  std::optional<base::HandleMessage> NextClosed() {
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

  Handle NewHandle() { return ++last_handle_; }

 private:
  base::UniqueFd channel_;
  base::UniqueFd wire_;
  SessionEnd refusal_;
  std::shared_ptr<Session> session_;
  uint64_t last_number_ = 0;
  DescriptorNumber last_pushed_ = 0;
  Handle last_handle_ = 0;
  std::map<DescriptorNumber, base::UniqueFd> received_;
  std::deque<base::HandleMessage> closed_;
};

// ---- Operations, in the words of the tests -----------------------------------------------------

template <typename Event>
op::NodeMessage Message(Handle handle, Event event = {}) {
  return op::NodeMessage{handle, std::nullopt, core::Event(std::move(event))};
}

// A participant that wants `count` buffers of one page to read and write with the CPU.
inline core::Constraints CpuConstraints(uint32_t count = 1, uint64_t bytes = 4096) {
  core::Constraints constraints;
  constraints.usage.emplace();
  constraints.usage->cpu = core::kCpuUsageRead | core::kCpuUsageWrite;
  constraints.min_buffer_count_for_camping = count;
  constraints.memory.emplace();
  constraints.memory->min_size_bytes = bytes;
  return constraints;
}

inline op::NodeMessage SetConstraints(Handle handle, core::Constraints constraints) {
  return Message<core::event::SetConstraints>(handle, {0, 0, std::move(constraints)});
}

inline op::NodeMessage Wait(Handle handle) { return Message<core::event::Wait>(handle); }
inline op::NodeMessage Release(Handle handle) { return Message<core::event::Release>(handle); }
inline op::NodeMessage Sync(Handle handle) { return Message<core::event::Sync>(handle); }

inline const core::Failure* AsFailure(const OperationResult& result) {
  return std::get_if<core::Failure>(&result);
}

// For EXPECT_OK: true, or what the failure says.
inline testing::AssertionResult IsOk(const OperationResult& result) {
  const core::Failure* failure = AsFailure(result);
  if (failure == nullptr) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << "rule " << failure->rule << ", field " << failure->field << ": " << failure->message;
}

}  // namespace sysmem::server

#define EXPECT_OK(result) EXPECT_TRUE(::sysmem::server::IsOk(result))
#define ASSERT_OK(result) ASSERT_TRUE(::sysmem::server::IsOk(result))

namespace sysmem::server {

// A collection of this client's alone, with `count` buffers of one page, which nobody waited for.
inline void MakeBuffers(TestClient& client, Handle handle, uint32_t count) {
  client.Send({op::AllocateNonSharedCollection{handle}});
  ASSERT_OK(client.Do(SetConstraints(handle, CpuConstraints(count))));
}

}  // namespace sysmem::server
