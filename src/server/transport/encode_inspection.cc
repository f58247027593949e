// SPDX-License-Identifier: Apache-2.0
#include "server/transport/encode.h"
#include "server/transport/text.h"

namespace sysmem::server::transport {
namespace {

void EncodeEnd(const SessionInfo& from, sysmem2::SessionEnded* to) {
  sysmem2::SessionEndReason reason = sysmem2::SESSION_END_REASON_UNSPECIFIED;
  // Stays UNSPECIFIED for a name that the protocol does not know.
  sysmem2::SessionEndReason_Parse("SESSION_END_REASON_" + from.end_reason, &reason);
  to->set_reason(reason);
  to->set_message(ValidUtf8(from.end_message));
}

void Encode(const NamedCounter& from, sysmem2::Counter* to) {
  to->set_name(from.name);
  to->set_value(from.value);
  to->set_unit(from.unit);
  to->set_description(from.description);
}

void Encode(const UserTotals& from, sysmem2::UserTotals* to) {
  to->set_uid(from.uid);
  to->set_live_buffers(from.live_buffers);
  to->set_live_bytes(from.live_bytes);
  to->set_descriptors(from.descriptors);
}

}  // namespace

void Encode(const PeerInfo& from, sysmem2::PeerInfo* to) {
  // The kernel says 0 for a process in a foreign pid namespace: that is nobody.
  if (from.pid > 0) to->set_pid(static_cast<uint32_t>(from.pid));
  to->set_uid(from.uid);
  to->set_gid(from.gid);
  to->set_command(ValidUtf8(from.command));
}

void Encode(const StatusInfo& from, sysmem2::GetStatusResult* to) {
  to->set_version(ValidUtf8(from.version));
  to->set_pid(static_cast<uint32_t>(from.pid));
  to->set_uid(from.uid);
  to->set_uptime_ns(from.uptime_ns);
  to->set_sessions(from.sessions);
  to->set_collections(from.collections);
  to->set_nodes(from.nodes);
  to->set_exported_nodes(from.exported_nodes);
  to->set_live_buffers(from.live_buffers);
  to->set_live_bytes(from.live_bytes);
  to->set_descriptors_open(from.descriptors_open);
  to->set_descriptors_limit(from.descriptors_limit);
  to->set_resident_bytes(from.resident_bytes);
  to->set_calls_pending(from.calls_pending);
  for (const NamedLimit& limit : from.limits) Encode(limit, to->add_limits());
  for (const NamedCounter& counter : from.counters) Encode(counter, to->add_counters());
  to->set_sees_everything(from.sees_everything);
  for (const UserTotals& user : from.users) Encode(user, to->add_users());
}

void Encode(const SessionInfo& from, sysmem2::SessionInfo* to) {
  to->set_session_id(from.id);
  Encode(from.peer, to->mutable_peer());
  to->set_library(ValidUtf8(from.peer.library));
  to->set_open(from.open);
  to->set_handles(from.handles);
  to->set_waits_pending(from.waits_pending);
  to->set_calls_held(from.calls_held);
  to->set_descriptors_unread(from.descriptors_unread);
  to->set_next_number(from.next_number);
  to->set_age_ns(from.age_ns);
  if (!from.open) {
    EncodeEnd(from, to->mutable_ended());
    to->set_ended_ago_ns(from.ended_ago_ns);
  }
  to->mutable_buffer_collection_ids()->Add(from.collections.begin(), from.collections.end());
  to->set_buffer_collection_ids_left_out(from.collections_left_out);
  to->set_buffers_held(from.holdings.buffers);
  to->set_bytes_held(from.holdings.bytes);
  to->set_hand_outs_held(from.holdings.hand_outs);
}

}  // namespace sysmem::server::transport
