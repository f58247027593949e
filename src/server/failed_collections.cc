// SPDX-License-Identifier: Apache-2.0
#include "server/failed_collections.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sysmem::server {
namespace {

size_t BytesOf(const core::Constraints& constraints) {
  size_t bytes = sizeof(constraints);
  for (const core::ImageFormatConstraints& image : constraints.image_formats) {
    bytes += sizeof(image) + image.pixel_format_and_modifiers.size() * 16 +
             image.color_spaces.size() * 4 + image.required_max_size_list.size() * 8;
  }
  if (constraints.memory && constraints.memory->permitted_heaps) {
    for (const core::HeapWish& heap : *constraints.memory->permitted_heaps) {
      bytes += sizeof(heap) + heap.type.value_or("").size();
    }
  }
  return bytes;
}

size_t BytesOf(const core::Failure& failure) {
  size_t bytes = failure.message.size() + failure.field.size();
  for (const core::ParticipantValue& one : failure.participants) {
    bytes += sizeof(one) + one.name.size() + one.value.size();
  }
  return bytes;
}

// About what it takes: what clients can make large is counted.
size_t BytesOf(const CollectionDetail& detail) {
  size_t bytes = sizeof(detail) + detail.summary.name.size() + detail.snapshot.name.size();
  for (const HolderInfo& holder : detail.holders) {
    bytes += sizeof(holder) + holder.peer.command.size() + holder.peer.library.size();
  }
  for (const core::NodeSnapshot& node : detail.snapshot.nodes) {
    bytes += sizeof(node) + node.debug.name.size();
    if (node.constraints) bytes += BytesOf(*node.constraints);
  }
  if (detail.snapshot.failure) bytes += BytesOf(*detail.snapshot.failure);
  if (detail.explanation) bytes += detail.explanation->text.size();
  return bytes;
}

// Each page shows it, so it is cut to what failure.proto promises. Thousands may have said the
// same.
void Cut(core::Failure& failure) {
  failure.report = nullptr;  // names all of them again; its text is the explanation
  std::vector<core::ParticipantValue>& all = failure.participants;
  if (all.size() <= FailedCollections::kMostParticipants) return;
  absl::StrAppend(&failure.message, " (and ", all.size() - FailedCollections::kMostParticipants,
                  " more participants)");
  all.resize(FailedCollections::kMostParticipants);
  all.shrink_to_fit();
}

}  // namespace

void FailedCollections::Keep(CollectionDetail detail, int64_t now_ns) {
  if (detail.snapshot.failure) Cut(*detail.snapshot.failure);
  size_t bytes = BytesOf(detail);
  if (bytes > kMostBytes) {  // its nodes are too many, but its explanation is not
    detail.snapshot.nodes.clear();
    detail.holders.clear();
    bytes = BytesOf(detail);
  }
  auto whole = std::make_shared<const CollectionDetail>(std::move(detail));
  std::lock_guard lock(mutex_);
  kept_.push_back({std::move(whole), now_ns, bytes});
  bytes_ += bytes;
  while (kept_.size() > kMost || bytes_ > kMostBytes) {
    bytes_ -= kept_.front().bytes;
    kept_.pop_front();
  }
}

std::optional<FailedCollections::Found> FailedCollections::Find(uint64_t buffer_collection_id,
                                                                int64_t now_ns) const {
  std::lock_guard lock(mutex_);
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) {
    return kept.detail->summary.buffer_collection_id == buffer_collection_id;
  });
  if (found == kept_.end()) return std::nullopt;
  return Found{found->detail, now_ns - found->since_ns};
}

std::vector<FailedCollections::Found> FailedCollections::All(int64_t now_ns) const {
  std::lock_guard lock(mutex_);
  std::vector<Found> all;
  for (const Kept& kept : kept_) all.push_back({kept.detail, now_ns - kept.since_ns});
  return all;
}

}  // namespace sysmem::server
