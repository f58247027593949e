// SPDX-License-Identifier: Apache-2.0
//
// A heap makes buffers; a buffer hands out descriptors of its memory. That is all a heap is asked,
// and the interface stays this small: a new kind of memory is one more file pair beside memfd_heap.
//
//   absl::StatusOr<std::unique_ptr<heaps::Buffer>> buffer =
//       heap.Allocate({.size_bytes = 4096, .name = "camera:0", .collection_id = 7, .index = 0});
//   absl::StatusOr<heaps::HandedOut> for_reader = (*buffer)->HandOut(heaps::Access::kReadOnly);
//
// A buffer's memory lives as long as any of: the Buffer, a descriptor handed out, a mapping of one.
//
// Who holds it. A hand-out is one open file description; it lives while any descriptor, duplicate
// or mapping of it lives in any process, or is on its way in a message. Every close is announced
// (WatchCloses); which hand-outs are left is then asked by their marks (MayLive), and in the end
// whether there is anybody at all (IsOnlyOurs):
//
//   if (!buffer.MayLive(mark)) ...      // this participant has let go
//   buffer.StopOpeningAhead();          // nobody will be handed anything any more
//   if (buffer.IsOnlyOurs()) { buffer.Discard(); ... }  // gone
//
// A holder can drop its mark (it then seems gone early), or put locks of its own where a mark is
// (it then seems there for as long as it does hold the memory); it cannot make IsOnlyOurs() true.
// So marks say who is asked to let go, never when memory may be called free.
//
// Thread-safety: a Heap may be used from several threads at once, and so may a Buffer. A Buffer may
// outlive its Heap.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "core/heap_properties.h"
#include "heaps/buffer_identity.h"

namespace sysmem::core {
struct SingleBufferSettings;  // core/plan.h; of interest to heaps of other processes only
}

namespace sysmem::heaps {

enum class Access { kReadOnly, kReadWrite };

// Of one hand-out of a buffer. 0: the hand-out bears none, because the heap knows no marks or a
// holder is in the way.
using Mark = uint64_t;

struct HandedOut {
  base::UniqueFd fd;
  Mark mark = 0;
  // What its descriptors are known by, where that is not the buffer's own identity.
  std::optional<BufferIdentity> identity = std::nullopt;
};

class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  virtual ~Buffer() = default;

  // A new descriptor of the buffer, for one participant and one reply. When the heap reduces rights
  // (HeapProperties::reduces_rights), it is an open file description of its own that allows no more
  // than `access`; else it allows whatever the memory allows.
  virtual absl::StatusOr<HandedOut> HandOut(Access access) const = 0;

  // As HandOut, for a weak holder: heaps may give these something of their own, by which they are
  // told from the strong ones.
  virtual absl::StatusOr<HandedOut> HandOutWeak(Access access) const { return HandOut(access); }

  // Opens the next hand-out before somebody asks for it, if that saves time then and costs little
  // now. A hint; it may do nothing.
  virtual void OpenAhead(Access) const {}
  // Closes what was opened ahead, and opens nothing ahead any more: such a description would keep
  // IsOnlyOurs() false. HandOut still works.
  virtual void StopOpeningAhead() const {}

  // Whether the hand-out with this mark may still live. Always true for mark 0, and for every mark
  // while a holder's locks make marks unreadable; then only IsOnlyOurs() tells. Once it was
  // false the hand-out has gone, although locks that holders place later can make this true again:
  // remember it.
  virtual bool MayLive(Mark) const { return true; }
  // Whether `fd`, which a client showed, is that very hand-out (the same open file description), as
  // far as marks tell. False for mark 0. REQUIRES: a memfd or a dma-buf, as for IdentityOf.
  virtual bool IsHandOut(base::BorrowedFd, Mark) const { return false; }
  // Whether nobody but this Buffer has the memory open or mapped. True is proof. What it does not
  // see: descriptors opened with O_PATH, which Discard makes worthless. REQUIRES: SIGIO is ignored.
  virtual bool IsOnlyOurs() const { return false; }
  // Frees the memory now, before the buffer is called gone: who still comes to it finds zeroes.
  virtual void Discard() const {}
  // The end of it, once nobody else has it: `done` is called when everything that belonged to it is
  // back with its heap (LIFE-4), by this thread or another one, and may destroy the buffer.
  virtual void GiveBack(std::function<void()> done) const {
    Discard();
    done();
  }

  // Adds the memory to an inotify instance, for IN_CLOSE: one event for each description of it that
  // has gone, and not before all of its descriptors and mappings have. (The event comes a moment
  // before MayLive and IsOnlyOurs change their answer.) Returns the watch descriptor, the same one
  // when it is added again. The watch goes with the memory, if it is not removed before
  // (IN_IGNORED). Errors: Unimplemented when the heap reports no end (HeapProperties::reports_end);
  // ResourceExhausted when the limit of watches is reached (fs.inotify.max_user_watches).
  virtual absl::StatusOr<int> WatchCloses(base::BorrowedFd /*inotify*/) const {
    return absl::UnimplementedError("this heap does not report that a buffer was closed");
  }

  virtual BufferIdentity identity() const = 0;
  virtual uint64_t size_bytes() const = 0;
  // Where it lies for devices, if the heap knows: in simulated physical memory.
  virtual std::optional<uint64_t> physical_address() const { return std::nullopt; }
  // As far as the heap could use it (AllocateRequest::name).
  virtual const std::string& name() const = 0;
};

// Buffers that a heap has made before anybody asked for them.
struct KeptReady {
  uint64_t buffers = 0;          // now
  uint64_t bytes = 0;            // now
  uint64_t budget_bytes = 0;     // what it would keep at most by its last reading of the memory
  uint64_t most_bytes = 0;       // what it may ever keep; 0: it keeps none
  uint64_t hits = 0;             // requests that found one
  uint64_t misses = 0;           // requests that did not, of sizes that could have been kept
  uint64_t given_back = 0;       // because memory or descriptors were short
  std::string_view why_resting;  // it makes none now; empty: it does. Of static storage.
};

// Something that a heap counts, for the inspector.
struct Figure {
  std::string name;  // snake_case, stable
  uint64_t value = 0;
  std::string unit;
  std::string description;  // one sentence
};

struct AllocateRequest {
  uint64_t size_bytes = 0;     // a multiple of the page size, not 0
  std::string name;            // "<collection>:<index>" (BUF-2), or empty; for people only
  uint64_t collection_id = 0;  // whose buffer it is; heaps of other processes are told
  uint32_t index = 0;
  // Of the physical base (BUF-1): a power of two, or 0 if nobody asked. Heaps that know no physical
  // addresses refuse what is above a page.
  uint64_t physical_alignment = 0;
};

// No maintenance until something happens, if ever (Heap::Maintain, Heap::OnMaintenanceDue).
inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

// All that were asked for, in their order, or why there is none.
using MadeBuffers = absl::StatusOr<std::vector<std::unique_ptr<Buffer>>>;

class Heap {
 public:
  using AllAllocated = std::function<void(MadeBuffers buffers)>;

  Heap() = default;
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;
  virtual ~Heap() = default;

  // Never changes.
  virtual const core::HeapProperties& properties() const = 0;

  // What stands behind it, for people; empty: its type tells. Never changes.
  virtual std::string backing() const { return ""; }

  virtual KeptReady kept_ready() const { return {}; }

  // Descriptors that the heap has open for what nobody has asked for yet.
  virtual uint64_t spare_descriptors() const { return 0; }

  virtual std::vector<Figure> figures() const { return {}; }

  // What the heap does by itself from time to time, such as looking for damage: called by one
  // thread at a time, which it may keep for milliseconds, first when the heap is put to use and
  // then at the time it returned, or somewhat later; earlier does no harm. `now_ns` is
  // CLOCK_MONOTONIC.
  virtual int64_t Maintain(int64_t /*now_ns*/) { return kNever; }
  // `due` is to be called, without locks and from any thread, when Maintain has returned kNever and
  // there is something to do again. Set before the heap is used.
  virtual void OnMaintenanceDue(std::function<void()> /*due*/) {}

  // A buffer of zeroes, or, when the heap's properties say so (need_clear), of whatever is there.
  // May take milliseconds for large buffers; never waits for another process's good will.
  // Errors: InvalidArgument for a size that is no multiple of the page size, or 0; Unimplemented
  // for an alignment it cannot promise; FailedPrecondition when the heap is not ready;
  // ResourceExhausted, with the figures, when memory (or the daemon's descriptors) do not suffice,
  // which the core calls NO_MEMORY; anything else is the kernel's refusal with its errno text.
  virtual absl::StatusOr<std::unique_ptr<Buffer>> Allocate(const AllocateRequest& request) = 0;

  // Whether AllocateAll returns at once, whatever becomes of it, and `done` is called later, by
  // another thread or by this one: the heap waits for somebody else. False: `done` is called before
  // AllocateAll returns, which takes as long as Allocate of each.
  virtual bool answers_later() const { return false; }
  // All buffers of one collection, or none: after a failure nothing of the others is left. Errors:
  // of the first one that fails, with its place among them.
  virtual void AllocateAll(std::vector<AllocateRequest> requests,
                           std::shared_ptr<const core::SingleBufferSettings> settings,
                           AllAllocated done);
};

// `why`, and which of the buffers of a collection it was.
absl::Status OfBuffer(size_t index, size_t count, uint64_t size_bytes, const absl::Status& why);

}  // namespace sysmem::heaps
