// SPDX-License-Identifier: Apache-2.0
#include "server/buffer_set.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace sysmem::server {
namespace {

core::Failure NoMemory(std::string message) {
  core::Failure failure;
  failure.error = core::Error::kNoMemory;
  failure.rule = "BUF-1";
  failure.message = std::move(message);
  return failure;
}

}  // namespace

bool BufferLedger::Reserve(uint64_t count, uint64_t bytes) {
  uint64_t held = buffers_.load();
  do {
    if (count > max_buffers_ || held > max_buffers_ - count) return false;
  } while (!buffers_.compare_exchange_weak(held, held + count));
  bytes_ += bytes;
  return true;
}

void BufferLedger::Release(uint64_t count, uint64_t bytes) {
  buffers_ -= count;
  bytes_ -= bytes;
}

BufferSet::BufferSet(std::shared_ptr<heaps::Heap> heap, std::shared_ptr<BufferLedger> ledger,
                     uid_t owner)
    : heap_(std::move(heap)), ledger_(std::move(ledger)), owner_(owner) {}

BufferSet::~BufferSet() {
  ledger_->known().LetGo(Identities(), owner_, hand_outs_ > 0);
  buffers_.clear();
  ledger_->Release(reserved_buffers_, reserved_bytes_);
}

core::Result<std::shared_ptr<const BufferSet>> BufferSet::Allocate(
    std::shared_ptr<heaps::Heap> heap, std::shared_ptr<BufferLedger> ledger, uid_t owner,
    const core::effect::Allocate& wanted) {
  const core::Plan& plan = wanted.plan;
  const uint64_t size = plan.settings.buffer.raw_vmo_size;
  const uint64_t count = plan.buffer_count;
  // Both factors were bounded by the planner (4.8, 4.9).
  const uint64_t bytes = size * count;
  if (!ledger->Reserve(count, bytes)) {
    return NoMemory(absl::StrCat(count, " more buffers would exceed the daemon's limit of ",
                                 ledger->max_buffers(), " (it holds ", ledger->buffers(),
                                 "); the limit follows RLIMIT_NOFILE"));
  }
  std::shared_ptr<BufferSet> set(new BufferSet(heap, ledger, owner));
  set->reserved_buffers_ = count;
  set->reserved_bytes_ = bytes;
  const std::string up_to_nul = wanted.name.substr(0, wanted.name.find('\0'));
  for (uint32_t index = 0; index < plan.buffer_count; ++index) {
    heaps::AllocateRequest request;
    request.size_bytes = size;
    request.name = up_to_nul.empty() ? std::string() : absl::StrCat(up_to_nul, ":", index);
    request.collection_id = wanted.buffer_collection_id;
    request.index = index;
    auto buffer = heap->Allocate(request);
    if (!buffer.ok()) {
      return NoMemory(absl::StrCat("buffer ", index, " of ", count, " (", size,
                                   " bytes each): ", std::string(buffer.status().message())));
    }
    set->buffers_.push_back(std::move(*buffer));
    set->names_.push_back(std::move(request.name));
  }
  ledger->known().Add(set->Identities(),
                      std::make_shared<const core::SingleBufferSettings>(plan.settings));
  return std::shared_ptr<const BufferSet>(std::move(set));
}

std::vector<heaps::BufferIdentity> BufferSet::Identities() const {
  std::vector<heaps::BufferIdentity> identities;
  identities.reserve(buffers_.size());
  for (const auto& buffer : buffers_) identities.push_back(buffer->identity());
  return identities;
}

absl::StatusOr<std::vector<base::UniqueFd>> BufferSet::HandOutAll(bool writable) const {
  std::vector<base::UniqueFd> made;
  made.reserve(buffers_.size());
  for (const auto& buffer : buffers_) {
    auto hand_out =
        buffer->HandOut(writable ? heaps::Access::kReadWrite : heaps::Access::kReadOnly);
    if (!hand_out.ok()) return hand_out.status();
    made.push_back(std::move(hand_out->fd));
  }
  hand_outs_.fetch_add(1, std::memory_order_relaxed);
  last_was_writable_.store(writable, std::memory_order_relaxed);
  return made;
}

void BufferSet::OpenAhead() const {
  const bool writable = last_was_writable_.load(std::memory_order_relaxed);
  for (const auto& buffer : buffers_) {
    buffer->OpenAhead(writable ? heaps::Access::kReadWrite : heaps::Access::kReadOnly);
  }
}

std::vector<BufferInfo> BufferSet::Describe() const {
  std::vector<BufferInfo> infos;
  infos.reserve(buffers_.size());
  for (const auto& buffer : buffers_) {
    BufferInfo info;
    info.index = infos.size();
    info.name = names_[info.index];
    info.device = buffer->identity().device;
    info.inode = buffer->identity().inode;
    info.size_bytes = buffer->size_bytes();
    info.hand_outs = hand_outs_.load(std::memory_order_relaxed);
    infos.push_back(std::move(info));
  }
  return infos;
}

}  // namespace sysmem::server
