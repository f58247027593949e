// SPDX-License-Identifier: Apache-2.0
#include "tests/hostile/raw_client.h"

#include <fcntl.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/support/byte_buffer.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <span>
#include <thread>
#include <utility>

#include "base/seqpacket.h"
#include "base/unix_socket.h"
#include "tests/support/patience.h"

namespace sysmem::testing {
namespace {

constexpr auto kHello = static_cast<uint32_t>(base::HandleMessageKind::kHello);

void AppendU32(std::string& out, uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(value >> shift));
}
void AppendU64(std::string& out, uint64_t value) {
  AppendU32(out, static_cast<uint32_t>(value));
  AppendU32(out, static_cast<uint32_t>(value >> 32));
}

// One message of the daemon. Nothing when it has hung up.
std::optional<base::HandleMessage> ReadMessage(const base::UniqueFd& channel) {
  auto readable = base::WaitReadable(channel, kPatience);
  if (!readable.ok() || !*readable) {
    ADD_FAILURE() << "nothing came on the handle channel";
    return std::nullopt;
  }
  auto received = base::ReceiveHandleMessage(channel, base::HandleMessageSender::kDaemon);
  if (!received.ok()) {
    ADD_FAILURE() << received.status();
    return std::nullopt;
  }
  if (received->outcome != base::ReceiveOutcome::kMessage) return std::nullopt;
  return std::move(received->message);
}

std::optional<sysmem2::SessionEnded> AsEnd(const base::HandleMessage& message) {
  if (message.kind != base::HandleMessageKind::kSessionEnded) return std::nullopt;
  sysmem2::SessionEnded end;
  EXPECT_TRUE(end.ParseFromString(message.body)) << "SESSION_ENDED has a strange body";
  return end;
}

std::string ToString(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return {};
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

// "Session.Ping" is "/sysmem2.Session/Ping" on the wire.
std::string WirePath(const std::string& method) {
  std::string path = "/sysmem2." + method;
  path[path.rfind('.')] = '/';
  return path;
}

}  // namespace

base::UniqueFd ConnectSilently(const std::string& path, std::optional<uid_t> uid) {
  base::UniqueFd connection;
  // The kernel notes the credentials of the thread that connects. A raw call changes those of one
  // thread alone, so this one is thrown away.
  std::thread([&] {
    if (uid && ::syscall(SYS_setresuid, *uid, *uid, *uid) != 0) return;
    auto connected = base::ConnectSeqpacket(path, kPatience);
    EXPECT_TRUE(connected.ok()) << connected.status();
    if (connected.ok()) connection = *std::move(connected);
  }).join();
  return connection;
}

std::string Encode(const RawMessage& message) {
  std::string bytes;
  AppendU32(bytes, message.kind);
  AppendU32(bytes, message.size.value_or(
                       static_cast<uint32_t>(base::kHandleHeaderBytes + message.body.size())));
  AppendU64(bytes, message.order);
  AppendU64(bytes, message.first);
  AppendU32(bytes, message.count.value_or(static_cast<uint32_t>(message.descriptors.size())));
  AppendU32(bytes, message.reserved);
  return bytes + message.body;
}

bool SendRaw(const base::UniqueFd& channel, const std::string& bytes,
             const std::vector<base::UniqueFd>& descriptors) {
  const std::span<const char> span(bytes);
  auto sent = base::Send(channel, std::as_bytes(span), descriptors, base::Wait::kYes);
  return sent.ok() && *sent == base::SendOutcome::kSent;
}

bool SendRaw(const base::UniqueFd& channel, const RawMessage& message) {
  return SendRaw(channel, Encode(message), message.descriptors);
}

std::optional<sysmem2::SessionEnded> AwaitEnd(const base::UniqueFd& channel) {
  while (std::optional<base::HandleMessage> message = ReadMessage(channel)) {
    if (auto end = AsEnd(*message)) return end;
  }
  return std::nullopt;
}

RawClient::RawClient(const std::string& path, std::optional<uid_t> uid)
    : channel_(ConnectSilently(path, uid)) {
  sysmem2::Hello hello;
  hello.set_library("raw");
  hello.set_command("hostile");
  if (!SendRaw(channel_, {.kind = kHello, .body = hello.SerializeAsString()})) return;
  std::optional<base::HandleMessage> answer = ReadMessage(channel_);
  if (!answer) return;
  if ((refusal_ = AsEnd(*answer))) return;
  sysmem2::Welcome welcome;
  if (!welcome.ParseFromString(answer->body) || answer->descriptors.size() != 1) {
    ADD_FAILURE() << "WELCOME has a strange body, or no descriptor";
    return;
  }
  wire_ = std::move(answer->descriptors[0]);
  session_id_ = welcome.session_id();
}

RawClient::~RawClient() {
  for (auto& [call, owner] : calls_) call->Cancel();
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

RawCall& RawClient::SendBytes(const std::string& method, const std::string& body) {
  if (!stub_) {
    ::fcntl(wire_.get(), F_SETFL, O_NONBLOCK);
    grpc_channel_ = grpc::CreateInsecureChannelFromFd("sysmemd", wire_.release());
    stub_ = std::make_unique<grpc::GenericStub>(grpc_channel_);
  }
  auto owner = std::make_unique<RawCall>();
  RawCall& call = *owner;
  calls_.emplace(&call, std::move(owner));
  const grpc::Slice slice(body);
  const grpc::ByteBuffer request(&slice, 1);
  call.reader_ = stub_->PrepareUnaryCall(&call.context_, WirePath(method), request, &queue_);
  call.reader_->StartCall();
  call.reader_->Finish(&call.reply_buffer_, &call.status_, &call);
  return call;
}

bool RawClient::Await(RawCall& call) {
  const auto deadline = std::chrono::system_clock::now() + kPatience;
  while (!call.done_) {
    void* tag = nullptr;
    bool ok = false;
    if (queue_.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) {
      ADD_FAILURE() << "a call is not answered";
      return false;
    }
    RawCall& done = *static_cast<RawCall*>(tag);
    done.done_ = true;
    if (done.status_.ok()) done.reply_ = ToString(done.reply_buffer_);
  }
  return true;
}

sysmem2::RunReply RawClient::Run(const std::vector<sysmem2::Operation>& operations) {
  sysmem2::RunRequest request;
  request.mutable_operations()->Assign(operations.begin(), operations.end());
  return Do<sysmem2::RunReply>("Session.Run", request);
}

uint64_t RawClient::Push(std::vector<base::UniqueFd> descriptors) {
  const uint64_t first = last_pushed_ + 1;
  last_pushed_ += descriptors.size();
  auto sent = base::SendHandleMessage(
      channel_, base::DescriptorsMessage(first, std::move(descriptors)), base::Wait::kYes);
  EXPECT_TRUE(sent.ok() && *sent == base::SendOutcome::kSent) << "cannot push a descriptor";
  return first;
}

uint64_t RawClient::Push(base::UniqueFd descriptor) {
  std::vector<base::UniqueFd> descriptors;
  descriptors.push_back(std::move(descriptor));
  return Push(std::move(descriptors));
}

bool RawClient::ReadOne() {
  std::optional<base::HandleMessage> message = ReadMessage(channel_);
  if (!message || AsEnd(*message)) {
    ADD_FAILURE() << "the session has ended";
    return false;
  }
  if (message->kind == base::HandleMessageKind::kNodeClosed) {
    closed_nodes_.push_back(message->first);
  }
  if (message->kind != base::HandleMessageKind::kDescriptors) return true;
  for (size_t i = 0; i < message->descriptors.size(); ++i) {
    received_[message->first + i] = std::move(message->descriptors[i]);
  }
  return true;
}

base::UniqueFd RawClient::Take(uint64_t number) {
  while (!received_.contains(number)) {
    if (!ReadOne()) return {};
  }
  return std::move(received_.extract(number).mapped());
}

uint64_t RawClient::AwaitNodeClosed() {
  while (closed_nodes_.empty()) {
    if (!ReadOne()) return 0;
  }
  const uint64_t handle = closed_nodes_.front();
  closed_nodes_.erase(closed_nodes_.begin());
  return handle;
}

}  // namespace sysmem::testing
