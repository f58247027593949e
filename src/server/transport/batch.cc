// SPDX-License-Identifier: Apache-2.0
#include "server/transport/batch.h"

#include <optional>
#include <string>
#include <utility>

#include "server/transport/arena.h"
#include "server/transport/operation_table.h"
#include "server/transport/refusals.h"
#include "server/transport/results.h"
#include "server/transport/used_up.h"

namespace sysmem::server::transport {
namespace {

Operation ParseOne(const sysmem2::Operation& from) {
  const OperationKind* kind = FindOperation(from.request_case());
  Operation to = kind == nullptr          ? NotYet("this operation")
                 : kind->parse == nullptr ? NotYet(kind->name)
                                          : kind->parse(from);
  NoteUsedUp(from, to);
  return to;
}

bool IsTwoWay(const sysmem2::Operation& operation) {
  const OperationKind* kind = FindOperation(operation.request_case());
  return kind != nullptr && kind->two_way(operation);
}

// Why the batch cannot be carried out, if it cannot.
std::optional<Operation> Refusal(const sysmem2::RunRequest& from) {
  if (auto failure = ExceedsBound("operations", static_cast<size_t>(from.operations_size()),
                                  sysmem2::MESSAGE_LIMIT_OPERATIONS, "entries")) {
    return op::Malformed{*std::move(failure)};
  }
  for (int i = 0; i + 1 < from.operations_size(); ++i) {
    const sysmem2::Operation& operation = from.operations(i);
    if (!IsTwoWay(operation)) continue;
    return op::Malformed{core::Refused(
        core::Error::kProtocolDeviation, "WIRE-BATCH", "operations[" + std::to_string(i) + "]",
        std::string(FindOperation(operation.request_case())->name) +
            " is two-way here; only the last operation of a batch may be")};
  }
  return std::nullopt;
}

// `last`: the last operation's kind if it is two-way and has results, else null.
grpc::ByteBuffer EncodeBatch(const Reply& reply, const OperationKind* last) {
  MessageArena arena;
  sysmem2::RunReply& message = *arena.Make<sysmem2::RunReply>();
  message.set_order(reply.order);
  auto fail = [&message](size_t index, const core::Failure& why) {
    sysmem2::OperationFailure* failure = message.add_failures();
    failure->set_index(static_cast<uint32_t>(index));
    Encode(why, failure->mutable_failure());
  };
  for (size_t i = 0; i < reply.results.size(); ++i) {
    const OperationResult& result = reply.results[i];
    if (const auto* failure = std::get_if<core::Failure>(&result)) {
      fail(i, *failure);
    } else if (last != nullptr && i + 1 == reply.results.size() &&
               !last->encode(result, message.mutable_last())) {
      message.clear_last();
      fail(i, WrongResult());
    }
  }
  return Serialize(message);
}

}  // namespace

ReadBody ParseBatch(const sysmem2::RunRequest& from) {
  ReadBody to;
  if (auto refusal = Refusal(from)) {
    NoteUsedUp(from, *refusal);
    to.operations.push_back(*std::move(refusal));
    to.encode = EncodeRefusedBatch;
    return to;
  }
  to.operations.reserve(static_cast<size_t>(from.operations_size()));
  for (const sysmem2::Operation& operation : from.operations()) {
    to.operations.push_back(ParseOne(operation));
  }
  const OperationKind* last = nullptr;
  if (from.operations_size() > 0) {
    const sysmem2::Operation& operation = from.operations(from.operations_size() - 1);
    if (IsTwoWay(operation)) last = FindOperation(operation.request_case());
    if (last != nullptr && last->encode == nullptr) last = nullptr;
  }
  to.encode = [last](const Reply& reply) { return EncodeBatch(reply, last); };
  return to;
}

grpc::ByteBuffer EncodeRefusedBatch(const Reply& reply) {
  sysmem2::RunReply message;
  message.set_order(reply.order);
  const auto* failure =
      reply.results.size() == 1 ? std::get_if<core::Failure>(&reply.results.front()) : nullptr;
  Encode(failure != nullptr ? *failure : WrongResult(), message.mutable_failure());
  return Serialize(message);
}

}  // namespace sysmem::server::transport
