// SPDX-License-Identifier: Apache-2.0
#include "core/report.h"
#include "server/transport/encode.h"
#include "server/transport/text.h"

namespace sysmem::server::transport {
namespace {

// failure.proto promises less than 1 KiB.
constexpr size_t kMaxMessageBytes = 1000;

sysmem2::Outcome EncodeOutcome(core::Outcome outcome) {
  switch (outcome) {
    case core::Outcome::kError:
      return sysmem2::OUTCOME_ERROR;
    case core::Outcome::kClosed:
      return sysmem2::OUTCOME_CLOSED;
    case core::Outcome::kRefused:
      return sysmem2::OUTCOME_REFUSED;
    case core::Outcome::kCancelled:
      return sysmem2::OUTCOME_CANCELLED;
    case core::Outcome::kUnimplemented:
      return sysmem2::OUTCOME_UNIMPLEMENTED;
  }
  return sysmem2::OUTCOME_UNSPECIFIED;
}

bool HasError(const core::Failure& failure) {
  if (failure.outcome == core::Outcome::kClosed) {
    return failure.error != core::Error::kUnspecified;
  }
  return failure.outcome == core::Outcome::kError || failure.outcome == core::Outcome::kRefused;
}

}  // namespace

void Encode(const core::Failure& from, sysmem2::Failure* to) {
  to->set_outcome(EncodeOutcome(from.outcome));
  // The numbers are the same on both sides.
  if (HasError(from)) {
    to->set_error(static_cast<sysmem2::Error>(static_cast<int>(from.error)));
  }
  to->set_rule(ValidUtf8(from.rule));
  to->set_field(ValidUtf8(from.field));
  to->set_message(ValidUtf8(from.message, kMaxMessageBytes));
  for (const core::ParticipantValue& participant : from.participants) {
    sysmem2::ParticipantValue* value = to->add_participants();
    value->set_name(ValidUtf8(participant.name));
    value->set_value(ValidUtf8(participant.value));
    if (!participant.holder) continue;
    value->set_pid(participant.holder->pid);
    value->set_uid(participant.holder->uid);
    value->set_command(ValidUtf8(participant.holder->command));
    value->set_node_id(participant.node);
  }
  if (from.report_text == nullptr) return;
  to->set_report(ValidUtf8(from.report_text->text));
  to->set_report_sentences_left_out(from.report_text->sentences_left_out);
}

}  // namespace sysmem::server::transport
