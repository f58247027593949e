// SPDX-License-Identifier: Apache-2.0
//
// A large value that is made once and never changed, held in several places at the price of a
// pointer. It is used like std::optional<const T>, may be empty, and compares by value.
//
// As thread-safe as std::shared_ptr.
#pragma once

#include <memory>
#include <optional>
#include <utility>

namespace sysmem::core {

template <typename T>
class SharedValue {
 public:
  SharedValue() = default;
  SharedValue(std::nullopt_t) {}  // NOLINT(google-explicit-constructor)
  SharedValue(T value)            // NOLINT(google-explicit-constructor)
      : value_(std::make_shared<const T>(std::move(value))) {}
  SharedValue(std::optional<T> value)  // NOLINT(google-explicit-constructor)
      : value_(value ? std::make_shared<const T>(*std::move(value)) : nullptr) {}

  bool has_value() const { return value_ != nullptr; }
  explicit operator bool() const { return has_value(); }
  // REQUIRES: has_value()
  const T& operator*() const { return *value_; }
  const T* operator->() const { return value_.get(); }

  bool operator==(const SharedValue& other) const {
    if (value_ == other.value_) return true;
    return value_ && other.value_ && *value_ == *other.value_;
  }

 private:
  std::shared_ptr<const T> value_;
};

}  // namespace sysmem::core
