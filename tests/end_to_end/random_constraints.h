// SPDX-License-Identifier: Apache-2.0
//
// Constraints as chance will have them, and whether an outcome is what they ask for.
//
//   Chance chance(seed);
//   const sysmem::Constraints needs = Changed(Reasonable(chance), chance);
//   ...
//   EXPECT_THAT(Complaints(needs, *buffers), IsEmpty());
//
// What checks an outcome here knows nothing of how it was negotiated: each field is held against
// what proto/sysmem2/constraints.proto promises the one who said it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <string>
#include <sysmem/sysmem.hpp>
#include <vector>

namespace sysmem::testing {

class Chance {
 public:
  explicit Chance(uint64_t seed) : random_(seed) {}

  size_t Below(size_t end) { return std::uniform_int_distribution<size_t>(0, end - 1)(random_); }
  bool OneIn(size_t cases) { return Below(cases) == 0; }
  template <typename T>
  T Of(std::initializer_list<T> values) {
    return *(values.begin() + Below(values.size()));
  }

 private:
  std::mt19937_64 random_;
};

// What might well be asked for.
sysmem::Constraints Reasonable(Chance& chance);
// The same with up to four fields changed: to numbers that are often mistaken, to contradictions,
// or to being absent.
sysmem::Constraints Changed(sysmem::Constraints constraints, Chance& chance);

// In what respect these buffers are not what their participant asked for; empty if they are.
std::vector<std::string> Complaints(const sysmem::Constraints& needs,
                                    const sysmem::Buffers& buffers);

}  // namespace sysmem::testing
