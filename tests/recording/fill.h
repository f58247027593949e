// SPDX-License-Identifier: Apache-2.0
//
// Values of the core in which no field is at its default, made without knowing the fields: for
// tests that must not miss one.
//
//   const auto event = Filler(7).Make<core::event::Wait>();
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "recording/json.h"

namespace sysmem::recording::test {

class Filler {
 public:
  explicit Filler(uint64_t seed) : next_(seed) {}

  template <typename T>
  T Make() {
    T value{};
    Fill(value);
    return value;
  }

  template <size_t kCount, typename... Fields>
  void operator()(const char* const (&)[kCount], Fields&... fields) {
    (Fill(fields), ...);
  }

 private:
  template <typename T>
  void Fill(T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      value = !value;
    } else if constexpr (std::is_enum_v<T>) {
      value = static_cast<T>(1);
    } else if constexpr (std::is_arithmetic_v<T>) {
      // Wide numbers lose something in a double, negative ones in what has no sign.
      value = static_cast<T>(std::is_signed_v<T> ? -1 - static_cast<int64_t>(++next_)
                                                 : static_cast<int64_t>(UINT64_MAX / 3 + ++next_));
    } else if constexpr (std::is_same_v<T, std::string>) {
      value = "text \"ü\" \x01 " + std::to_string(++next_);
      if (next_ % 2 == 0) value += '\xff';
    } else if constexpr (kIsOptional<T>) {
      Fill(value.emplace());
    } else if constexpr (kIsVector<T>) {
      Fill(value.emplace_back());
      Fill(value.emplace_back());
    } else if constexpr (kIsVariant<T>) {
      Fill(value.template emplace<std::variant_size_v<T> - 1>());
    } else {
      EachField(value, *this);
    }
  }

  uint64_t next_;
};

}  // namespace sysmem::recording::test
