// SPDX-License-Identifier: Apache-2.0
//
// Why a call has no result, inside the library: a value that becomes a sysmem_failure object only
// where it leaves through the C interface.
//
//   Outcome<uint64_t> id = GetId(...);
//   if (!id.ok()) return Report(id.failure(), failure_out);
//
// Thread-safety: values.
#pragma once

#include <sysmem/failure.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "sysmem2/failure.pb.h"

namespace sysmem::client {

struct Participant {
  std::string name;
  std::string value;
  std::string command;
  int64_t pid = -1;
  int64_t uid = -1;
  uint64_t node_id = 0;
};

struct Failure {
  sysmem_status status = SYSMEM_ERROR;
  uint32_t error = SYSMEM_ERROR_NONE;
  std::string rule;
  std::string field;
  std::string message;
  std::string report;
  int system_errno = 0;
  std::vector<Participant> participants;
};

Failure InvalidArgument(std::string_view field, std::string message);
Failure Disconnected(std::string message);
Failure TimedOut(std::string message);
// A system call that failed: `errno_value` and what was being done.
Failure SystemFailure(int errno_value, std::string_view what);
// An error of the base room.
Failure FromStatus(sysmem_status status, const absl::Status& error);
// What the daemon said.
Failure FromWire(const sysmem2::Failure& failure);
// Its last message, a SessionEnded in `body`, told after `what`: SYSMEM_DISCONNECTED, with the
// errno EDQUOT when a cap was the reason.
Failure FromSessionEnded(std::string what, const std::string& body);

// Either a value or the Failure that took its place.
template <typename T>
class [[nodiscard]] Outcome {
 public:
  Outcome(T value) : state_(std::move(value)) {}            // NOLINT(google-explicit-constructor)
  Outcome(Failure failure) : state_(std::move(failure)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  // REQUIRES: ok()
  T& value() { return std::get<0>(state_); }
  const T& value() const { return std::get<0>(state_); }
  T& operator*() { return value(); }
  T* operator->() { return &value(); }
  // REQUIRES: !ok()
  Failure& failure() { return std::get<1>(state_); }
  const Failure& failure() const { return std::get<1>(state_); }

 private:
  std::variant<T, Failure> state_;
};

struct Done {};

// Makes the object for the caller (unless `out` is NULL) and returns its status.
sysmem_status Report(Failure failure, sysmem_failure** out);

// A failure as the object that callbacks are shown.
class FailureView {
 public:
  explicit FailureView(Failure failure);
  ~FailureView();
  FailureView(const FailureView&) = delete;
  FailureView& operator=(const FailureView&) = delete;
  const sysmem_failure* get() const { return object_; }

 private:
  sysmem_failure* object_ = nullptr;
};

}  // namespace sysmem::client
