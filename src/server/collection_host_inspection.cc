// SPDX-License-Identifier: Apache-2.0
//
// A collection as the inspector sees it: looked at in slices within the turn, put together outside.
#include <algorithm>
#include <utility>

#include "base/escape.h"
#include "base/give_way.h"
#include "core/report.h"
#include "server/collection_host.h"

namespace sysmem::server {

struct CollectionHost::Inspection {
  InspectionWanted wanted;
  core::SnapshotWalk walk;
  int restarts = 0;                      // of the walk, when last seen
  NamedHolders holders;                  // of the nodes that the walk has by now
  std::vector<HolderInfo> last_holders;  // of a collection that has failed
  std::shared_ptr<BufferSet> buffers;    // each buffer takes care of its own locking
  Sight seen_by;
  std::function<void(CollectionDetail)> done;

  Inspection(InspectionWanted what, size_t nodes_per_slice)
      : wanted(what),
        walk({.first_node = what.first_item,
              .most_nodes = what.most_items,
              .story = what.explain == Explain::kYes,
              .nodes_per_slice = nodes_per_slice}) {}
};

void CollectionHost::PostInspect(InspectionWanted wanted,
                                 std::function<void(CollectionDetail)> done) {
  auto inspection = std::make_shared<Inspection>(wanted, core::SnapshotWalk::kNodesPerSlice);
  inspection->done = std::move(done);
  Post(InspectItem{std::move(inspection)});
}

void CollectionHost::PostGlance(std::function<void(CollectionGlance)> done) {
  Post(GlanceItem{std::move(done)});
}

void CollectionHost::Handle(InspectItem item) {
  const std::shared_ptr<Inspection> inspection = std::move(item.inspection);
  {
    const Holds::Measure measure(engine_.inspection_holds);
    TakeSlice(*inspection);
  }
  engine_.LookAside(inspection->wanted.viewer, [self = shared_from_this(), inspection] {
    base::GiveWay();
    if (inspection->walk.done()) {
      CollectionDetail detail = self->PutTogether(*inspection);
      base::GiveWay();
      inspection->done(std::move(detail));
    } else {
      self->Post(InspectItem{inspection});
    }
  });
}

void CollectionHost::TakeSlice(Inspection& inspection) const {
  core_.TakeSlice(inspection.walk, moves_);
  const core::Snapshot& snapshot = inspection.walk.snapshot();
  if (std::exchange(inspection.restarts, inspection.walk.restarts()) !=
      inspection.walk.restarts()) {
    inspection.holders.clear();
  }
  for (size_t i = inspection.holders.size(); i < snapshot.nodes.size(); ++i) {
    const core::NodeId node = snapshot.nodes[i].id;
    const Holder* const holder = holders_.Find(node);
    inspection.holders.emplace_back(node, holder != nullptr ? *holder : Holder{});
  }
  if (!inspection.walk.done()) return;
  inspection.last_holders = last_holders_;
  inspection.buffers = buffers_;
  inspection.seen_by = seen_by_;
}

void CollectionHost::Handle(GlanceItem item) {
  CollectionGlance glance;
  {
    const Holds::Measure measure(engine_.inspection_holds);
    glance.seen = core_.TakeGlance();
    glance.summary = {.buffer_collection_id = id_,
                      .name = glance.seen.name,
                      .state = glance.seen.state,
                      .nodes = glance.seen.nodes,
                      .connected = holders_.size(),
                      .creator = creator_,
                      .age_ns = EventLoop::NowNs() - created_ns_};
    glance.seen_by = seen_by_;
    glance.buffers = buffers_;
  }
  item.done(std::move(glance));
}

CollectionDetail CollectionHost::DescribeAtOnce() const {
  Inspection inspection({.explain = Explain::kYes, .most_items = SIZE_MAX}, SIZE_MAX);
  TakeSlice(inspection);
  return PutTogether(inspection);
}

CollectionDetail CollectionHost::PutTogether(Inspection& inspection) const {
  CollectionDetail detail;
  detail.snapshot = std::move(inspection.walk).Take();
  core::Snapshot& snapshot = detail.snapshot;
  if (snapshot.nodes.empty()) snapshot.nodes = std::exchange(snapshot.nodes_at_failure, {});
  if (inspection.wanted.explain == Explain::kYes) {
    detail.explanation = std::make_shared<core::ReportText>(
        core::TextOf(inspection.walk.story().Tell(), base::Escape));
  }
  detail.holders = std::move(inspection.last_holders);
  for (const auto& [node, holder] : inspection.holders) {
    if (holder.outbox) detail.holders.push_back(InfoOf(node, holder));
  }
  std::sort(detail.holders.begin(), detail.holders.end(),
            [](const HolderInfo& a, const HolderInfo& b) { return a.node < b.node; });
  detail.first_item = inspection.wanted.first_item;
  detail.seen_by = inspection.seen_by;
  detail.summary = {.buffer_collection_id = id_,
                    .name = snapshot.name,
                    .state = snapshot.state,
                    .nodes = snapshot.nodes_in_all,
                    .connected = snapshot.connected_in_all,
                    .creator = creator_,
                    .age_ns = EventLoop::NowNs() - created_ns_};
  if (inspection.buffers) AddBuffers(*inspection.buffers, inspection.wanted, detail);
  const uint64_t end = detail.summary.nodes + (inspection.buffers ? inspection.buffers->size() : 0);
  if (detail.first_item < end && end - detail.first_item > inspection.wanted.most_items) {
    detail.next_item = detail.first_item + inspection.wanted.most_items;
  }
  return detail;
}

// Buffers count after the nodes.
void CollectionHost::AddBuffers(const BufferSet& set, const InspectionWanted& wanted,
                                CollectionDetail& detail) {
  const BufferSet::Totals totals = set.CountLive();
  detail.summary.buffers = totals.buffers;
  detail.summary.total_bytes = totals.bytes;
  for (uint64_t i = 0; i < set.size(); ++i) {
    const uint64_t item = detail.summary.nodes + i;
    if (item < wanted.first_item || item - wanted.first_item >= wanted.most_items) continue;
    BufferInfo buffer = set.at(static_cast<uint32_t>(i)).Describe();
    if (i < detail.snapshot.buffers.size()) buffer.state = detail.snapshot.buffers[i].state;
    if (!buffer.gone) detail.buffers.push_back(std::move(buffer));
  }
}

}  // namespace sysmem::server
