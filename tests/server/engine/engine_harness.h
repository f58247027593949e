// SPDX-License-Identifier: Apache-2.0
//
// An engine without a wire: requests go in as values, replies come back as values, and descriptors
// travel over a real handle channel. Waiting is done on events only.
//
// Code for moving, copying and ending an Operation or an OperationResult takes the compiler
// seconds. Tests leave it to engine_harness.cc: they hand over an AnyOperation and look at results
// by reference.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
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
#include "base/unique_fd.h"
#include "gtest/gtest.h"
#include "heaps/heap.h"
#include "heaps/reservation_gate.h"
#include "server/engine.h"
#include "server/event_loop.h"

namespace sysmem::server {

// How long a test waits for what must happen: long enough for a sanitized build on a busy machine.
inline constexpr std::chrono::seconds kPatience{30};

// An Operation whose code was made once: one `op::Something` becomes it by itself.
class AnyOperation {
 public:
  // Of each `op::Something`, and of an Operation. What the linker misses is added at the end of
  // engine_harness.cc.
  template <typename Op>
  AnyOperation(Op operation);  // NOLINT(google-explicit-constructor)
  AnyOperation(const AnyOperation& other);
  AnyOperation(AnyOperation&& other) noexcept;
  AnyOperation& operator=(const AnyOperation& other);
  AnyOperation& operator=(AnyOperation&& other) noexcept;
  ~AnyOperation();

  const Operation& value() const { return *operation_; }

 private:
  std::unique_ptr<Operation> operation_;
};

// Where a fake client's answer arrives.
class TestPort : public ReplyPort {
 public:
  TestPort();
  ~TestPort() override;
  void Finish(Reply reply) override;
  void Abort(const std::string& reason) override;

  bool Wait(std::chrono::nanoseconds patience = kPatience);
  bool answered();
  // REQUIRES: Wait() returned true.
  const Reply& reply() const { return reply_; }
  const std::string& abort_reason() const { return abort_reason_; }
  // The name of the thread that answered. REQUIRES: as reply().
  const std::string& answered_by() const { return answered_by_; }
  int answers();

 private:
  void Set(Reply reply, std::string reason);
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
      LastCloseOptions last_close = {}, std::set<uid_t> heap_providers = {},
      const std::function<void(EngineOptions&)>& change = [](EngineOptions&) {});
  ~TestEngine();
  Engine& engine() { return *engine_; }
  EventLoop& loop() { return *loop_; }
  // Called with each line before it is kept, by whoever brought it about. Before the first client.
  void SetOnLog(std::function<void(const std::string& text)> on_log) {
    on_log_ = std::move(on_log);
  }
  // What the log says of each line: whether it let it through. Before the first client.
  void SetLetsThrough(std::function<bool(const LogLine& line)> lets_through) {
    lets_through_ = std::move(lets_through);
  }
  // Log lines that hold `part`, oldest first.
  std::vector<std::string> Logged(const std::string& part);
  // The same with what programs may read of them.
  struct Line {
    core::effect::Log::Level level = {};
    LogFields fields;
    bool continues = false;
  };
  std::vector<Line> LinesWith(const std::string& part);

 private:
  std::function<void(const std::string&)> on_log_;
  std::function<bool(const LogLine&)> lets_through_;
  std::mutex log_mutex_;
  std::vector<std::string> log_;
  std::vector<Line> lines_;  // of log_
  heaps::ReservationGate gate_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Engine> engine_;
  std::thread thread_;
};

// A client of TestEngine: numbers its calls and reads its handle channel when told to.
class TestClient {
 public:
  explicit TestClient(TestEngine& engine, uid_t uid = 1000);
  ~TestClient();

  bool open() const { return session_ != nullptr; }
  const SessionEnd& refusal() const { return refusal_; }
  Session& session() { return *session_; }
  std::shared_ptr<Session> shared_session() { return session_; }
  base::UniqueFd& channel() { return channel_; }

  // Sends operations under the next number and does not wait.
  std::shared_ptr<TestPort> Send(std::initializer_list<AnyOperation> operations);
  std::shared_ptr<TestPort> SendAs(uint64_t number, std::initializer_list<AnyOperation> operations);
  std::shared_ptr<TestPort> SendAs(uint64_t number, std::vector<Operation> operations);
  uint64_t NextNumber() { return ++last_number_; }
  uint64_t last_number() const { return last_number_; }

  // Sends one operation and waits for its result, which stays as long as the client does.
  const OperationResult& Do(const AnyOperation& operation);

  // Sends descriptors over the handle channel; the number of the first.
  DescriptorNumber Push(std::vector<base::UniqueFd> fds);
  DescriptorNumber Push(base::UniqueFd fd);

  // Reads one message; waits for it. Nothing after the end of the channel.
  std::optional<base::HandleMessage> Read();
  // Reads and drops one message if one is there.
  void ReadIfAny();
  // The descriptor with this number, which was pushed already.
  base::UniqueFd Take(DescriptorNumber number);
  // The next closure that the daemon announces.
  std::optional<base::HandleMessage> NextClosed();

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
  std::deque<OperationResult> results_;  // of Do()
};

// ---- Operations, in the words of the tests -----------------------------------------------------

// An op::NodeMessage. As with AnyOperation, the linker says which `Event` is missing.
template <typename Event>
AnyOperation Message(Handle handle, Event event = {},
                     std::optional<DescriptorNumber> descriptor = std::nullopt,
                     std::optional<core::NodeKind> kind = std::nullopt);

// A participant that wants `count` buffers of one page to read and write with the CPU.
core::Constraints CpuConstraints(uint32_t count = 1, uint64_t bytes = 4096);

AnyOperation SetConstraints(Handle handle, core::Constraints constraints);
AnyOperation Wait(Handle handle);
AnyOperation Release(Handle handle);
AnyOperation Sync(Handle handle);

// Nothing if it went well.
const core::Failure* AsFailure(const OperationResult& result);

// For EXPECT_OK: true, or what the failure says.
testing::AssertionResult IsOk(const OperationResult& result);

// A collection of this client's alone, with `count` buffers of one page, which nobody waited for.
void MakeBuffers(TestClient& client, Handle handle, uint32_t count);

}  // namespace sysmem::server

#define EXPECT_OK(result) EXPECT_TRUE(::sysmem::server::IsOk(result))
#define ASSERT_OK(result) ASSERT_TRUE(::sysmem::server::IsOk(result))
