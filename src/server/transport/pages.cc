// SPDX-License-Identifier: Apache-2.0
#include "server/transport/pages.h"

#include <algorithm>
#include <string>
#include <vector>

#include "server/transport/results.h"

namespace sysmem::server::transport {
namespace {

uint64_t IdOf(const CollectionSummary& entry) { return entry.buffer_collection_id; }
uint64_t IdOf(const SessionInfo& entry) { return entry.id; }

template <typename Entry>
struct Cut {
  std::vector<const Entry*> entries;  // by rising id
  bool more = false;
};

template <typename Entry>
Cut<Entry> CutOut(const std::vector<Entry>& all, const Page& page) {
  Cut<Entry> cut;
  for (const Entry& entry : all) {
    if (page.after && IdOf(entry) <= *page.after) continue;
    if (page.only_id && IdOf(entry) != *page.only_id) continue;
    cut.entries.push_back(&entry);
  }
  std::sort(cut.entries.begin(), cut.entries.end(),
            [](const Entry* a, const Entry* b) { return IdOf(*a) < IdOf(*b); });
  const size_t at_most =
      page.at_most == 0 ? kMaxPageEntries : std::min(page.at_most, kMaxPageEntries);
  cut.more = cut.entries.size() > at_most;
  if (cut.more) cut.entries.resize(at_most);
  return cut;
}

// `add` makes an entry of the result.
template <typename Entry, typename Result, typename Add>
bool EncodePage(const OperationResult& from, const Page& page, Result* to, Add add) {
  const auto* all = std::get_if<std::vector<Entry>>(&from);
  if (all == nullptr) return false;
  const Cut<Entry> cut = CutOut(*all, page);
  size_t bytes = 0;
  for (const Entry* entry : cut.entries) {
    auto* encoded = (to->*add)();
    Encode(*entry, encoded);
    bytes += encoded->ByteSizeLong();
    const bool last = entry == cut.entries.back();
    if (last ? cut.more : bytes >= kFullPageBytes) {
      to->set_next_after(IdOf(*entry));
      break;
    }
  }
  return true;
}

// The session somebody asked for by its id is not there.
bool Misses(const Reply& reply, const Page& page) {
  if (!page.only_id || reply.results.size() != 1) return false;
  const auto* all = std::get_if<std::vector<SessionInfo>>(&reply.results.front());
  return all != nullptr && CutOut(*all, page).entries.empty();
}

Reply NoSuchSession(uint64_t order, uint64_t id) {
  return {order,
          {core::Failure{.error = core::Error::kNotFound,
                         .field = "session_id",
                         .message = "no session " + std::to_string(id)}}};
}

}  // namespace

grpc::ByteBuffer EncodeCollections(const Reply& reply, const Page& page) {
  return EncodeReplyWith<sysmem2::ListCollectionsReply>(
      reply, [&](const OperationResult& from, sysmem2::ListCollectionsResult* to) {
        return EncodePage<CollectionSummary>(from, page, to,
                                             &sysmem2::ListCollectionsResult::add_collections);
      });
}

grpc::ByteBuffer EncodeSessions(const Reply& reply, const Page& page) {
  if (Misses(reply, page)) {
    return EncodeReply<sysmem2::Ack>(NoSuchSession(reply.order, *page.only_id));
  }
  return EncodeReplyWith<sysmem2::ListSessionsReply>(
      reply, [&](const OperationResult& from, sysmem2::ListSessionsResult* to) {
        return EncodePage<SessionInfo>(from, page, to, &sysmem2::ListSessionsResult::add_sessions);
      });
}

}  // namespace sysmem::server::transport
