// SPDX-License-Identifier: Apache-2.0
//
// What kind of thing a foreign descriptor is.
//
// Nothing here asks the file itself, not even with fstat(): a file of a FUSE mount would send that
// question to the process that serves the mount, which may be the very one that sent the descriptor
// and may never answer. The kernel objects accepted here answer by themselves, and names that
// anybody could give to a file of their own ("/memfd:x") are never believed alone.
//
// Thread-safe. Needs /proc.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace sysmem::base {

enum class DescriptorKind {
  kUnixSocket,
  kPipe,   // either end of an anonymous pipe; a named FIFO is kOther
  kMemfd,  // of ordinary pages; one of huge pages is kOther
  kDmaBuf,
  kOther,  // whatever else, O_PATH descriptors of the kinds above, and closed numbers
};

// "unix socket", "pipe", "memfd", "dma-buf", "other".
std::string_view DescriptorKindName(DescriptorKind kind);

DescriptorKind ClassifyDescriptor(BorrowedFd fd);

// Whether the link /proc/self/fd/N and the text of /proc/self/fdinfo/N are those of a dma-buf. The
// link alone proves nothing; the lines that a dma-buf driver adds to its fdinfo do.
bool LooksLikeDmaBuf(std::string_view link, std::string_view fdinfo);

}  // namespace sysmem::base
