// SPDX-License-Identifier: Apache-2.0
#include "client/failure.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/errno_status.h"
#include "sysmem2/session.pb.h"

using sysmem::client::Failure;
using sysmem::client::Participant;

struct sysmem_failure {
  explicit sysmem_failure(Failure from) : value(std::move(from)) {
    for (const Participant& participant : value.participants) {
      participants.push_back({participant.name.c_str(), participant.value.c_str(),
                              participant.command.c_str(), participant.pid, participant.uid,
                              participant.node_id});
    }
  }
  const Failure value;
  std::vector<sysmem_participant> participants;  // points into value
};

namespace sysmem::client {
namespace {

sysmem_status StatusOf(sysmem2::Outcome outcome) {
  switch (outcome) {
    case sysmem2::OUTCOME_CLOSED:
      return SYSMEM_CLOSED;
    case sysmem2::OUTCOME_REFUSED:
      return SYSMEM_REFUSED;
    case sysmem2::OUTCOME_CANCELLED:
      return SYSMEM_CANCELLED;
    case sysmem2::OUTCOME_UNIMPLEMENTED:
      return SYSMEM_UNIMPLEMENTED;
    default:  // OUTCOME_ERROR, and whatever a newer daemon may invent
      return SYSMEM_ERROR;
  }
}

Participant FromWire(const sysmem2::ParticipantValue& from) {
  return {.name = from.name(),
          .value = from.value(),
          .command = from.command(),
          .pid = from.has_pid() ? int64_t{from.pid()} : -1,
          .uid = from.has_uid() ? int64_t{from.uid()} : -1,
          .node_id = from.node_id()};
}

// `text` came from another program: control characters must not reach a terminal.
std::string Printable(std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string printable;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // C0 and DEL; and C1, which UTF-8 spells with the leading byte 0xc2.
    const bool is_c1 =
        byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (byte >= 0x20 && byte != 0x7f && !is_c1) {
      printable += text[i];
      continue;
    }
    const auto code = is_c1 ? static_cast<unsigned char>(text[++i]) : byte;
    printable += {'\\', 'x', kDigits[code >> 4], kDigits[code & 15]};
  }
  return printable;
}

void AppendParticipant(const Participant& participant, std::string& text) {
  text += "\n  ";
  text += participant.name.empty() ? "(unnamed)" : Printable(participant.name);
  if (participant.pid >= 0) text += " [pid " + std::to_string(participant.pid) + "]";
  text += ": " + Printable(participant.value);
}

// Lines stay lines, everything else that could steer a terminal is escaped.
void AppendReport(std::string_view report, std::string& text) {
  while (!report.empty()) {
    const size_t end = report.find('\n');
    text += "\n" + Printable(report.substr(0, end));
    if (end == std::string_view::npos) return;
    report.remove_prefix(end + 1);
  }
}

std::string Describe(const Failure& failure) {
  std::string text = sysmem_status_name(failure.status);
  if (failure.error != SYSMEM_ERROR_NONE) {
    text += std::string(" ") + sysmem_error_name(failure.error);
  }
  if (!failure.message.empty()) text += ": " + Printable(failure.message);
  if (!failure.field.empty() || !failure.rule.empty()) {
    text += " (";
    if (!failure.field.empty()) text += "field " + Printable(failure.field);
    if (!failure.field.empty() && !failure.rule.empty()) text += ", ";
    if (!failure.rule.empty()) text += "rule " + Printable(failure.rule);
    text += ")";
  }
  for (const Participant& participant : failure.participants) AppendParticipant(participant, text);
  AppendReport(failure.report, text);
  return text;
}

}  // namespace

Failure InvalidArgument(std::string_view field, std::string message) {
  return {.status = SYSMEM_INVALID_ARGUMENT,
          .field = std::string(field),
          .message = std::move(message)};
}

Failure Disconnected(std::string message) {
  return {.status = SYSMEM_DISCONNECTED, .message = std::move(message)};
}

Failure TimedOut(std::string message) {
  return {.status = SYSMEM_TIMEOUT, .message = std::move(message)};
}

Failure SystemFailure(int errno_value, std::string_view what) {
  return {.status = SYSMEM_SYSTEM,
          .message = std::string(what) + ": " + base::ErrnoText(errno_value),
          .system_errno = errno_value};
}

Failure FromStatus(sysmem_status status, const absl::Status& error) {
  return {.status = status, .message = std::string(error.message())};
}

Failure FromWire(const sysmem2::Failure& from) {
  Failure failure{
      .status = StatusOf(from.outcome()),
      .error = from.has_error() ? static_cast<uint32_t>(from.error()) : SYSMEM_ERROR_NONE,
      .rule = from.rule(),
      .field = from.field(),
      .message = from.message(),
      .report = from.report()};
  for (const auto& participant : from.participants()) {
    failure.participants.push_back(FromWire(participant));
  }
  if (from.report_sentences_left_out() > 0) {
    failure.report +=
        "\n(" + std::to_string(from.report_sentences_left_out()) + " more sentences left out)";
  }
  return failure;
}

Failure FromSessionEnded(std::string what, const std::string& body) {
  Failure failure = Disconnected(std::move(what));
  sysmem2::SessionEnded ended;
  if (!ended.ParseFromString(body)) return failure;
  failure.message += ": " + sysmem2::SessionEndReason_Name(ended.reason());
  if (!ended.message().empty()) failure.message += ": " + ended.message();
  if (ended.reason() == sysmem2::SESSION_END_REASON_LIMIT) failure.system_errno = EDQUOT;
  return failure;
}

sysmem_status Report(Failure failure, sysmem_failure** out) {
  const sysmem_status status = failure.status;
  if (out != nullptr) *out = new sysmem_failure(std::move(failure));
  return status;
}

FailureView::FailureView(Failure failure) : object_(new sysmem_failure(std::move(failure))) {}
FailureView::~FailureView() { delete object_; }

}  // namespace sysmem::client

sysmem_status sysmem_failure_status(const sysmem_failure* failure) {
  return failure == nullptr ? SYSMEM_OK : failure->value.status;
}
uint32_t sysmem_failure_error(const sysmem_failure* failure) {
  return failure == nullptr ? SYSMEM_ERROR_NONE : failure->value.error;
}
const char* sysmem_failure_rule(const sysmem_failure* failure) {
  return failure == nullptr ? "" : failure->value.rule.c_str();
}
const char* sysmem_failure_field(const sysmem_failure* failure) {
  return failure == nullptr ? "" : failure->value.field.c_str();
}
const char* sysmem_failure_message(const sysmem_failure* failure) {
  return failure == nullptr ? "" : failure->value.message.c_str();
}
const char* sysmem_failure_report(const sysmem_failure* failure) {
  return failure == nullptr ? "" : failure->value.report.c_str();
}
int sysmem_failure_errno(const sysmem_failure* failure) {
  return failure == nullptr ? 0 : failure->value.system_errno;
}
size_t sysmem_failure_participant_count(const sysmem_failure* failure) {
  return failure == nullptr ? 0 : failure->participants.size();
}
const struct sysmem_participant* sysmem_failure_participant(const sysmem_failure* failure,
                                                            size_t index) {
  return &failure->participants[index];
}
char* sysmem_failure_describe(const sysmem_failure* failure) {
  return ::strdup(failure == nullptr ? "OK" : sysmem::client::Describe(failure->value).c_str());
}
sysmem_failure* sysmem_failure_copy(const sysmem_failure* failure) {
  return failure == nullptr ? nullptr : new sysmem_failure(failure->value);
}
void sysmem_failure_free(sysmem_failure* failure) { delete failure; }

const char* sysmem_status_name(sysmem_status status) {
  switch (status) {
    case SYSMEM_OK:
      return "OK";
    case SYSMEM_ERROR:
      return "ERROR";
    case SYSMEM_CLOSED:
      return "CLOSED";
    case SYSMEM_REFUSED:
      return "REFUSED";
    case SYSMEM_CANCELLED:
      return "CANCELLED";
    case SYSMEM_UNIMPLEMENTED:
      return "UNIMPLEMENTED";
    case SYSMEM_TIMEOUT:
      return "TIMEOUT";
    case SYSMEM_DISCONNECTED:
      return "DISCONNECTED";
    case SYSMEM_UNREACHABLE:
      return "UNREACHABLE";
    case SYSMEM_INVALID_ARGUMENT:
      return "INVALID_ARGUMENT";
    case SYSMEM_SYSTEM:
      return "SYSTEM";
  }
  return "UNKNOWN";
}

const char* sysmem_error_name(uint32_t error) {
  switch (error) {
    case SYSMEM_ERROR_NONE:
      return "NONE";
    case SYSMEM_ERROR_UNSPECIFIED:
      return "UNSPECIFIED";
    case SYSMEM_ERROR_PROTOCOL_DEVIATION:
      return "PROTOCOL_DEVIATION";
    case SYSMEM_ERROR_NOT_FOUND:
      return "NOT_FOUND";
    case SYSMEM_ERROR_HANDLE_ACCESS_DENIED:
      return "HANDLE_ACCESS_DENIED";
    case SYSMEM_ERROR_NO_MEMORY:
      return "NO_MEMORY";
    case SYSMEM_ERROR_CONSTRAINTS_INTERSECTION_EMPTY:
      return "CONSTRAINTS_INTERSECTION_EMPTY";
    case SYSMEM_ERROR_PENDING:
      return "PENDING";
    case SYSMEM_ERROR_TOO_MANY_GROUP_CHILD_COMBINATIONS:
      return "TOO_MANY_GROUP_CHILD_COMBINATIONS";
    case SYSMEM_ERROR_NO_MORE_STRONG_VMO_HANDLES:
      return "NO_MORE_STRONG_VMO_HANDLES";
    default:
      return "UNKNOWN";
  }
}

void sysmem_string_free(char* string) { std::free(string); }
