// SPDX-License-Identifier: Apache-2.0
//
// The recipes that conformance tests are written in: constraints and ways to collections, under the
// names the conformance list gives them.
#pragma once

#include <cstdint>
#include <limits>
#include <sysmem/sysmem.hpp>
#include <utility>
#include <vector>

#include "tests/end_to_end/library_fixture.h"

namespace sysmem::testing {

inline constexpr uint32_t kCpuReadWrite =
    SYSMEM_CPU_USAGE_READ_OFTEN | SYSMEM_CPU_USAGE_WRITE_OFTEN;
inline constexpr uint32_t kMax32 = std::numeric_limits<uint32_t>::max();
inline constexpr uint64_t kPage = 4096;

// Memory for the CPU domain alone.
sysmem::MemoryConstraints CpuOnly(uint64_t min_bytes, std::optional<uint64_t> max_bytes = {});
// K-PICKY: one buffer of exactly this size.
sysmem::Constraints Picky(uint64_t bytes);
// K-CAMP: `count` buffers of one page.
sysmem::Constraints Camp(uint32_t count);
// K-NV12: three NV12 images of at least 256 x 256.
sysmem::Constraints Nv12();
// An image of this format and colour space, without any size.
sysmem::ImageConstraints Image(uint32_t format, uint32_t color_space);
// OPEN-TAIL: no upper bounds.
void OpenTail(sysmem::ImageConstraints& image);

// Whether every byte that can be read of a buffer is zero.
bool IsZero(const sysmem::Buffers& buffers, size_t index);

class Conformance : public LibraryTest {
 protected:
  // R-SINGLE: a token, bound at once.
  sysmem::Collection Single();
  // R-SINGLE, constraints, wait.
  sysmem::Result<sysmem::Buffers> Allocate(const sysmem::Constraints& constraints);
  // BASIC: K-NV12 with a change. True iff buffers come, and come zeroed.
  bool Basic(const std::function<void(sysmem::Constraints&)>& change);
};

}  // namespace sysmem::testing
