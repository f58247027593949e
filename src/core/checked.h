// SPDX-License-Identifier: Apache-2.0
//
// Whole-number arithmetic that says so when a result does not fit its type.
//
//   std::optional<uint32_t> row = CheckedMul(pixel_bytes, width);
//   if (!row) return ...;
//
// Everything the negotiation computes from numbers of clients goes through here (IMG-H3, ACC-H3,
// SIZE-H1). T is an unsigned type. Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <numeric>
#include <optional>
#include <type_traits>

namespace sysmem::core {

template <typename T>
constexpr std::optional<T> CheckedAdd(T a, T b) {
  static_assert(std::is_unsigned_v<T>);
  T sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

template <typename T>
constexpr std::optional<T> CheckedMul(T a, T b) {
  static_assert(std::is_unsigned_v<T>);
  T product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// REQUIRES: multiple > 0; it need not be a power of two.
template <typename T>
constexpr T RoundDown(T value, T multiple) {
  return value - value % multiple;
}

// The smallest multiple that is not below `value`. REQUIRES: multiple > 0.
template <typename T>
constexpr std::optional<T> RoundUp(T value, T multiple) {
  const T rest = value % multiple;
  if (rest == 0) return value;
  return CheckedAdd<T>(value, multiple - rest);
}

// REQUIRES: a > 0 and b > 0.
inline std::optional<uint32_t> CheckedLcm(uint32_t a, uint32_t b) {
  return CheckedMul<uint32_t>(a / std::gcd(a, b), b);
}

// Rounded up. REQUIRES: divisor > 0.
template <typename T>
constexpr T DivideUp(T value, T divisor) {
  return value / divisor + (value % divisor != 0 ? 1 : 0);
}

// 0 is none.
template <typename T>
constexpr bool IsPowerOfTwo(T value) {
  return value != 0 && (value & (value - 1)) == 0;
}

}  // namespace sysmem::core
