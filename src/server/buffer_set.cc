// SPDX-License-Identifier: Apache-2.0
#include "server/buffer_set.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/engine.h"

namespace sysmem::server {
namespace {

core::Failure NoMemory(std::string message) {
  return core::Failed(core::Error::kNoMemory, "BUF-1", "", std::move(message));
}

}  // namespace

void BufferSet::Allocate(const std::shared_ptr<heaps::Heap>& heap,
                         const std::shared_ptr<BufferLedger>& ledger, const EngineLimits& limits,
                         uid_t owner, const core::effect::Allocate& wanted, Done done) {
  const core::Plan& plan = wanted.plan;
  const uint64_t size = plan.settings.buffer.raw_vmo_size;
  const uint64_t count = plan.buffer_count;
  auto reserved = ledger->Reserve(owner, heap->properties(), count, size);
  if (!reserved.ok()) {
    return done(
        NoMemory(absl::StrCat(count, " buffers: ", std::string(reserved.status().message()))));
  }
  const std::string up_to_nul = wanted.name.substr(0, wanted.name.find('\0'));
  std::vector<heaps::AllocateRequest> requests(count);
  std::vector<HeldBuffer::Facts> facts(count);
  const auto settings = std::make_shared<const core::SingleBufferSettings>(plan.settings);
  for (uint32_t index = 0; index < count; ++index) {
    std::string name = up_to_nul.empty() ? std::string() : absl::StrCat(up_to_nul, ":", index);
    requests[index] = {.size_bytes = size,
                       .name = name,
                       .collection_id = wanted.buffer_collection_id,
                       .index = index,
                       .physical_alignment = plan.physical_alignment.value_or(0)};
    facts[index] = {.collection_id = wanted.buffer_collection_id,
                    .index = index,
                    .name = std::move(name),
                    .owner = owner,
                    .settings = settings,
                    .tells_holders_apart = heap->properties().tells_holders_apart,
                    .max_hand_outs = limits.hand_outs_per_buffer};
  }
  auto shares = std::make_shared<std::vector<BufferLedger::Share>>(*std::move(reserved));
  heap->AllocateAll(
      std::move(requests), settings,
      [heap, ledger, shares, facts = std::move(facts),
       done = std::move(done)](heaps::MadeBuffers made) mutable {
        if (!made.ok()) return done(NoMemory(std::string(made.status().message())));
        std::shared_ptr<BufferSet> set(new BufferSet(heap));
        for (size_t i = 0; i < facts.size(); ++i) {
          set->buffers_.push_back(std::make_shared<HeldBuffer>(
              std::move((*made)[i]), std::move(facts[i]), ledger, std::move((*shares)[i])));
        }
        for (const auto& buffer : set->buffers_) ledger->Know(buffer->identity(), buffer);
        done(std::move(set));
      });
}

void BufferSet::Listen(const Listener& listener) {
  for (uint32_t index = 0; index < buffers_.size(); ++index) {
    buffers_[index]->Listen(
        {.ended = [ended = listener.ended, index](core::CallId call) { ended(call, index); },
         .gone = [gone = listener.gone, index] { gone(index); },
         .run_aside = listener.run_aside});
  }
}

void BufferSet::Watch(LastClose& last_close) {
  for (const auto& buffer : buffers_) buffer->Watch(last_close);
}

void BufferSet::OpenAhead() const {
  const heaps::Access access = last_access_.load(std::memory_order_relaxed);
  for (const auto& buffer : buffers_) buffer->OpenAhead(access);
}

void BufferSet::LetGo() {
  for (const auto& buffer : buffers_) buffer->LetGo();
}

BufferSet::Totals BufferSet::CountLive() const {
  Totals totals;
  for (const auto& buffer : buffers_) {
    if (buffer->IsGone()) continue;
    ++totals.buffers;
    totals.bytes += buffer->size_bytes();
  }
  return totals;
}

PromisedBuffers::PromisedBuffers(std::shared_ptr<BufferSet> set, uint32_t first,
                                 std::vector<core::BufferShare> shares, core::CallId call,
                                 Recipient recipient)
    : set_(std::move(set)),
      first_(first),
      shares_(std::move(shares)),
      call_(call),
      hand_out_{.rights = recipient.rights,
                .read_only = recipient.access == heaps::Access::kReadOnly,
                .read_only_enforced = recipient.read_only_enforced,
                .heap = set_->heap_properties()} {
  const auto shared = std::make_shared<const Recipient>(std::move(recipient));
  for (uint32_t i = 0; i < shares_.size(); ++i) {
    if (!shares_[i].vmo) continue;
    set_->at(first_ + i).Promise(call_, shared);
    set_->NoteWanted(shared->access);
  }
}

PromisedBuffers& PromisedBuffers::operator=(PromisedBuffers&& other) noexcept {
  if (this == &other) return *this;
  AbandonRest();
  set_ = std::move(other.set_);
  first_ = other.first_;
  shares_ = std::move(other.shares_);
  call_ = other.call_;
  hand_out_ = std::move(other.hand_out_);
  return *this;
}

void PromisedBuffers::AbandonRest() {
  if (!set_) return;
  for (uint32_t i = 0; i < shares_.size(); ++i) {
    if (shares_[i].vmo) set_->at(first_ + i).Abandon(call_);
  }
}

absl::StatusOr<std::vector<PromisedBuffers::Opened>> PromisedBuffers::Open() {
  std::vector<Opened> all(shares_.size());
  for (uint32_t i = 0; i < shares_.size(); ++i) {
    HeldBuffer& buffer = set_->at(first_ + i);
    if (shares_[i].vmo) {
      absl::StatusOr<base::UniqueFd> vmo = buffer.HandOut(call_);
      if (!vmo.ok()) return vmo.status();
      all[i].vmo = *std::move(vmo);
    }
    if (shares_[i].close_weak_asap) {
      absl::StatusOr<base::UniqueFd> end = buffer.CloseWeakAsapEnd();
      if (!end.ok()) return end.status();
      all[i].close_weak_asap = *std::move(end);
    }
  }
  return all;
}

uint64_t PromisedBuffers::count() const {
  uint64_t count = 0;
  for (const core::BufferShare& share : shares_) count += share.vmo + share.close_weak_asap;
  return count;
}

}  // namespace sysmem::server
