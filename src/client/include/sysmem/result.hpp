// SPDX-License-Identifier: Apache-2.0
//
// Outcomes, deadlines and descriptors in C++: the vocabulary of the wrapper in <sysmem/sysmem.hpp>.
//
//   sysmem::Result<sysmem::Buffers> buffers = collection.Wait(5s);
//   if (!buffers.ok()) return Complain(buffers.failure().ToString());
//   Use(*buffers);
//
// Nothing here throws. Thread-safety: values; as any ordinary object.
#pragma once

#include <sysmem/client.h>
#include <sysmem/failure.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace sysmem {

// Why a call has no result; failure.h says what each means.
enum class Status : int {
  kError = SYSMEM_ERROR,
  kClosed = SYSMEM_CLOSED,
  kRefused = SYSMEM_REFUSED,
  kCancelled = SYSMEM_CANCELLED,
  kUnimplemented = SYSMEM_UNIMPLEMENTED,
  kTimeout = SYSMEM_TIMEOUT,
  kDisconnected = SYSMEM_DISCONNECTED,
  kUnreachable = SYSMEM_UNREACHABLE,
  kInvalidArgument = SYSMEM_INVALID_ARGUMENT,
  kSystem = SYSMEM_SYSTEM,
};

// The errors of fuchsia.sysmem2; kNone unless the status is kError or kRefused.
enum class Error : uint32_t {
  kNone = SYSMEM_ERROR_NONE,
  kUnspecified = SYSMEM_ERROR_UNSPECIFIED,
  kProtocolDeviation = SYSMEM_ERROR_PROTOCOL_DEVIATION,
  kNotFound = SYSMEM_ERROR_NOT_FOUND,
  kHandleAccessDenied = SYSMEM_ERROR_HANDLE_ACCESS_DENIED,
  kNoMemory = SYSMEM_ERROR_NO_MEMORY,
  kConstraintsIntersectionEmpty = SYSMEM_ERROR_CONSTRAINTS_INTERSECTION_EMPTY,
  kPending = SYSMEM_ERROR_PENDING,
  kTooManyGroupChildCombinations = SYSMEM_ERROR_TOO_MANY_GROUP_CHILD_COMBINATIONS,
  kNoMoreStrongVmoHandles = SYSMEM_ERROR_NO_MORE_STRONG_VMO_HANDLES,
};

// One participant of a conflict and the value it gave for the field in question.
struct Participant {
  std::string name;
  std::string value;
  std::string command;
  std::optional<int64_t> pid;  // unset where one may not see it; likewise below
  std::optional<int64_t> uid;
  std::optional<uint64_t> node_id;
};

// Everything known about why there is no result; fields as in failure.h.
struct Failure {
  Status status = Status::kError;
  Error error = Error::kNone;
  std::string rule;
  std::string field;
  std::string message;
  std::string report;
  int system_errno = 0;
  std::vector<Participant> participants;
  std::string text;  // all of it for a person, control characters escaped

  const std::string& ToString() const { return text; }
};

// A value, or the Failure that took its place. Like std::expected (C++23).
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}            // NOLINT(google-explicit-constructor)
  Result(Failure failure) : state_(std::move(failure)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  // REQUIRES: ok()
  T& value() & { return *std::get_if<0>(&state_); }
  const T& value() const& { return *std::get_if<0>(&state_); }
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  // REQUIRES: !ok()
  const Failure& failure() const& { return *std::get_if<1>(&state_); }
  Failure&& failure() && { return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, Failure> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Failure failure) : failure_(std::move(failure)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return !failure_.has_value(); }
  explicit operator bool() const { return ok(); }
  // REQUIRES: !ok()
  const Failure& failure() const& { return *failure_; }
  Failure&& failure() && { return *std::move(failure_); }

 private:
  std::optional<Failure> failure_;
};

// By when a call must be done. Made from a span of time (from now) or a point in time:
// `collection.Wait(5s)`, `collection.Wait(sysmem::Deadline::Never())`.
class Deadline {
 public:
  template <typename Rep, typename Period>
  Deadline(std::chrono::duration<Rep, Period> from_now)  // NOLINT(google-explicit-constructor)
      : ns_(sysmem_deadline_after(
            std::chrono::duration_cast<std::chrono::nanoseconds>(from_now).count())) {}
  Deadline(std::chrono::steady_clock::time_point when)  // NOLINT(google-explicit-constructor)
      : ns_(std::chrono::duration_cast<std::chrono::nanoseconds>(when.time_since_epoch()).count()) {
  }
  static Deadline Never() { return Deadline(SYSMEM_NO_DEADLINE); }
  // Look, but do not wait.
  static Deadline Passed() { return Deadline(SYSMEM_NO_WAIT); }

  int64_t ns() const { return ns_; }

 private:
  explicit Deadline(int64_t ns) : ns_(ns) {}
  int64_t ns_;  // CLOCK_MONOTONIC, which is std::chrono::steady_clock on Linux
};

// For calls that a daemon in good health answers at once.
inline constexpr std::chrono::seconds kPromptly{5};

// Owner of one file descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd() { reset(); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;

  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

namespace detail {

inline Participant ToParticipant(const sysmem_participant& from) {
  Participant participant{.name = from.name, .value = from.value, .command = from.command};
  if (from.pid >= 0) participant.pid = from.pid;
  if (from.uid >= 0) participant.uid = from.uid;
  if (from.node_id != 0) participant.node_id = from.node_id;
  return participant;
}

inline Failure ToFailure(const sysmem_failure* from) {
  Failure failure{.status = static_cast<Status>(sysmem_failure_status(from)),
                  .error = static_cast<Error>(sysmem_failure_error(from)),
                  .rule = sysmem_failure_rule(from),
                  .field = sysmem_failure_field(from),
                  .message = sysmem_failure_message(from),
                  .report = sysmem_failure_report(from),
                  .system_errno = sysmem_failure_errno(from)};
  for (size_t i = 0; i < sysmem_failure_participant_count(from); ++i) {
    failure.participants.push_back(ToParticipant(*sysmem_failure_participant(from, i)));
  }
  char* text = sysmem_failure_describe(from);
  failure.text = text;
  sysmem_string_free(text);
  return failure;
}

// Collects the outcome of one call: `return call.Finish(sysmem_x(..., call.out()))`.
class Call {
 public:
  Call() = default;
  ~Call() { sysmem_failure_free(failure_); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  sysmem_failure** out() { return &failure_; }
  Failure TakeFailure() const { return ToFailure(failure_); }
  Result<void> Finish(sysmem_status status) const {
    if (status != SYSMEM_OK) return TakeFailure();
    return {};
  }

 private:
  sysmem_failure* failure_ = nullptr;
};

}  // namespace detail
}  // namespace sysmem
