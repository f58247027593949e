// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <set>
#include <vector>

#include "tools/sysmemctl/commands.h"
#include "tools/sysmemctl/node_text.h"
#include "tools/sysmemctl/text.h"
#include "tools/sysmemctl/wrap.h"

namespace sysmem::ctl {
namespace {

// `3 collection "decoder", ready, held by ffmpeg (...)`.
std::string DescribeNode(const Json& node, bool awaited, const Colours& colours) {
  if (IsOrphaned(node)) {
    return colours.In(Colour::kGrey,
                      NodeTitle(node) + ", released and closed; what it said still counts");
  }
  const std::string state = EnumWord(Text(node, "state"), "NODE_STATE_");
  std::string line = colours.In(Colour::kBold, NodeTitle(node)) + ", " +
                     (awaited ? colours.In(Colour::kRed, state) : state);
  if (Flag(node, "weak")) line += ", weak";
  if (Flag(node, "released")) line += ", released";
  line += ", " + NodeHolder(node);
  if (Number(node, "pending_waits") > 0) line += ", waits for its buffers";
  return line;
}

std::string DescribeTree(const Json& nodes, const Colours& colours) {
  Children children = ChildrenByParent(nodes);
  const std::set<uint64_t> awaited = AwaitedNodes(nodes);
  std::string text;
  // Depth first, so that a child stands under its parent.
  std::vector<std::pair<const Json*, size_t>> open;
  auto push = [&](uint64_t parent, size_t depth) {
    auto& list = children[parent];
    for (auto child = list.rbegin(); child != list.rend(); ++child)
      open.emplace_back(*child, depth);
  };
  push(0, 0);
  while (!open.empty()) {
    auto [node, depth] = open.back();
    open.pop_back();
    const std::string indent(2 + 2 * depth, ' ');
    const bool is_awaited = awaited.contains(Number(*node, "node_id"));
    text += indent + DescribeNode(*node, is_awaited, colours) + "\n";
    if (node->contains("constraints")) {
      text += DescribeConstraints((*node)["constraints"], indent + "    ");
    } else if (Flag(*node, "constraints_set")) {
      text += indent + "    no constraints\n";
    }
    if (Flag(*node, "must_match"))
      text += indent + "    must match buffers of another collection\n";
    push(Number(*node, "node_id"), depth + 1);
  }
  return text;
}

std::string DescribeFailure(const Json& failure) {
  // A node that was closed has no error.
  const std::string error = EnumWord(Text(failure, "error"), "ERROR_");
  std::string text = (error.empty() ? "" : error + ": ") + SafeLine(Text(failure, "message"));
  const std::string rule = Text(failure, "rule");
  const std::string field = Text(failure, "field");
  if (!field.empty()) text += "; field " + Safe(field);
  if (!rule.empty()) text += "; rule " + Safe(rule);
  text += "\n";
  for (const Json& one : failure.value("participants", Json::array())) {
    const std::string value = Text(one, "value");
    text +=
        "  \"" + Safe(Text(one, "name")) + "\"" + (value.empty() ? "" : ": " + Safe(value)) + "\n";
  }
  return text;
}

}  // namespace

std::string CollectionStateWord(const Json& summary, const Colours& colours) {
  const std::string word = EnumWord(Text(summary, "state"), "COLLECTION_STATE_");
  const Colour colour = word == "allocated"  ? Colour::kGreen
                        : word == "failed"   ? Colour::kRed
                        : word == "outlived" ? Colour::kCyan
                                             : Colour::kYellow;
  return colours.In(colour, word);
}

std::string DescribeSummary(const Json& detail, const Colours& colours) {
  const Json summary = detail.value("summary", Json::object());
  std::string text = "collection " + std::to_string(Number(summary, "buffer_collection_id"));
  const std::string name = Text(summary, "name");
  if (!name.empty()) text += " \"" + Safe(name) + "\"";
  text = colours.In(Colour::kBold, text) + ", " + CollectionStateWord(summary, colours) +
         ", begun " + Duration(Number(summary, "age_ns")) + " ago by " +
         Process(summary.value("creator", Json::object())) + "\n";
  if (!detail.contains("settings")) return text;
  return text + colours.In(Colour::kBold, "result:") + " " +
         std::to_string(Number(detail, "buffer_count")) + " x " +
         DescribeSettings(detail["settings"]) + "\n";
}

std::string DescribeEnd(const Json& summary, const Colours& colours) {
  // Buffers that live on have not failed.
  const bool outlived = Text(summary, "state") == "COLLECTION_STATE_OUTLIVED";
  return colours.In(outlived ? Colour::kBold : Colour::kRed,
                    outlived ? "its nodes ended:" : "failure:") +
         " " + DescribeFailure(summary["failure"]);
}

std::string DescribeCollection(const Json& detail, const Colours& colours) {
  const Json summary = detail.value("summary", Json::object());
  std::string text = DescribeSummary(detail, colours);
  if (summary.contains("failure")) text += DescribeEnd(summary, colours);
  text += DescribeWhy(Text(detail, "explanation"), true, colours);
  if (Flag(detail, "changed_meanwhile")) {
    text +=
        "it changed again and again while it was looked at: what follows is of several moments\n";
  }
  for (const Json& waiting : detail.value("waiting_for", Json::array())) {
    text += "waiting for " + Safe(waiting.get<std::string>()) + "\n";
  }
  const Json nodes = detail.value("nodes", Json::array());
  text += nodes.empty() ? "nodes: none is left; each buffer lives as long as somebody holds it\n"
                        : colours.In(Colour::kBold, "nodes:") + "\n" + DescribeTree(nodes, colours);
  if (const uint64_t trackings = Number(detail, "lifetime_trackings"); trackings > 0) {
    text += "lifetime trackings not over: " + std::to_string(trackings) + "\n";
  }
  return text + DescribeBuffers(detail, colours);
}

std::string DescribeSession(const Json& session) {
  std::string text = "session " + std::to_string(Number(session, "session_id")) + " of " +
                     Process(session.value("peer", Json::object()));
  if (session.contains("ended")) {
    const Json& ended = session["ended"];
    text += ", ended " + Duration(Number(session, "ended_ago_ns")) + " ago\n";
    text += "reason: " + EnumWord(Text(ended, "reason"), "SESSION_END_REASON_") + ": " +
            Safe(Text(ended, "message")) + "\n";
  } else {
    text += ", open for " + Duration(Number(session, "age_ns")) + "\n";
  }
  text += "handles " + std::to_string(Number(session, "handles")) + ", waits pending " +
          std::to_string(Number(session, "waits_pending")) + ", calls held " +
          std::to_string(Number(session, "calls_held")) + ", next number " +
          std::to_string(Number(session, "next_number")) + "\n";
  const uint64_t hand_outs = Number(session, "hand_outs_held");
  if (hand_outs > 0) {
    text += "holds " + std::to_string(Number(session, "buffers_held")) + " buffers of " +
            Bytes(Number(session, "bytes_held")) + ", handed out to it " +
            std::to_string(hand_outs) + " times\n";
  }
  const Json ids = session.value("buffer_collection_ids", Json::array());
  if (!ids.empty()) {
    text += "collections:";
    for (const Json& id : ids) text += " " + (id.is_string() ? id.get<std::string>() : id.dump());
    const uint64_t more = Number(session, "buffer_collection_ids_left_out");
    text += more > 0 ? " and " + std::to_string(more) + " more\n" : "\n";
  }
  return text;
}

Result<void> PrintOne(DaemonView& daemon, uint64_t id, bool json) {
  Result<Json> collection = daemon.ShowCollection(id);
  if (collection.ok()) {
    if (json) {
      std::cout << JsonText(*collection) << "\n";
    } else {
      PrintWrapped(DescribeCollection(*collection, Colours(StandardOutputHasColour())));
    }
    return {};
  }
  if (collection.failure().error != Error::kNotFound) return collection.failure();
  Result<Json> sessions = daemon.Ask("ListSessions", {{"session_id", std::to_string(id)}});
  if (!sessions.ok()) {
    if (sessions.failure().error != Error::kNotFound) return sessions.failure();
    Failure failure = sessions.failure();
    failure.text =
        "no collection and no session " + std::to_string(id) + ", or none that your user may see";
    return failure;
  }
  const Json session = sessions->value("sessions", Json::array()).at(0);
  std::cout << (json ? JsonText(session) + "\n" : DescribeSession(session));
  return {};
}

}  // namespace sysmem::ctl
