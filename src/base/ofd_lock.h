// SPDX-License-Identifier: Apache-2.0
//
// A byte of a file, locked by an open file description ("OFD locks" of fcntl(2)).
//
// Such a lock belongs to the description: all its duplicates in all processes share it, it
// conflicts with none of them, and it goes when the last of them (or the last mapping made through
// one) goes. So it tells whether a description still lives, to whoever has another one of the same
// file.
//
// What was found out: the file is not touched, and an offset far behind its end will do. A
// description that is open for reading only can lock shared, not exclusively; asking needs no
// access mode at all. Neither call here waits, so neither is interrupted. Whoever has the file open
// can place locks of his own, and learn by asking where those of others are.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "base/unique_fd.h"

namespace sysmem::base {

// Locks one byte shared ("read lock"), through and for the description of `fd`.
// REQUIRES: offset < 2^63 - 1, and `fd` is open for reading.
// Errors: Unavailable when another description holds the byte exclusively; others as fcntl().
absl::Status LockByteShared(BorrowedFd fd, uint64_t offset);

// The same exclusively ("write lock"): for a description that is open for writing, perhaps only.
// Errors: Unavailable when another description holds the byte in any way.
absl::Status LockByteExclusively(BorrowedFd fd, uint64_t offset);

// Whether a description other than that of `fd` has a lock, of whatever kind, on the byte. Nothing
// when the kernel does not say: `fd` is no file that can be locked, or O_PATH.
std::optional<bool> ByteIsLockedByAnother(BorrowedFd fd, uint64_t offset);

}  // namespace sysmem::base
