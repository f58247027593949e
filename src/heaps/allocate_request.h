// SPDX-License-Identifier: Apache-2.0
//
// What every heap does with a request first, and with a refusal last.
//
// Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "heaps/heap.h"

namespace sysmem::heaps {

// Name of the memory of a buffer that has none (BUF-5).
inline constexpr char kUnnamedBuffer[] = "Sysmem-core";

// Whether any memory can be that large. Errors: InvalidArgument for a size that is no positive
// multiple of the page size; ResourceExhausted for one that no file can have.
absl::Status CheckSize(uint64_t size_bytes);

// Whether ordinary memory can serve it. Errors: as CheckSize; Unimplemented for a physical
// alignment above a page (BUF-1), which only heaps that know physical addresses promise.
absl::Status CheckForOrdinaryMemory(const AllocateRequest& request);

// The text of `request.name` up to its first NUL (BUF-2), at most `max_bytes` of it and cut between
// two characters; `otherwise` if that is empty.
std::string NameFor(const AllocateRequest& request, size_t max_bytes,
                    std::string_view otherwise = kUnnamedBuffer);

// `status` with the buffer before it: "buffer "camera:0" of 4096 bytes: ...".
absl::Status Blame(const absl::Status& status, const std::string& name, uint64_t size_bytes);

}  // namespace sysmem::heaps
