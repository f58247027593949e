// SPDX-License-Identifier: Apache-2.0
//
// The daemon's limits and counters, in numbers and in words.
#include <algorithm>
#include <iterator>
#include <limits>
#include <string>
#include <utility>

#include "server/collection_host.h"
#include "server/internals.h"
#include "server/log.h"

namespace sysmem::server {
namespace {

uint32_t Part(uint64_t whole, uint64_t divisor) {
  return static_cast<uint32_t>(
      std::clamp<uint64_t>(whole / divisor, 1, std::numeric_limits<uint32_t>::max() / 4));
}

heaps::KeptReady KeptReadyOf(const std::vector<std::shared_ptr<heaps::Heap>>& heaps) {
  heaps::KeptReady sum;
  for (const auto& heap : heaps) {
    const heaps::KeptReady one = heap->kept_ready();
    sum.buffers += one.buffers;
    sum.bytes += one.bytes;
    sum.budget_bytes += one.budget_bytes;
    sum.most_bytes += one.most_bytes;
    sum.hits += one.hits;
    sum.misses += one.misses;
    sum.given_back += one.given_back;
    if (!one.why_resting.empty()) sum.why_resting = one.why_resting;
  }
  return sum;
}

}  // namespace

EngineLimits LimitsFor(uint64_t descriptors) {
  EngineLimits limits;
  limits.descriptors = descriptors;
  limits.buffers = Part(descriptors, 2);
  limits.buffers_per_uid = std::max(1u, limits.buffers / 2);
  limits.unread_descriptors_in_all = Part(descriptors, 4);
  limits.unread_descriptors = std::min(512u, Part(descriptors, 16));
  limits.exported_nodes = Part(descriptors, 8);
  limits.spare = Part(descriptors, 16);
  limits.held_descriptors = Part(descriptors, 16);
  limits.udmabuf = Part(descriptors, 32);
  limits.sessions = Part(descriptors, 16);
  limits.sessions_per_uid = std::max(1u, limits.sessions / 2);
  return limits;
}

std::vector<NamedLimit> Engine::Internals::MakeLimits() const {
  const EngineLimits& limits = options.limits;
  const core::Limits& core = options.core.limits;
  uint64_t spare = 0;
  for (const auto& heap : options.heaps) spare += heap->spare_descriptors();
  const heaps::KeptReady warm_pool = KeptReadyOf(options.heaps);
  auto ns_to_ms = [](int64_t ns) { return static_cast<uint64_t>(ns / 1'000'000); };
  return {
      {"buffer_bytes", core.buffer_bytes, "bytes", "of one buffer, padding included", {}},
      {"allocation_bytes",
       std::min(core.allocation_bytes, core.buffer_bytes),
       "bytes",
       "of one buffer, padding not counted (--max-buffer-size)",
       {}},
      {"collection_bytes", core.collection_bytes, "bytes", "of all buffers of a collection", {}},
      {"buffers_per_collection",
       core.buffers_per_collection,
       "buffers",
       "what one result message can name",
       {}},
      {"group_combinations", core.group_combinations, "tries", "of one logical allocation", {}},
      {"nodes_per_collection",
       core.nodes_per_collection,
       "nodes",
       "bounds the daemon's memory",
       {}},
      {"image_formats_per_collection",
       core.image_formats_per_collection,
       "pairs",
       "of pixel format and modifier: each is looked at in every try",
       {}},
      {"inspected_items",
       kMostItemsInPage,
       "items",
       "nodes and buffers of a collection shown at a time; more come in pages",
       {}},
      {"inspected_nodes_per_slice",
       core::SnapshotWalk::kNodesPerSlice,
       "nodes",
       "looked at before others have the collection",
       {}},
      {"complaints_per_uid",
       ComplaintLimiter::kBurst,
       "complaints",
       "about one user at once, and then one each 10 s: nobody can fill the log",
       {}},
      {"verbose_lines_per_uid",
       ComplaintLimiter::kVerboseBurst,
       "lines",
       "that a user asked for (SetVerboseLogging) at once, and then 50 each second",
       {}},
      {"inline_attempt_formats",
       limits.inline_attempt_formats,
       "pairs",
       "larger negotiations keep no other client waiting",
       {}},
      {"hand_outs_per_buffer",
       limits.hand_outs_per_buffer,
       "descriptors",
       "of one buffer that are in use: each is asked about when one is closed",
       {}},
      {"provided_heaps", limits.provided_heaps, "heaps",
       "that other processes serve: each attempt looks at all of them", heaps->provided()},
      {"provider_answer",
       static_cast<uint64_t>(limits.provider_answer_ns),
       "ns",
       "for each call to the provider of a heap; it has failed then",
       {}},
      {"descriptors", limits.descriptors, "descriptors", "RLIMIT_NOFILE of the daemon", {}},
      {"buffers", limits.buffers, "descriptors",
       "half of the descriptors: one for each buffer that anybody has, one for each "
       "close_weak_asap",
       ledger->descriptors()},
      {"buffers_per_uid",
       limits.buffers_per_uid,
       "descriptors",
       "half of those, so that one user never locks the others out",
       {}},
      {"exported_nodes", limits.exported_nodes, "nodes", "an eighth of the descriptors, one each",
       exports->size()},
      {"spare_descriptors", limits.spare, "descriptors",
       "a sixteenth of them, open for what nobody has asked for yet", spare},
      {"udmabuf_descriptors",
       limits.udmabuf,
       "descriptors",
       "a thirty-second of them: of the memfd behind each buffer of heap UDMABUF, and one for each "
       "weak holder",
       {}},
      {"warm_pool", warm_pool.most_bytes, "bytes",
       "made ahead of time (--warm-pool); never more than 1/64 of the available memory",
       warm_pool.bytes},
      {"held_descriptors", limits.held_descriptors, "descriptors",
       "a sixteenth of them, kept for clients (tracking ends, node references); half of it per "
       "user",
       held->held()},
      {"sessions", limits.sessions, "sessions", "three descriptors each", Sessions().size()},
      {"sessions_per_uid",
       limits.sessions_per_uid,
       "sessions",
       "half of all, so that one user never locks the others out",
       {}},
      {"unread_descriptors_in_all", limits.unread_descriptors_in_all, "descriptors",
       "the kernel counts them against the daemon's user", unread->total()},
      {"unread_descriptors",
       limits.unread_descriptors,
       "descriptors",
       "per session, after the first message: leaves room for the others",
       {}},
      {"outbox_stall",
       ns_to_ms(limits.outbox_stall_ns),
       "ms",
       "a reply waits no longer for a client that does not read",
       {}},
      {"waits_per_session",
       limits.waits_per_session,
       "waits",
       "half of the streams of a connection",
       {}},
      {"events_kept",
       limits.events_kept,
       "events",
       "for readers that are slow for some seconds",
       {}},
      {"events_kept_bytes", limits.events_kept_bytes, "bytes", "that these take", {}},
      {"event_reads_per_session",
       limits.event_reads_per_session,
       "calls",
       "that wait for events: each event looks at all of them",
       {}},
      {"held_calls_per_session",
       limits.held_calls_per_session,
       "calls",
       "behind a number that never came",
       {}},
      {"hole", ns_to_ms(limits.hole_ns), "ms", "for a call's number to come", {}},
      {"ended_sessions_kept",
       limits.ended_sessions_kept,
       "sessions",
       "shown with the reason of their end: enough to find the one that just failed",
       {}},
      {"collections_told_per_session",
       kMostCollectionsOfSession,
       "collections",
       "ids in a list of sessions; how many more there are is said",
       {}},
      {"handles_per_session",
       limits.handles_per_session,
       "handles",
       "bounds the daemon's memory",
       {}},
  };
}

std::vector<NamedCounter> Engine::Internals::MakeCounters() const {
  const heaps::KeptReady warm_pool = KeptReadyOf(options.heaps);
  const LastClose::Counts closes = last_close->counts();
  std::string resting = "now; 1: it makes none";
  if (!warm_pool.why_resting.empty()) {
    resting.append(", because of ").append(warm_pool.why_resting);
  }
  return {
      {"warm_pool_buffers", warm_pool.buffers, "buffers", "now, made ahead of time"},
      {"warm_pool_budget", warm_pool.budget_bytes, "bytes",
       "now, for these, by the last reading of the available memory"},
      {"warm_pool_hits", warm_pool.hits, "buffers", "allocated from those made ahead of time"},
      {"warm_pool_misses", warm_pool.misses, "buffers",
       "of sizes it could have kept, made when they were asked for"},
      {"warm_pool_given_back", warm_pool.given_back, "buffers",
       "freed before anybody wanted them, for want of memory or descriptors"},
      {"warm_pool_resting", warm_pool.why_resting.empty() ? 0u : 1u, "", std::move(resting)},
      {"watched_buffers", closes.watches - closes.unwatched, "buffers",
       "now, whose last close the kernel announces"},
      {"unwatched_buffers", closes.unwatched, "buffers",
       "now, that are asked about every second instead (fs.inotify.max_user_watches)"},
      {"closes_announced", closes.events, "closes", "of descriptors that were handed out"},
      {"close_overflows", closes.overflows, "",
       "of the kernel's queue of announcements; all buffers are asked about then"},
      {"inspection_slices", inspection_holds.count(), "",
       "looks into a collection, each at a bounded number of its nodes"},
      {"inspection_longest_hold", inspection_holds.longest_ns(), "ns",
       "that such a look kept a collection busy"},
      {"inspection_long_holds", inspection_holds.long_ones(), "",
       "such looks that kept a collection busy for longer than a millisecond"},
      {"inspection_most_work", inspection_holds.most_work_ns(), "ns",
       "of processor time that such a look took; what the longest hold is longer, it was waiting "
       "for a processor"},
      {"late_ends", closes.late_ends, "ends",
       "of buffers or hand-outs that were seen by a second or later look only"},
  };
}

std::vector<HeapInfo> Engine::Internals::MakeHeapInfos(Figures figures) const {
  std::vector<HeapInfo> infos;
  const auto known = heaps->settings();
  for (const HeapRegistry::Entry& entry : heaps->Entries()) {
    HeapInfo info;
    info.properties = entry.heap->properties();
    info.backing = entry.backing;
    const auto& secure = known->secure_heaps;
    info.secure = std::find(secure.begin(), secure.end(), info.properties.heap) != secure.end();
    if (info.secure && known->no_secure_memory) {
      info.usable = false;
      info.why_unusable = "the driver of secure memory has unregistered";
      info.remedy = "start the daemon anew";
    }
    const BufferLedger::Totals totals = ledger->OfHeap(BufferLedger::NameOf(info.properties));
    info.live_buffers = totals.buffers;
    info.live_bytes = totals.bytes;
    if (figures == Figures::kYes) {
      for (heaps::Figure& figure : entry.heap->figures()) {
        info.figures.push_back({std::move(figure.name), figure.value, std::move(figure.unit),
                                std::move(figure.description)});
      }
    }
    infos.push_back(std::move(info));
  }
  infos.insert(infos.end(), options.unusable_heaps.begin(), options.unusable_heaps.end());
  for (heaps::FoundHeap& found : heaps->Unusable()) {
    infos.push_back({.properties = std::move(found.properties),
                     .usable = false,
                     .why_unusable = std::move(found.why_unusable),
                     .remedy = std::move(found.remedy)});
  }
  const std::vector<std::string>& preferred = options.core.preferred_heaps;
  for (HeapInfo& info : infos) {
    const std::string& type = info.properties.heap.type;
    const auto place = std::find(preferred.begin(), preferred.end(), type);
    if (place != preferred.end()) {
      info.preference = static_cast<uint32_t>(1 + std::distance(preferred.begin(), place));
    }
    if (const HeapPolicy* policy = FindPolicy(options.heap_policies, type)) info.policy = *policy;
  }
  return infos;
}

ServerInfo Engine::Internals::MakeServerInfo() const {
  ServerInfo info;
  info.version = options.version;
  info.features = options.features;
  info.heaps = MakeHeapInfos(Figures::kNo);
  info.limits = MakeLimits();
  return info;
}

}  // namespace sysmem::server
