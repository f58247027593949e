// SPDX-License-Identifier: Apache-2.0
//
// What /proc tells about a peer (its label) and about this process (for status reports).
//
// Thread-safe. Needs /proc.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace sysmem::base {

// The command name of a process, at most 15 bytes, exactly as that process has set it: escape it
// (base/escape.h) before it is shown. Empty when the process is gone, hidden from this one, or
// `pid` is 0. A label for people, never an identity: pids are reused and names are chosen freely.
std::string CommandName(pid_t pid);

// Descriptors open in this process.
absl::StatusOr<uint64_t> OwnDescriptorCount();

// Resident memory of this process (what it shares with others included).
absl::StatusOr<uint64_t> OwnResidentBytes();

}  // namespace sysmem::base
