// SPDX-License-Identifier: Apache-2.0
#include "core/failure.h"

#include <tuple>

namespace sysmem::core {
bool Failure::operator==(const Failure& other) const {
  const auto all = [](const Failure& f) {
    return std::tie(f.outcome, f.error, f.rule, f.field, f.message, f.participants);
  };
  return all(*this) == all(other);
}

const char* ErrorName(Error error) {
  switch (error) {
    case Error::kUnspecified:
      return "UNSPECIFIED";
    case Error::kProtocolDeviation:
      return "PROTOCOL_DEVIATION";
    case Error::kNotFound:
      return "NOT_FOUND";
    case Error::kHandleAccessDenied:
      return "HANDLE_ACCESS_DENIED";
    case Error::kNoMemory:
      return "NO_MEMORY";
    case Error::kConstraintsIntersectionEmpty:
      return "CONSTRAINTS_INTERSECTION_EMPTY";
    case Error::kPending:
      return "PENDING";
    case Error::kTooManyGroupChildCombinations:
      return "TOO_MANY_GROUP_CHILD_COMBINATIONS";
    case Error::kNoMoreStrongVmoHandles:
      return "NO_MORE_STRONG_VMO_HANDLES";
  }
  return "UNKNOWN";
}

Failure Refused(Error error, std::string rule, std::string field, std::string message) {
  return {.outcome = Outcome::kRefused,
          .error = error,
          .rule = std::move(rule),
          .field = std::move(field),
          .message = std::move(message)};
}

Failure Failed(Error error, std::string rule, std::string field, std::string message) {
  return {.outcome = Outcome::kError,
          .error = error,
          .rule = std::move(rule),
          .field = std::move(field),
          .message = std::move(message)};
}

Failure Closed(std::string message) {
  return {.outcome = Outcome::kClosed, .message = std::move(message)};
}

}  // namespace sysmem::core
