// SPDX-License-Identifier: Apache-2.0
//
// How the core says no.
//
// Every refusal is a value of type Failure that names who and what: the sysmem2 error, the rule of
// the specification that was broken, the field, and the participants with the values they gave.
// Nothing is logged and nothing is thrown; whoever receives the value decides whether to send it,
// print it or drop it. A function that may fail returns Result<T>.
//
// Which error to choose: kProtocolDeviation when the message itself is wrong or out of order (its
// sender's fault alone), kConstraintsIntersectionEmpty when valid wishes cannot be met together,
// kNoMemory only when a heap could not deliver (never for exceeding a size limit: GRP-7 and the
// table behind it), kPending when no attempt was made yet.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace sysmem::core {

using NodeId = uint64_t;  // unique for one run of the daemon; 0 is no node

// Numbers of the sysmem2 Error enum (interface.md 2.2).
enum class Error : uint32_t {
  kUnspecified = 1,
  kProtocolDeviation = 2,
  kNotFound = 3,
  kHandleAccessDenied = 4,
  kNoMemory = 5,
  kConstraintsIntersectionEmpty = 6,
  kPending = 7,
  kTooManyGroupChildCombinations = 8,
  kNoMoreStrongVmoHandles = 9,
};

// "CONSTRAINTS_INTERSECTION_EMPTY" and so on, as interface.md 2.2 spells them.
const char* ErrorName(Error error);

// What the one who asked gets instead of a result.
enum class Outcome : uint8_t {
  kError,          // the service says no; `error` tells which no
  kClosed,         // the node is gone. One fixed outcome (FAIL-4); `error` is kUnspecified, or what
                   // those were told who waited when its allocation failed
  kRefused,        // this very message broke a rule; it may have failed its node (FAIL-5)
  kCancelled,      // a wait that its own client took back (CancelWait)
  kUnimplemented,  // a method this version does not have yet, named in `message`
};

// The process that holds a node.
struct NodeHolder {
  uint32_t pid = 0;
  uint32_t uid = 0;
  std::string command;
  bool operator==(const NodeHolder&) const = default;
};

// One participant of a conflict and the value it gave for the field in question.
struct ParticipantValue {
  NodeId node = 0;
  std::string name;   // debug name, as the client gave it (escape before printing)
  std::string value;  // printed value, for example "64" or "NV12 LINEAR"
  // Not known to the core: whoever delivers the failure adds it, if the receiver may know.
  std::optional<NodeHolder> holder = std::nullopt;
  bool operator==(const ParticipantValue&) const = default;
};

struct Report;      // report.h
struct ReportText;  // the same

struct Failure {
  Outcome outcome = Outcome::kError;
  Error error = Error::kUnspecified;
  std::string rule;     // "ATT-4", "M14", ...: the rule of server-behaviour.md
  std::string field;    // dotted path as in the protocol, "image_format_constraints[2].min_size"
  std::string message;  // one clear sentence for a person
  std::vector<ParticipantValue> participants;
  // The longer story, of failed attempts only (else nullptr): as data, and as text by whoever
  // delivers it.
  std::shared_ptr<const Report> report = nullptr;
  std::shared_ptr<const ReportText> report_text = nullptr;
  // Reports are left out: they follow from what happened, as the message does.
  bool operator==(const Failure& other) const;
};

// Failure with outcome kRefused: a message that breaks a rule of its own (FAIL-5).
Failure Refused(Error error, std::string rule, std::string field, std::string message);
// Failure with outcome kError: the service says no to a message that broke no rule.
Failure Failed(Error error, std::string rule, std::string field, std::string message);
// Failure with outcome kClosed for a node that is gone.
Failure Closed(std::string message);

// Either a value or the failure that took its place. A minimal std::expected (C++23).
template <typename T, typename E = Failure>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(E failure) : state_(std::move(failure)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return std::holds_alternative<T>(state_); }
  // REQUIRES: ok()
  const T& value() const& { return std::get<T>(state_); }
  T& value() & { return std::get<T>(state_); }
  // By value, so that `for (x : F().value())` has something to hold on to.
  T value() && { return std::get<T>(std::move(state_)); }
  // REQUIRES: !ok()
  const E& failure() const& { return std::get<E>(state_); }
  E failure() && { return std::get<E>(std::move(state_)); }

 private:
  std::variant<T, E> state_;
};

struct Nothing {
  bool operator==(const Nothing&) const = default;
};

}  // namespace sysmem::core
