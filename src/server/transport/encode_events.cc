// SPDX-License-Identifier: Apache-2.0
#include "server/transport/encode.h"
#include "server/transport/text.h"

namespace sysmem::server::transport {
namespace {

sysmem2::EventKind KindOf(WatchKind kind) {
  switch (kind) {
    case WatchKind::kSessionOpened:
      return sysmem2::EVENT_KIND_SESSION_OPENED;
    case WatchKind::kSessionEnded:
      return sysmem2::EVENT_KIND_SESSION_ENDED;
    case WatchKind::kCollectionBegun:
      return sysmem2::EVENT_KIND_COLLECTION_BEGUN;
    case WatchKind::kCollectionNamed:
      return sysmem2::EVENT_KIND_COLLECTION_NAMED;
    case WatchKind::kCollectionFailed:
      return sysmem2::EVENT_KIND_COLLECTION_FAILED;
    case WatchKind::kCollectionEnded:
      return sysmem2::EVENT_KIND_COLLECTION_ENDED;
    case WatchKind::kNodeMade:
      return sysmem2::EVENT_KIND_NODE_MADE;
    case WatchKind::kNodeBound:
      return sysmem2::EVENT_KIND_NODE_BOUND;
    case WatchKind::kNodeReady:
      return sysmem2::EVENT_KIND_NODE_READY;
    case WatchKind::kNodeReleased:
      return sysmem2::EVENT_KIND_NODE_RELEASED;
    case WatchKind::kNodeClosed:
      return sysmem2::EVENT_KIND_NODE_CLOSED;
    case WatchKind::kNodeFailed:
      return sysmem2::EVENT_KIND_NODE_FAILED;
    case WatchKind::kAllocationBegun:
      return sysmem2::EVENT_KIND_ALLOCATION_BEGUN;
    case WatchKind::kAllocationSucceeded:
      return sysmem2::EVENT_KIND_ALLOCATION_SUCCEEDED;
    case WatchKind::kAllocationFailed:
      return sysmem2::EVENT_KIND_ALLOCATION_FAILED;
    case WatchKind::kAllocationSlow:
      return sysmem2::EVENT_KIND_ALLOCATION_SLOW;
    case WatchKind::kBufferGone:
      return sysmem2::EVENT_KIND_BUFFER_GONE;
    case WatchKind::kWeakBufferHeld:
      return sysmem2::EVENT_KIND_WEAK_BUFFER_HELD;
    case WatchKind::kHeapUsable:
      return sysmem2::EVENT_KIND_HEAP_USABLE;
    case WatchKind::kHeapUnusable:
      return sysmem2::EVENT_KIND_HEAP_UNUSABLE;
    case WatchKind::kProviderCame:
      return sysmem2::EVENT_KIND_PROVIDER_CAME;
    case WatchKind::kProviderWent:
      return sysmem2::EVENT_KIND_PROVIDER_WENT;
    case WatchKind::kLimitReached:
      return sysmem2::EVENT_KIND_LIMIT_REACHED;
  }
  return sysmem2::EVENT_KIND_UNSPECIFIED;
}

void EncodeOne(const WatchEvent& from, sysmem2::WatchEvent* to) {
  to->set_time_ns(from.time_ns);
  to->set_kind(KindOf(from.kind));
  if (from.buffer_collection_id != 0) to->set_buffer_collection_id(from.buffer_collection_id);
  to->set_collection_name(ValidUtf8(from.collection_name));
  if (from.node != 0) to->set_node_id(from.node);
  if (from.node_kind) to->set_node_kind(EncodeKind(*from.node_kind));
  to->set_debug_name(ValidUtf8(from.debug_name));
  if (from.session_id != 0) to->set_session_id(from.session_id);
  if (from.peer.known) Encode(from.peer, to->mutable_peer());
  if (from.buffers != 0) to->set_buffers(from.buffers);
  if (from.bytes != 0) to->set_bytes(from.bytes);
  if (!from.heap.type.empty()) Encode(from.heap, to->mutable_heap());
  if (from.duration_ns) to->set_duration_ns(*from.duration_ns);
  if (from.buffer_index) to->set_buffer_index(*from.buffer_index);
  if (from.error != core::Error::kUnspecified) {
    to->set_error(static_cast<sysmem2::Error>(from.error));
  }
  to->set_rule(from.rule);
  to->set_message(ValidUtf8(from.message));
}

}  // namespace

void Encode(const WatchedEvents& from, sysmem2::NextEventsResult* to) {
  for (const WatchedEvents::Numbered& one : from.events) {
    sysmem2::WatchEvent* const event = to->add_events();
    event->set_number(one.number);
    EncodeOne(one.event, event);
  }
  to->set_next_after(from.next_after);
  to->set_lost(from.lost);
}

}  // namespace sysmem::server::transport
