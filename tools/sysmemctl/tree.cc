// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/tree.h"

#include <algorithm>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tools/sysmemctl/colour.h"
#include "tools/sysmemctl/node_text.h"
#include "tools/sysmemctl/text.h"
#include "tools/sysmemctl/wrap.h"

namespace sysmem::ctl {
namespace {

// Of every node, the number of its failure domain; 1 is the root's.
std::map<uint64_t, size_t> DomainsOf(const Json& nodes) {
  std::map<uint64_t, size_t> domains;
  size_t count = 0;
  for (const Json& node : nodes) {  // parents come before their children
    const auto parent = domains.find(Number(node, "parent_id"));
    const bool own = BeginsFailureDomain(node) || parent == domains.end();
    domains[Number(node, "node_id")] = own ? ++count : parent->second;
  }
  return domains;
}

size_t CountOf(const std::map<uint64_t, size_t>& domains) {
  size_t count = 0;
  for (const auto& [node, domain] : domains) count = std::max(count, domain);
  return count;
}

// Children of groups whose choice is made.
enum class Chosen { kNoChoice, kYes, kNo };
Chosen ChosenIn(const Json* parent, const Json& node) {
  if (parent == nullptr || !parent->contains("selected_child_id")) return Chosen::kNoChoice;
  const bool chosen = Number(*parent, "selected_child_id") == Number(node, "node_id");
  return chosen ? Chosen::kYes : Chosen::kNo;
}

std::string StateOf(const Json& node) {
  if (IsOrphaned(node)) return "what it said still counts";
  return EnumWord(Text(node, "state"), "NODE_STATE_");
}

class TextDrawing {
 public:
  TextDrawing(const Json& nodes, bool colour)
      : children_(ChildrenByParent(nodes)),
        domains_(DomainsOf(nodes)),
        awaited_(AwaitedNodes(nodes)),
        colour_(colour) {}

  std::string Draw() {
    AddChildren(0, nullptr, "");
    return text_;
  }

 private:
  void AddChildren(uint64_t id, const Json* parent, const std::string& margin) {
    const auto found = children_.find(id);
    if (found == children_.end()) return;
    for (const Json* child : found->second) {
      const bool last = child == found->second.back();
      const std::string branch = parent == nullptr ? "" : last ? "└─ " : "├─ ";
      text_ += margin + branch + Line(parent, *child) + "\n";
      const std::string below = parent == nullptr ? "" : last ? "   " : "│  ";
      AddChildren(Number(*child, "node_id"), child, margin + below);
    }
  }

  std::string Line(const Json* parent, const Json& node) const {
    const Chosen chosen = ChosenIn(parent, node);
    std::string line = NodeTitle(node);
    if (chosen == Chosen::kYes) line = colour_.In(Colour::kGreen, "* " + line);
    if (IsOrphaned(node)) line = colour_.In(Colour::kGrey, line);
    std::string state = StateOf(node);
    if (awaited_.contains(Number(node, "node_id"))) state = colour_.In(Colour::kRed, state);
    line += ", " + NodeHolder(node) + ", " + state;
    if (Flag(node, "weak")) line += ", " + colour_.In(Colour::kCyan, "weak");
    if (chosen == Chosen::kNo) line += ", not chosen";
    if (CountOf(domains_) > 1) {
      line += ", failure domain " + std::to_string(domains_.at(Number(node, "node_id")));
      if (Number(node, "parent_id") != 0 && BeginsFailureDomain(node)) {
        line += Text(node, "failure_mode") == "FAILURE_MODE_DO_NOT_PROPAGATE" ? " (attached)"
                                                                              : " (dispensable)";
      }
    }
    if (Number(node, "pending_waits") > 0) line += ", waits for its buffers";
    return line;
  }

  const Children children_;
  const std::map<uint64_t, size_t> domains_;
  const std::set<uint64_t> awaited_;
  const Colours colour_;
  std::string text_;
};

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

// Short lines: a diamond is twice as wide as what stands in it. Where a name says what it was
// before, that goes into the next line.
std::string DotLabel(const Json& node) {
  std::string title =
      std::to_string(Number(node, "node_id")) + " " + EnumWord(Text(node, "kind"), "NODE_KIND_");
  std::string name = Text(node, "debug_name");
  std::string before;
  if (const size_t was = name.find(" (was "); was != std::string::npos) {
    before = name.substr(was + 1);
    name.resize(was);
  }
  std::vector<std::string> lines = {title};
  if (!name.empty()) lines.push_back("\"" + Safe(name) + "\"");
  if (!before.empty()) lines.push_back(Safe(before));
  lines.push_back(NodeHolder(node));
  lines.push_back(StateOf(node) + (Flag(node, "weak") ? ", weak" : ""));
  std::string label = "\"";
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string quoted = Quoted(lines[i]);
    label += (i > 0 ? "\\n" : "") + quoted.substr(1, quoted.size() - 2);
  }
  return label + "\"";
}

std::string DotNode(const Json& node, bool awaited) {
  const std::string kind = Text(node, "kind");
  const char* const shape = kind == "NODE_KIND_TOKEN"   ? "note"
                            : kind == "NODE_KIND_GROUP" ? "diamond"
                                                        : "box";
  std::string style = "filled";
  if (Flag(node, "weak")) style += ",dashed";
  const bool allocated = Text(node, "state") == "NODE_STATE_ALLOCATED";
  const char* const fill = IsOrphaned(node) ? "grey85"
                           : awaited        ? "mistyrose"
                           : allocated      ? "honeydew"
                                            : "white";
  const char* const line = IsOrphaned(node) ? "grey50" : awaited ? "red" : "black";
  return "n" + std::to_string(Number(node, "node_id")) + " [shape=" + shape + ", style=\"" + style +
         "\", fillcolor=" + fill + ", color=" + line + ", fontcolor=" + line +
         ", label=" + DotLabel(node) + "];\n";
}

class DotDrawing {
 public:
  explicit DotDrawing(const Json& nodes)
      : nodes_(nodes),
        children_(ChildrenByParent(nodes)),
        domains_(DomainsOf(nodes)),
        awaited_(AwaitedNodes(nodes)) {
    for (const Json& node : nodes) by_id_[Number(node, "node_id")] = &node;
  }

  std::string Draw(const std::string& title) {
    text_ =
        "digraph sysmem {\n  rankdir=LR;\n  fontname=\"Helvetica,Arial,sans-serif\";\n"
        "  node [fontname=\"Helvetica,Arial,sans-serif\", fontsize=10];\n  labelloc=t;\n  label=" +
        Quoted(title) + ";\n";
    const size_t domains = CountOf(domains_);
    for (size_t domain = 1; domain <= domains; ++domain) AddDomain(domain, domains > 1);
    for (const auto& [id, children] : children_) {
      for (const Json* child : children) AddEdge(id, *child);
    }
    return text_ + "}\n";
  }

 private:
  void AddDomain(size_t domain, bool framed) {
    const std::string number = std::to_string(domain);
    if (framed) {
      text_ += "  subgraph cluster_" + number + " {\n    label=\"failure domain " + number +
               "\";\n    color=grey60; fontcolor=grey40;\n";
    }
    for (const Json& node : nodes_) {
      const uint64_t id = Number(node, "node_id");
      if (domains_.at(id) == domain) text_ += "    " + DotNode(node, awaited_.contains(id));
    }
    if (framed) text_ += "  }\n";
  }
  void AddEdge(uint64_t parent_id, const Json& child) {
    if (parent_id == 0) return;
    const auto parent = by_id_.find(parent_id);
    const Chosen chosen = ChosenIn(parent == by_id_.end() ? nullptr : parent->second, child);
    text_ += "  n" + std::to_string(parent_id) + " -> n" + std::to_string(Number(child, "node_id"));
    if (chosen == Chosen::kYes) text_ += " [style=bold]";
    if (chosen == Chosen::kNo) text_ += " [style=dotted]";
    text_ += ";\n";
  }

  const Json& nodes_;
  const Children children_;
  const std::map<uint64_t, size_t> domains_;
  const std::set<uint64_t> awaited_;
  std::map<uint64_t, const Json*> by_id_;
  std::string text_;
};

// "collection 17 "frames", waiting: 4 nodes, 2 failure domains".
std::string Heading(const Json& detail, const Json& nodes) {
  const Json summary = detail.value("summary", Json::object());
  const size_t domains = CountOf(DomainsOf(nodes));
  std::string text = "collection " + std::to_string(Number(summary, "buffer_collection_id"));
  const std::string name = Text(summary, "name");
  if (!name.empty()) text += " \"" + Safe(name) + "\"";
  text += ", " + EnumWord(Text(summary, "state"), "COLLECTION_STATE_") + ": ";
  if (nodes.empty()) return text + "no node is left";
  text += std::to_string(nodes.size()) + (nodes.size() == 1 ? " node" : " nodes");
  if (domains > 1) text += ", " + std::to_string(domains) + " failure domains";
  return text;
}

}  // namespace

std::string DrawTree(const Json& detail, bool colour) {
  const Json nodes = detail.value("nodes", Json::array());
  return Heading(detail, nodes) + "\n" + TextDrawing(nodes, colour).Draw();
}

std::string DrawDot(const Json& detail) {
  const Json nodes = detail.value("nodes", Json::array());
  return DotDrawing(nodes).Draw(Heading(detail, nodes));
}

Result<void> PrintTree(DaemonView& daemon, uint64_t id, TreeForm form) {
  Result<Json> detail = daemon.ShowCollection(id);
  if (!detail.ok()) return detail.failure();
  switch (form) {
    case TreeForm::kText:
      PrintWrapped(DrawTree(*detail, StandardOutputHasColour()));
      break;
    case TreeForm::kDot:
      std::cout << DrawDot(*detail);
      break;
    case TreeForm::kJson:
      std::cout << JsonText(Json{{"summary", detail->value("summary", Json::object())},
                                 {"nodes", detail->value("nodes", Json::array())}})
                << "\n";
      break;
  }
  return {};
}

}  // namespace sysmem::ctl
