// SPDX-License-Identifier: Apache-2.0
//
// What was negotiated, in words.
#pragma once

#include <sysmem/sysmem.hpp>

#include "tools/demo/status.h"

namespace sysmem::demo {

// One line "RESULT label: text" for each aspect: format, size, rows, buffers, heap.
// REQUIRES: the buffers hold images.
void ReportNegotiation(const StatusWriter& status, const Buffers& buffers,
                       const ImageLayout& layout, Size visible);

// 1234567 as "1,234,567".
std::string Grouped(uint64_t number);

}  // namespace sysmem::demo
