// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/why.h"

#include <algorithm>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "tools/sysmemctl/commands.h"
#include "tools/sysmemctl/node_text.h"
#include "tools/sysmemctl/text.h"
#include "tools/sysmemctl/wrap.h"

namespace sysmem::ctl {
namespace {

// What allocation waits for in a node that is not ready: a word for programs, a sentence for
// people.
struct Missing {
  const char* word;
  const char* sentence;
};
Missing MissingOf(const Json& node) {
  if (node.contains("exported_cookie")) {
    return {"import", "nobody has taken it in yet: it is on its way to another process"};
  }
  const std::string kind = Text(node, "kind");
  if (kind == "NODE_KIND_TOKEN") {
    return {"bind", "it has not been bound (BindSharedCollection), released or closed"};
  }
  if (kind == "NODE_KIND_GROUP") {
    return {"all_children_present", "not all of its children are there (AllChildrenPresent)"};
  }
  return {"constraints", "it has not said what it needs (SetConstraints)"};
}

std::vector<const Json*> Awaited(const Json& detail) {
  const std::set<uint64_t> awaited = AwaitedNodes(detail.at("nodes"));
  std::vector<const Json*> found;
  for (const Json& node : detail.at("nodes")) {
    if (awaited.contains(Number(node, "node_id"))) found.push_back(&node);
  }
  return found;
}

// What else is known of the session behind a node that others wait for.
std::string DescribeSessionBehind(const Json& node, const Json& sessions) {
  if (!node.contains("session_id")) return "";
  for (const Json& session : sessions) {
    if (Number(session, "session_id") != Number(node, "session_id")) continue;
    std::string text;
    if (const uint64_t held = Number(session, "calls_held"); held > 0) {
      text += "      " + std::to_string(held) + " of its calls are held back: call number " +
              std::to_string(Number(session, "next_number")) + " has not come yet\n";
    }
    if (const uint64_t unread = Number(session, "descriptors_unread"); unread > 0) {
      text += "      it has not read " + std::to_string(unread) +
              " descriptors that were sent to it: is its loop running?\n";
    }
    if (const uint64_t buffers = Number(session, "buffers_held"); buffers > 0) {
      text += "      meanwhile it holds " + std::to_string(buffers) + " buffers of " +
              Bytes(Number(session, "bytes_held")) + " of this and other collections\n";
    }
    return text;
  }
  return "";
}

std::string DescribeWaiting(const Json& detail, const Json& sessions, const Colours& colours) {
  const std::vector<const Json*> missing = Awaited(detail);
  const Json& nodes = detail.at("nodes");
  std::string text =
      colours.In(Colour::kBold, "Allocation waits for " + std::to_string(missing.size()) + " of " +
                                    std::to_string(nodes.size()) +
                                    (nodes.size() == 1 ? " node:" : " nodes:")) +
      "\n";
  for (const Json* node : missing) {
    text += "  " + colours.In(Colour::kRed, NodeTitle(*node)) + ", " + NodeHolder(*node) + ", " +
            Duration(Number(*node, "age_ns")) + " old:\n      " + MissingOf(*node).sentence + "\n" +
            DescribeSessionBehind(*node, sessions);
  }
  std::string waiting;
  for (const Json& node : nodes) {
    if (Number(node, "pending_waits") == 0) continue;
    waiting += "  " + NodeTitle(node) + ", " + NodeHolder(node) + "\n";
  }
  if (waiting.empty()) return text;
  return text + colours.In(Colour::kBold, "Waiting for their buffers meanwhile:") + "\n" + waiting;
}

// The processes behind the participants that a failure names.
std::string DescribeCulprits(const Json& detail, const Colours& colours) {
  std::string text;
  for (const Json& culprit : detail.at("summary")["failure"].value("participants", Json::array())) {
    for (const Json& node : detail.at("nodes")) {
      if (Text(node, "debug_name") != Text(culprit, "name")) continue;
      text += "  " + colours.In(Colour::kRed, NodeTitle(node)) + ": " +
              Process(node.value("holder", Json::object())) + "\n";
    }
  }
  return text.empty() ? "" : colours.In(Colour::kBold, "Who that is:") + "\n" + text;
}

bool IsKeptByWeakOnly(const Json& buffer) {
  return Text(buffer, "state") == "BUFFER_STATE_WEAK_ONLY";
}

// Buffers that should be gone.
std::string DescribeLeaks(const Json& detail, const Colours& colours) {
  const Json& buffers = detail.at("buffers");
  const auto leaks = std::count_if(buffers.begin(), buffers.end(), IsKeptByWeakOnly);
  if (leaks == 0) return "";
  return std::to_string(leaks) +
         (leaks == 1 ? " buffer is kept by a weak holder alone, who has been told to close it:\n"
                     : " buffers are kept by weak holders alone, who have been told to close "
                       "them:\n") +
         DescribeBuffers(detail, colours);
}

std::string DescribeKeepers(const Json& detail, const Colours& colours) {
  const std::string buffers = DescribeBuffers(detail, colours);
  return buffers.empty() ? "Nobody keeps a buffer.\n" : buffers;
}

std::string State(const Json& detail) { return Text(detail.at("summary"), "state"); }

// So that later on everything is there that is asked for.
Json Complete(Json detail) {
  for (const char* list : {"nodes", "buffers"}) {
    if (!detail.contains(list)) detail[list] = Json::array();
  }
  if (!detail.contains("summary")) detail["summary"] = Json::object();
  return detail;
}

}  // namespace

std::string DescribeReasons(const Json& given, const Json& sessions, const Colours& colours) {
  const Json detail = Complete(given);
  const Json& summary = detail.at("summary");
  std::string text = DescribeSummary(detail, colours);
  if (summary.contains("failure")) {
    text += DescribeEnd(summary, colours) + DescribeCulprits(detail, colours);
  }
  if (State(detail) == "COLLECTION_STATE_WAITING") {
    return text + DescribeWaiting(detail, sessions, colours);
  }
  if (State(detail) == "COLLECTION_STATE_ALLOCATING") {
    text += "Everybody has answered; heap " +
            HeapName(detail.value("settings", Json::object())
                         .value("buffer_settings", Json::object())
                         .value("heap", Json::object())) +
            " is making the buffers.\n";
  }
  text += DescribeWhy(Text(detail, "explanation"), true, colours);
  if (State(detail) == "COLLECTION_STATE_OUTLIVED") return text + DescribeKeepers(detail, colours);
  return text + DescribeLeaks(detail, colours);
}

Json ReasonsForPrograms(const Json& given) {
  const Json detail = Complete(given);
  const Json& summary = detail.at("summary");
  Json reasons = {{"buffer_collection_id", summary.value("buffer_collection_id", "0")},
                  {"name", Text(summary, "name")},
                  {"state", State(detail)},
                  {"explanation", Text(detail, "explanation")},
                  {"waits_for", Json::array()},
                  {"buffers", detail.at("buffers")}};
  if (summary.contains("failure")) reasons["failure"] = summary["failure"];
  if (State(detail) != "COLLECTION_STATE_WAITING") return reasons;
  for (const Json* node : Awaited(detail)) {
    Json entry = {{"missing", MissingOf(*node).word}};
    for (const char* field : {"node_id", "kind", "debug_name", "holder", "session_id", "age_ns"}) {
      if (node->contains(field)) entry[field] = (*node)[field];
    }
    reasons["waits_for"].push_back(std::move(entry));
  }
  return reasons;
}

Result<void> PrintWhy(DaemonView& daemon, uint64_t id, bool json) {
  Result<Json> detail = daemon.ShowCollection(id);
  if (!detail.ok()) {
    if (detail.failure().error != Error::kNotFound) return detail.failure();
    return PrintOne(daemon, id, json);  // a session: why it ended, and what it left behind
  }
  if (json) {
    std::cout << JsonText(ReasonsForPrograms(*detail)) << "\n";
    return {};
  }
  Result<Json> sessions = daemon.AskAll("ListSessions", "sessions");
  if (!sessions.ok()) return sessions.failure();
  PrintWrapped(DescribeReasons(*detail, *sessions, Colours(StandardOutputHasColour())));
  return {};
}

}  // namespace sysmem::ctl
