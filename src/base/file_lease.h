// SPDX-License-Identifier: Apache-2.0
//
// Whether anybody else has a file open: asked by taking a lease (fcntl(2), F_SETLEASE).
//
// The kernel grants a write lease on a description only while it is the only one of the file; a
// mapping and a message in flight count, because they keep theirs. It does not count a description
// that memfd_create() returned, nor an O_PATH descriptor, which can be opened at any later time.
//
// What was found out: the lease is given back at once, yet an open() that falls in between breaks
// it, which raises SIGIO (its default kills) and makes the open wait until the lease is back; hence
// the first requirement. A lease is granted to the owner of the file and to CAP_LEASE only. While
// this process has the file open for writing nobody else is granted one, so no holder can make us
// wait.
//
// Thread-safe.
#pragma once

#include "base/unique_fd.h"

namespace sysmem::base {

// True is proof: at some moment during the call no other description of the file existed. False
// when there is one, or the kernel refuses leases. REQUIRES: SIGIO is ignored; `fd` is open for
// writing, and not from memfd_create().
bool IsOnlyDescription(BorrowedFd fd);

}  // namespace sysmem::base
