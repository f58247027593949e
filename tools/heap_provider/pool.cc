// SPDX-License-Identifier: Apache-2.0
#include "tools/heap_provider/pool.h"

#include <sys/sendfile.h>

#include <cerrno>
#include <cstring>

#include "tools/heap_provider/text.h"

namespace sysmem::heap_provider {

void Pool::Allocate(HeapAllocation call) {
  const Key key(call.buffer_collection_id(), call.buffer_index());
  const std::optional<Slice> slice = slices_.Take(call.size_bytes());
  std::string why;
  if (!slice) {
    why = "the pool has no " + SizeText(call.size_bytes()) + " in one piece: " + Use() +
          ", the largest gap is " + SizeText(slices_.LargestGap());
  } else {
    why = Fill(call, *slice);
  }
  if (!why.empty()) {
    if (slice) slices_.GiveBack(*slice);
    Line('!', key) << "refused: " << why << std::endl;
    // An answer fails only with the session, which the main loop notices.
    static_cast<void>(std::move(call).Refuse(why));
    return;
  }
  buffers_.emplace(key, *slice);
  Line('+', key) << SizeText(slice->size) << " at " << slice->offset << "; " << Use() << std::endl;
  static_cast<void>(std::move(call).GiveOffered());
}

// Copies what the file has of the slice. This keeps the daemon's other calls to this heap waiting:
// a provider with slower work to do hands the call to another thread and answers there.
std::string Pool::Fill(const HeapAllocation& call, const Slice& slice) const {
  if (call.offered_fd() < 0) return "the daemon offered no memory";
  if (!content_) return "";
  auto from = static_cast<off_t>(slice.offset);
  const auto end = static_cast<off_t>(slice.offset + slice.size);
  while (from < end) {
    const ssize_t copied =
        ::sendfile(call.offered_fd(), content_.get(), &from, static_cast<size_t>(end - from));
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0) return std::string("reading the pool's file: ") + std::strerror(errno);
    if (copied == 0) break;  // behind the end of the file
  }
  return "";
}

void Pool::TakeBack(HeapDeletion call) {
  const Key key(call.buffer_collection_id(), call.buffer_index());
  const auto found = buffers_.find(key);
  if (found == buffers_.end()) {
    static_cast<void>(std::move(call).Fail("the pool has no such buffer"));
    return;
  }
  slices_.GiveBack(found->second);
  Line('-', key) << SizeText(found->second.size) << " at " << found->second.offset
                 << " are free again; " << Use() << std::endl;
  buffers_.erase(found);
  static_cast<void>(std::move(call).Finish());
}

std::ostream& Pool::Line(char sign, const Key& key) {
  return out_ << sign << " collection " << key.first << " buffer " << key.second << ": ";
}

std::string Pool::Use() const {
  return SizeText(slices_.taken_bytes()) + " of " + SizeText(slices_.pool_bytes()) + " in use";
}

}  // namespace sysmem::heap_provider
