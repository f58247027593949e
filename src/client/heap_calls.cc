// SPDX-License-Identifier: Apache-2.0
//
// Answering the daemon's calls to a heap.
#include <fcntl.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/descriptor_kind.h"
#include "client/heaps.h"
#include "client/text.h"

using sysmem::base::BorrowedFd;
using sysmem::base::ClassifyDescriptor;
using sysmem::base::DescriptorKind;
using sysmem::base::UniqueFd;
using sysmem::client::Failure;
using sysmem::client::HeapCall;
using sysmem::client::InvalidArgument;
using sysmem::client::RefuseCall;
using sysmem::client::Report;
using sysmem2::AnswerProviderCallRequest;

namespace {

// What is told of a program's reason. The daemon's reports quote it.
constexpr size_t kMostReasonBytes = 1000;

std::string Reason(const char* why) {
  std::string text = sysmem::client::ValidUtf8(why == nullptr ? "" : why);
  if (text.size() <= kMostReasonBytes) return text;
  size_t end = kMostReasonBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

std::optional<Failure> ServedNoMore(const HeapCall& call) {
  if (auto gone = call.connection->NodeGone(*call.registration)) return gone;
  if (!call.connection->Locked([&] { return call.registration->left; })) return std::nullopt;
  return Failure{.status = SYSMEM_CLOSED, .message = "the program has destroyed the heap"};
}

// Sends an answer. `fill` writes what is in it, given the number of the descriptor sent along.
template <typename Fill>
sysmem_status Answer(const HeapCall& call, UniqueFd fd, sysmem_failure** failure,
                     const Fill& fill) {
  if (auto gone = ServedNoMore(call)) return Report(*std::move(gone), failure);
  std::vector<UniqueFd> descriptors;
  if (fd) descriptors.push_back(std::move(fd));
  const uint64_t handle = call.registration->handle;
  auto queued =
      call.connection->Queue({.record = {.handle = handle},
                              .fill =
                                  [&](sysmem2::Operation& operation, uint64_t descriptor) {
                                    AnswerProviderCallRequest& request =
                                        *operation.mutable_answer_provider_call();
                                    request.set_handle(handle);
                                    request.set_call_id(call.id);
                                    fill(request, descriptor);
                                  },
                              .descriptors = std::move(descriptors)});
  if (!queued.ok()) return Report(std::move(queued.failure()), failure);
  if (!call.connection->Locked([&] { return *call.in_callback; })) call.connection->Flush();
  return SYSMEM_OK;
}

sysmem_status Give(const HeapCall& call, UniqueFd fd, sysmem_failure** failure) {
  return Answer(call, std::move(fd), failure,
                [](AnswerProviderCallRequest& request, uint64_t descriptor) {
                  request.mutable_allocate_vmo()->set_vmo(descriptor);
                });
}

// The program's own mistake: the daemon hears that there is no buffer.
sysmem_status RefuseFor(const HeapCall& call, Failure mistake, sysmem_failure** failure) {
  static_cast<void>(RefuseCall(call, mistake.message, nullptr));
  return Report(std::move(mistake), failure);
}

}  // namespace

sysmem_status sysmem::client::RefuseCall(const HeapCall& call, const std::string& why,
                                         sysmem_failure** failure) {
  return Answer(call, UniqueFd(), failure, [&](AnswerProviderCallRequest& request, uint64_t) {
    request.mutable_failure()->set_outcome(sysmem2::OUTCOME_ERROR);
    request.mutable_failure()->set_message(why);
  });
}

const struct sysmem_heap_allocation_info* sysmem_heap_allocation_get_info(
    const sysmem_heap_allocation* call) {
  return &call->info;
}

sysmem_status sysmem_heap_allocation_give(sysmem_heap_allocation* call, int owned_fd,
                                          sysmem_failure** failure) {
  const std::unique_ptr<sysmem_heap_allocation> answered(call);
  // The daemon ends the session of whoever sends what can only be a mistake.
  if (ClassifyDescriptor(BorrowedFd(owned_fd)) == DescriptorKind::kOther) {
    const UniqueFd not_sent(::fcntl(owned_fd, F_GETFD) != -1 ? owned_fd : -1);
    return RefuseFor(
        *call,
        InvalidArgument("owned_fd", not_sent
                                        ? "only dma-bufs and memfds of ordinary pages can be given"
                                        : "the descriptor is not open"),
        failure);
  }
  return Give(*call, UniqueFd(owned_fd), failure);
}

sysmem_status sysmem_heap_allocation_give_offered(sysmem_heap_allocation* call,
                                                  sysmem_failure** failure) {
  const std::unique_ptr<sysmem_heap_allocation> answered(call);
  if (call->fd) return Give(*call, std::move(call->fd), failure);
  return RefuseFor(*call, InvalidArgument("call", "the daemon offered no memory with it"), failure);
}

sysmem_status sysmem_heap_allocation_refuse(sysmem_heap_allocation* call, const char* why,
                                            sysmem_failure** failure) {
  const std::unique_ptr<sysmem_heap_allocation> answered(call);
  call->fd.reset();
  return RefuseCall(*call, Reason(why), failure);
}

const struct sysmem_heap_deletion_info* sysmem_heap_deletion_get_info(
    const sysmem_heap_deletion* call) {
  return &call->info;
}

sysmem_status sysmem_heap_deletion_finish(sysmem_heap_deletion* call, sysmem_failure** failure) {
  const std::unique_ptr<sysmem_heap_deletion> answered(call);
  call->fd.reset();
  return Answer(*call, UniqueFd(), failure,
                [](AnswerProviderCallRequest& request, uint64_t) { request.mutable_delete_vmo(); });
}

sysmem_status sysmem_heap_deletion_fail(sysmem_heap_deletion* call, const char* why,
                                        sysmem_failure** failure) {
  const std::unique_ptr<sysmem_heap_deletion> answered(call);
  call->fd.reset();
  return RefuseCall(*call, Reason(why), failure);
}
