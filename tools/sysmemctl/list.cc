// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iostream>

#include "tools/sysmemctl/commands.h"
#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {
namespace {

std::string SessionState(const Json& session) {
  if (!session.contains("ended")) return "open";
  return EnumWord(Text(session["ended"], "reason"), "SESSION_END_REASON_") + ", " +
         Duration(Number(session, "ended_ago_ns")) + " ago";
}

bool IsOutlived(const Json& collection) {
  return Text(collection, "state") == "COLLECTION_STATE_OUTLIVED";
}

void PrintCollections(const Json& collections) {
  Table table({{"COLLECTION", Table::Align::kRight},
               {"NAME", Table::Align::kLeft},
               {"STATE", Table::Align::kLeft},
               {"NODES", Table::Align::kRight},
               {"BUFFERS", Table::Align::kRight},
               {"SIZE", Table::Align::kRight},
               {"AGE", Table::Align::kRight},
               {"BEGUN BY", Table::Align::kLeft}});
  for (const Json& one : collections) {
    table.Add({std::to_string(Number(one, "buffer_collection_id")), Safe(Text(one, "name")),
               EnumWord(Text(one, "state"), "COLLECTION_STATE_"),
               std::to_string(Number(one, "nodes")), std::to_string(Number(one, "buffers")),
               Bytes(Number(one, "bytes")), Duration(Number(one, "age_ns")),
               Process(one.value("creator", Json::object()))});
  }
  std::cout << (table.empty() ? "no collections\n"
                              : table.ToString(Colours(StandardOutputHasColour())));
  const bool any_outlived = std::any_of(collections.begin(), collections.end(), IsOutlived);
  if (any_outlived) {
    std::cout << "outlived: no node is left, but somebody holds buffers; `show` tells who\n";
  }
}

void PrintSessions(const Json& sessions) {
  Table table({{"SESSION", Table::Align::kRight},
               {"PROCESS", Table::Align::kLeft},
               {"STATE", Table::Align::kLeft},
               {"HANDLES", Table::Align::kRight},
               {"WAITS", Table::Align::kRight},
               {"BUFFERS", Table::Align::kRight},
               {"SIZE", Table::Align::kRight},
               {"AGE", Table::Align::kRight}});
  for (const Json& one : sessions) {
    table.Add({std::to_string(Number(one, "session_id")),
               Process(one.value("peer", Json::object())), SessionState(one),
               std::to_string(Number(one, "handles")), std::to_string(Number(one, "waits_pending")),
               std::to_string(Number(one, "buffers_held")), Bytes(Number(one, "bytes_held")),
               Duration(Number(one, "age_ns"))});
  }
  std::cout << "\n" << table.ToString(Colours(StandardOutputHasColour()));
}

}  // namespace

Result<void> PrintList(DaemonView& daemon, bool json) {
  Result<Json> collections = daemon.AskAll("ListCollections", "collections");
  if (!collections.ok()) return collections.failure();
  Result<Json> sessions = daemon.AskAll("ListSessions", "sessions");
  if (!sessions.ok()) return sessions.failure();
  if (json) {
    std::cout << JsonText(Json{{"collections", *collections}, {"sessions", *sessions}}) << "\n";
    return {};
  }
  PrintCollections(*collections);
  PrintSessions(*sessions);
  return {};
}

}  // namespace sysmem::ctl
