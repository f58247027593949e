// SPDX-License-Identifier: Apache-2.0
//
// What the kernel lets a program do with a buffer's descriptor, tried for real.
#pragma once

#include <cstddef>
#include <sysmem/sysmem.hpp>

namespace sysmem::testing {

// No way to change a byte: neither by write, nor through a mapping, nor of the file itself.
void ExpectCannotWrite(const sysmem::Buffers& buffers, size_t index);
// And no way to a descriptor that could. Only for users who are neither root nor the daemon's.
void ExpectCannotReopen(const sysmem::Buffers& buffers, size_t index);

}  // namespace sysmem::testing
