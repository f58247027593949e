// SPDX-License-Identifier: Apache-2.0
#include "client/call_channel.h"

#include <fcntl.h>
#include <grpc/support/time.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/slice.h>
#include <sys/socket.h>

#include <cstring>

#include "base/thread_handover.h"
#include "client/signals.h"

namespace sysmem::client {
namespace {

// Field 1, fixed64: its tag and how long field and tag are together.
constexpr char kNumberTag = 0x09;
constexpr size_t kNumberBytes = 9;

// Listings of a large daemon exceed gRPC's default of 4 MiB.
constexpr int kMaxReplyBytes = 64 << 20;

grpc::Slice NumberedRequest(uint64_t number, std::string_view body) {
  // A request is small (256 KiB at most): one copy costs less than a second slice.
  grpc_slice slice = grpc_slice_malloc(kNumberBytes + body.size());
  auto* out = GRPC_SLICE_START_PTR(slice);
  *out++ = static_cast<uint8_t>(kNumberTag);
  for (int i = 0; i < 8; ++i) *out++ = static_cast<uint8_t>(number >> (8 * i));
  if (!body.empty()) std::memcpy(out, body.data(), body.size());
  return grpc::Slice(slice, grpc::Slice::STEAL_REF);
}

uint64_t ReadOrder(std::string_view reply) {
  if (reply.size() < kNumberBytes || reply[0] != kNumberTag) return 0;
  uint64_t order = 0;
  for (size_t i = 0; i < 8; ++i) {
    order |= uint64_t{static_cast<unsigned char>(reply[i + 1])} << (8 * i);
  }
  return order;
}

}  // namespace

std::string RawCall::transport_error() const {
  return "gRPC status " + std::to_string(status_.error_code()) + ": " + status_.error_message();
}

uint64_t RawCall::TakeReply(std::string& bytes) {
  grpc::Slice slice;
  if (!reply_.DumpToSingleSlice(&slice).ok()) return 0;
  bytes.assign(reinterpret_cast<const char*>(slice.begin()), slice.size());
  reply_.Clear();
  return ReadOrder(bytes);
}

CallChannel::CallChannel(base::UniqueFd socket) : socket_(base::Dup(socket)) {
  const SignalsBlocked blocked;
  ::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxReplyBytes);
  // A Unix socket has no bandwidth to probe for; the pings would only cost wake-ups.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  // What each call would pay for and none uses: compression, service configurations, deadlines,
  // gRPC's own inspector.
  arguments.SetInt(GRPC_ARG_MINIMAL_STACK, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  channel_ = grpc::CreateCustomInsecureChannelFromFd("sysmemd", socket.release(), arguments);
  stub_ = std::make_unique<grpc::GenericStub>(channel_);
}

CallChannel::~CallChannel() {
  const SignalsBlocked blocked;
  stub_.reset();
  channel_.reset();
}

void CallChannel::Start(const std::string& method, uint64_t number, std::string_view body,
                        grpc::CompletionQueue* queue, RawCall* call) {
  const grpc::Slice slice = NumberedRequest(number, body);
  const grpc::ByteBuffer request(&slice, 1);
  call->reader_ = stub_->PrepareUnaryCall(&call->context_, method, request, queue);
  auto& reader = *call->reader_;
  reader.StartCall();
  base::HandOver(call);  // it may come out of its queue before Finish returns
  reader.Finish(&call->reply_, &call->status_, call);
}

void CallChannel::Break() { ::shutdown(socket_.get(), SHUT_RDWR); }

RawCall* NextAnswered(grpc::CompletionQueue& queue, int64_t deadline_ns) {
  const gpr_timespec deadline = deadline_ns == INT64_MAX
                                    ? gpr_inf_future(GPR_CLOCK_MONOTONIC)
                                    : gpr_time_from_nanos(deadline_ns, GPR_CLOCK_MONOTONIC);
  void* tag = nullptr;
  bool ok = false;
  if (queue.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) return nullptr;
  auto* const call = static_cast<RawCall*>(tag);
  base::TakeOver(call);
  return call;
}

}  // namespace sysmem::client
