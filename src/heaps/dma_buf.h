// SPDX-License-Identifier: Apache-2.0
//
// A buffer that is a dma-buf: memory that devices can import, whoever made it.
//
//   absl::StatusOr<std::unique_ptr<DmaBufBuffer>> buffer =
//       DmaBufBuffer::Adopt(std::move(dma_buf), "camera:0");
//
// What Linux allows is less than for a memfd. A dma-buf cannot be opened anew, so all hand-outs are
// duplicates of one open file description: they cannot be told apart (mark 0), and each allows what
// the description allows (HeapProperties::tells_holders_apart and reduces_rights are false). Its
// closing is announced nowhere (WatchCloses is Unimplemented). But the kernel says how many
// references there are, in /proc/self/fdinfo: descriptors, duplicates, mappings, messages in flight
// and the imports of devices. While it is one, that one is ours, and nobody can get another:
// IsOnlyOurs (reports_end is true; somebody has to ask from time to time).
//
// Nothing is discarded at the end: there is no way back to a dma-buf but through its references.
//
// Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "heaps/heap.h"

namespace sysmem::heaps {

// The kernel's limit on the name of a dma-buf; what is longer is cut between two characters.
inline constexpr size_t kMaxDmaBufNameBytes = 31;

// How many references to a dma-buf there are, over all processes and devices, a descriptor's own
// included. The kernel's own short-lived ones count too, so it may say too many, never too few.
// Nothing if it is no dma-buf, or /proc is not there.
std::optional<uint64_t> DmaBufReferences(base::BorrowedFd dma_buf);
// The same from the text of an fdinfo file. Any holder may name a dma-buf as he likes, and the name
// stands behind the count: only the first line of that kind is the kernel's.
std::optional<uint64_t> ReferencesInFdinfo(std::string_view fdinfo);

// Maps it and writes zeroes all over, with the CPU's caches in order. Errors: PermissionDenied and
// others, as mmap: memory that the CPU cannot reach.
absl::Status ClearDmaBuf(base::BorrowedFd dma_buf, uint64_t size_bytes);

class DmaBufBuffer final : public Buffer {
 public:
  // Takes a dma-buf of which nobody else has a reference, or whose other holders are to count as
  // holders. It is given `name` as far as the kernel likes that.
  // Errors: InvalidArgument when it is no dma-buf; FailedPrecondition when /proc is not mounted.
  static absl::StatusOr<std::unique_ptr<DmaBufBuffer>> Adopt(base::UniqueFd dma_buf,
                                                             std::string name);

  absl::StatusOr<HandedOut> HandOut(Access access) const override;
  bool IsOnlyOurs() const override;

  BufferIdentity identity() const override { return identity_; }
  uint64_t size_bytes() const override { return size_bytes_; }
  const std::string& name() const override { return name_; }

 private:
  DmaBufBuffer(base::UniqueFd dma_buf, std::string name, BufferIdentity identity,
               uint64_t size_bytes);

  const base::UniqueFd dma_buf_;
  const std::string name_;
  const BufferIdentity identity_;
  const uint64_t size_bytes_;
};

}  // namespace sysmem::heaps
