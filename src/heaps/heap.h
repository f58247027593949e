// SPDX-License-Identifier: Apache-2.0
//
// A heap makes buffers; a buffer hands out descriptors of its memory. That is all a heap is asked,
// and the interface stays this small: a new kind of memory is one more file pair beside memfd_heap.
//
//   absl::StatusOr<std::unique_ptr<heaps::Buffer>> buffer =
//       heap.Allocate({.size_bytes = 4096, .name = "camera:0", .collection_id = 7, .index = 0});
//   absl::StatusOr<base::UniqueFd> for_reader = (*buffer)->HandOut(heaps::Access::kReadOnly);
//
// A buffer's memory lives as long as any of: the Buffer, a descriptor handed out, a mapping of one.
//
// Thread-safety: a Heap may be used from several threads at once, and so may a Buffer. A Buffer may
// outlive its Heap.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "core/heap_properties.h"
#include "heaps/buffer_identity.h"

namespace sysmem::heaps {

enum class Access { kReadOnly, kReadWrite };

class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  virtual ~Buffer() = default;

  // A new descriptor of the buffer, for one participant and one reply. When the heap reduces rights
  // (HeapProperties::reduces_rights), it is an open file description of its own that allows no more
  // than `access`; else it allows whatever the memory allows.
  virtual absl::StatusOr<base::UniqueFd> HandOut(Access access) const = 0;

  // Opens the next hand-out before somebody asks for it, if that saves time then and costs little
  // now. A hint; it may do nothing.
  virtual void OpenAhead(Access) const {}

  virtual BufferIdentity identity() const = 0;
  virtual uint64_t size_bytes() const = 0;
  // As far as the heap could use it (AllocateRequest::name).
  virtual const std::string& name() const = 0;
};

struct AllocateRequest {
  uint64_t size_bytes = 0;     // a multiple of the page size, not 0
  std::string name;            // "<collection>:<index>" (BUF-2), or empty; for people only
  uint64_t collection_id = 0;  // whose buffer it is; heaps of other processes are told
  uint32_t index = 0;
};

class Heap {
 public:
  Heap() = default;
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;
  virtual ~Heap() = default;

  // Never changes.
  virtual const core::HeapProperties& properties() const = 0;

  // Descriptors that the heap has open for what nobody has asked for yet.
  virtual uint64_t spare_descriptors() const { return 0; }

  // A buffer of zeroes, or, when the heap's properties say so (need_clear), of whatever is there.
  // May take milliseconds for large buffers; never waits for another process's good will.
  // Errors: InvalidArgument for a size that is no multiple of the page size, or 0;
  // ResourceExhausted, with the figures, when memory (or the daemon's descriptors) do not suffice,
  // which the core calls NO_MEMORY; anything else is the kernel's refusal with its errno text.
  virtual absl::StatusOr<std::unique_ptr<Buffer>> Allocate(const AllocateRequest& request) = 0;
};

}  // namespace sysmem::heaps
