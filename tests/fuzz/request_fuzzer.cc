// SPDX-License-Identifier: Apache-2.0
//
// The body of any call, as a stranger sends it. Whatever it is, it is read as a call in its place
// that can be answered, or as one that has no place; how the connection cut it into pieces makes no
// difference.
//
// Input: a byte that picks the method, then the body.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/stubs/logging.h>
#include <grpcpp/support/byte_buffer.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "server/transport/method.h"
#include "sysmem2/allocator.pb.h"
#include "sysmem2/collection.pb.h"
#include "sysmem2/group.pb.h"
#include "sysmem2/heap.pb.h"
#include "sysmem2/inspect.pb.h"
#include "sysmem2/session.pb.h"
#include "sysmem2/token.pb.h"
#include "tests/fuzz/require.h"

namespace sysmem::fuzz {
namespace {

namespace transport = server::transport;
using transport::Method;

std::vector<Method> AllMethods() {
  google::protobuf::SetLogHandler(nullptr);  // it would tell of every string that is no UTF-8
  std::vector<Method> methods;
  for (const auto* file : {
           sysmem2::AllocateSharedCollectionRequest::descriptor()->file(),
           sysmem2::DuplicateRequest::descriptor()->file(),
           sysmem2::SetConstraintsRequest::descriptor()->file(),
           sysmem2::CreateChildRequest::descriptor()->file(),
           sysmem2::RegisterHeapRequest::descriptor()->file(),
           sysmem2::RunRequest::descriptor()->file(),
           sysmem2::GetStatusRequest::descriptor()->file(),
       }) {
    for (int service = 0; service < file->service_count(); ++service) {
      for (int method = 0; method < file->service(service)->method_count(); ++method) {
        methods.push_back(transport::DescribeMethod(*file->service(service)->method(method)));
      }
    }
  }
  return methods;
}

grpc::ByteBuffer InPieces(std::span<const uint8_t> bytes, size_t piece) {
  std::vector<grpc::Slice> slices;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    const auto part = bytes.subspan(at, std::min(piece, bytes.size() - at));
    slices.emplace_back(part.data(), part.size());
  }
  return {slices.data(), slices.size()};
}

// The reply when nothing of it went well.
server::Reply AllRefused(const server::Request& request) {
  server::Reply reply{.order = 1};
  for (const server::Operation& operation : request.operations) {
    const auto* malformed = std::get_if<server::op::Malformed>(&operation);
    reply.results.emplace_back(malformed != nullptr ? malformed->why : core::Failure{});
  }
  return reply;
}

void Call(const Method& method, std::span<const uint8_t> body) {
  const transport::ReadCall whole = transport::Read(method, InPieces(body, body.size()));
  const transport::ReadCall shredded = transport::Read(method, InPieces(body, 3));
  Require(whole.request.has_value() == shredded.request.has_value(), "a body is its bytes");
  Require(whole.encode && shredded.encode, "every call can be answered");
  if (!whole.request) return;
  Require(whole.request->number != 0, "0 is no number");
  Require(whole.request->number == shredded.request->number &&
              whole.request->operations.size() == shredded.request->operations.size(),
          "a body is its bytes");
  Require(whole.encode(AllRefused(*whole.request)).Valid(), "every refusal can be told");
}

}  // namespace
}  // namespace sysmem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto kMethods = sysmem::fuzz::AllMethods();
  if (size > 1) sysmem::fuzz::Call(kMethods[data[0] % kMethods.size()], {data + 1, size - 1});
  return 0;
}
