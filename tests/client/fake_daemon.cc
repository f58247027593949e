// SPDX-License-Identifier: Apache-2.0
#include "tests/client/fake_daemon.h"

#include <fcntl.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/thread_handover.h"
#include "base/unix_socket.h"

namespace sysmem::client {
namespace {

constexpr std::chrono::seconds kPatience{20};
constexpr char kRun[] = "/sysmem2.Session/Run";

std::string ToBytes(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  EXPECT_TRUE(buffer.DumpToSingleSlice(&slice).ok());
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

uint64_t NumberOf(const std::string& bytes) {
  uint64_t number = 0;
  if (bytes.size() >= 9 && bytes[0] == 0x09) std::memcpy(&number, bytes.data() + 1, 8);
  return number;
}

}  // namespace

// One call; deletes itself when gRPC is done with it.
class FakeDaemon::Reactor : public grpc::ServerGenericBidiReactor {
 public:
  Reactor(FakeDaemon& daemon, std::string method) : daemon_(daemon), method_(std::move(method)) {
    base::HandOver(this);
    StartRead(&request_);
  }
  void Answer(const std::string& bytes) {
    const std::lock_guard lock(mutex_);
    if (std::exchange(finished_, true)) return;
    const grpc::Slice slice(bytes);
    reply_ = grpc::ByteBuffer(&slice, 1);
    base::HandOver(this);
    StartWriteAndFinish(&reply_, grpc::WriteOptions(), grpc::Status::OK);
  }
  // Unless it was answered.
  void Drop() {
    const std::lock_guard lock(mutex_);
    if (std::exchange(finished_, true)) return;
    base::HandOver(this);
    Finish(grpc::Status(grpc::StatusCode::CANCELLED, ""));
  }
  void OnReadDone(bool ok) override {
    base::TakeOver(this);
    if (!ok) return Drop();
    Call call{.reactor = this, .method = method_, .bytes = ToBytes(request_)};
    call.number = NumberOf(call.bytes);
    if (method_ == kRun) call.run.ParseFromString(call.bytes);
    daemon_.Came(std::move(call));
  }
  // The connection is gone: a call that nobody answers any more must not hold up the end.
  void OnCancel() override {
    base::TakeOver(this);
    Drop();
  }
  void OnDone() override {
    base::TakeOver(this);
    daemon_.Left(this);
    delete this;
  }

 private:
  std::mutex mutex_;
  bool finished_ = false;
  FakeDaemon& daemon_;
  const std::string method_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer reply_;
};

class FakeDaemon::Service : public grpc::CallbackGenericService {
 public:
  explicit Service(FakeDaemon& daemon) : daemon_(daemon) {}
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new Reactor(daemon_, context->method());
  }

 private:
  FakeDaemon& daemon_;
};

FakeDaemon::FakeDaemon() : service_(std::make_unique<Service>(*this)) {
  char directory[] = "/tmp/sysmem-fake-XXXXXX";
  directory_ = ::mkdtemp(directory);
  path_ = directory_ + "/socket";
  listener_.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const sockaddr_un address = *base::SocketAddress(path_);
  EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
            0);
  EXPECT_EQ(::listen(listener_.get(), 8), 0);
  int stop[2];
  EXPECT_EQ(::pipe2(stop, O_CLOEXEC), 0);
  stop_read_.reset(stop[0]);
  stop_write_.reset(stop[1]);
  grpc::ServerBuilder builder;
  builder.RegisterCallbackGenericService(service_.get());
  server_ = builder.BuildAndStart();
  acceptor_ = std::thread([this] { Accept(); });
}

FakeDaemon::~FakeDaemon() {
  stop_write_.reset();
  acceptor_.join();
  HangUp();
  server_->Shutdown(std::chrono::system_clock::now());
  base::TakeOver(this);
  ::unlink(path_.c_str());
  ::rmdir(directory_.c_str());
}

void FakeDaemon::Accept() {
  while (true) {
    pollfd polled[] = {{listener_.get(), POLLIN, 0}, {stop_read_.get(), POLLIN, 0}};
    ::poll(polled, 2, -1);
    if (polled[1].revents != 0) return;
    base::UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (socket) Welcome(std::move(socket));
  }
}

void FakeDaemon::Welcome(base::UniqueFd socket) {
  auto received = base::ReceiveHandleMessage(socket, base::HandleMessageSender::kClient,
                                             {.wait = base::Wait::kYes});
  if (!received.ok() || received->outcome != base::ReceiveOutcome::kMessage) return;
  const std::lock_guard lock(mutex_);
  hello_.ParseFromString(received->message.body);
  changed_.notify_all();
  if (greeting_ == Greeting::kHangUp) return;
  channel_ = std::move(socket);
  if (greeting_ == Greeting::kSilence) return;
  if (greeting_ == Greeting::kRefusal) {
    sysmem2::SessionEnded ended;
    ended.set_reason(sysmem2::SESSION_END_REASON_LIMIT);
    ended.set_message("256 sessions of this user are open");
    ASSERT_TRUE(
        base::SendHandleMessage(channel_, base::SessionEndedMessage(ended.SerializeAsString()))
            .ok());
    return;
  }
  auto pair = base::SocketPair(SOCK_STREAM | SOCK_NONBLOCK);
  ASSERT_TRUE(pair.ok());
  call_channel_ = base::Dup(pair->first);
  grpc::AddInsecureChannelFromFd(server_.get(), pair->first.release());
  ASSERT_TRUE(
      base::SendHandleMessage(channel_, base::WelcomeMessage(sysmem2::Welcome().SerializeAsString(),
                                                             std::move(pair->second)))
          .ok());
}

void FakeDaemon::Came(Call call) {
  const std::lock_guard lock(mutex_);
  const auto place = std::find_if(calls_.begin(), calls_.end(), [&call](const Call& other) {
    return other.number > call.number;
  });
  calls_.insert(place, std::move(call));
  AnswerLocked();
  changed_.notify_all();
  base::HandOver(this);
}

// The reactor is about to be deleted.
void FakeDaemon::Left(Reactor* reactor) {
  const std::lock_guard lock(mutex_);
  std::erase_if(calls_, [reactor](const Call& call) { return call.reactor == reactor; });
  base::HandOver(this);
}

void FakeDaemon::AnswerLocked() {
  while (answers_ && !calls_.empty() && calls_.front().number == next_number_) {
    const Call call = std::move(calls_.front());
    calls_.pop_front();
    ++next_number_;
    sysmem2::RunReply reply = answer_ ? answer_(call) : sysmem2::RunReply();
    reply.set_order(next_order_++);
    call.reactor->Answer(reply.SerializeAsString());
  }
}

FakeDaemon::Call FakeDaemon::NextCall() {
  std::unique_lock lock(mutex_);
  const bool came = changed_.wait_for(
      lock, kPatience, [this] { return !calls_.empty() && calls_.front().number == next_number_; });
  EXPECT_TRUE(came) << "the client sent no call";
  if (!came) return {};
  Call call = std::move(calls_.front());
  calls_.pop_front();
  ++next_number_;
  return call;
}

size_t FakeDaemon::waiting_calls() {
  const std::lock_guard lock(mutex_);
  return calls_.size();
}

void FakeDaemon::Reply(const Call& call, uint64_t order, sysmem2::RunReply reply) {
  reply.set_order(order);
  ReplyBytes(call, reply.SerializeAsString());
}

void FakeDaemon::ReplyBytes(const Call& call, const std::string& bytes) {
  call.reactor->Answer(bytes);
}

void FakeDaemon::AnswerEverything(Answer answer, uint64_t next_order) {
  const std::lock_guard lock(mutex_);
  answers_ = true;
  answer_ = std::move(answer);
  next_order_ = next_order;
  AnswerLocked();
}

void FakeDaemon::SendNodeClosed(uint64_t order, uint64_t handle, const std::string& reason) {
  while (true) {
    const auto sent =
        base::SendHandleMessage(channel_, base::NodeClosedMessage(order, handle, reason));
    ASSERT_TRUE(sent.ok());
    if (*sent != base::SendOutcome::kWouldBlock) return;
    pollfd room{channel_.get(), POLLOUT, 0};
    ASSERT_EQ(::poll(&room, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())), 1)
        << "the client does not read";
  }
}

void FakeDaemon::SendDescriptors(uint64_t first, std::vector<base::UniqueFd> descriptors) {
  EXPECT_TRUE(
      base::SendHandleMessage(channel_, base::DescriptorsMessage(first, std::move(descriptors)))
          .ok());
}

void FakeDaemon::EndSession(const std::string& message) {
  sysmem2::SessionEnded ended;
  ended.set_reason(sysmem2::SESSION_END_REASON_SEQUENCE_GAP);
  ended.set_message(message);
  EXPECT_TRUE(
      base::SendHandleMessage(channel_, base::SessionEndedMessage(ended.SerializeAsString())).ok());
  HangUp();
}

void FakeDaemon::HangUp() {
  const std::lock_guard lock(mutex_);
  if (channel_) ::shutdown(channel_.get(), SHUT_RDWR);
  if (call_channel_) ::shutdown(call_channel_.get(), SHUT_RDWR);
}

base::HandleMessage FakeDaemon::ReceiveFromClient() {
  auto readable = base::WaitReadable(channel_, kPatience);
  EXPECT_TRUE(readable.ok() && *readable) << "the client sent no message";
  auto received = base::ReceiveHandleMessage(channel_, base::HandleMessageSender::kClient);
  EXPECT_TRUE(received.ok());
  return std::move(received->message);
}

bool FakeDaemon::SeesHangUp() {
  pollfd polled{channel_.get(), POLLRDHUP, 0};
  return ::poll(&polled, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) == 1;
}

void FakeDaemon::Greet(Greeting greeting) {
  const std::lock_guard lock(mutex_);
  greeting_ = greeting;
}

sysmem2::Hello FakeDaemon::hello() {
  const std::lock_guard lock(mutex_);
  return hello_;
}

}  // namespace sysmem::client
