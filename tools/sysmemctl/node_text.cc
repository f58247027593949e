// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/node_text.h"

#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {

std::string NodeTitle(const Json& node) {
  std::string title =
      std::to_string(Number(node, "node_id")) + " " + EnumWord(Text(node, "kind"), "NODE_KIND_");
  const std::string name = Text(node, "debug_name");
  if (!name.empty()) title += " \"" + Safe(name) + "\"";
  return title;
}

std::string NodeHolder(const Json& node) {
  if (IsOrphaned(node)) return "released and closed";
  const std::string process = Process(node.value("holder", Json::object()));
  if (node.contains("exported_cookie")) return "travelling since " + process + " exported it";
  std::string text = "held by " + process;
  if (node.contains("session_id")) {
    text += " in session " + std::to_string(Number(node, "session_id"));
  }
  return text;
}

std::set<uint64_t> AwaitedNodes(const Json& nodes) {
  std::set<uint64_t> awaited;
  std::set<uint64_t> attached;
  for (const Json& node : nodes) {
    const uint64_t id = Number(node, "node_id");
    const uint64_t parent = Number(node, "parent_id");
    if (attached.contains(parent) ||
        (parent != 0 && Text(node, "failure_mode") == "FAILURE_MODE_DO_NOT_PROPAGATE")) {
      attached.insert(id);
    } else if (!IsOrphaned(node) && Text(node, "state") == "NODE_STATE_NOT_READY") {
      awaited.insert(id);
    }
  }
  return awaited;
}

bool IsOrphaned(const Json& node) { return !Flag(node, "connected"); }

bool BeginsFailureDomain(const Json& node) {
  const std::string mode = Text(node, "failure_mode");
  return Number(node, "parent_id") == 0 || mode == "FAILURE_MODE_PROPAGATE_BEFORE_ALLOCATION" ||
         mode == "FAILURE_MODE_DO_NOT_PROPAGATE";
}

Children ChildrenByParent(const Json& nodes) {
  Children children;
  for (const Json& node : nodes) children[Number(node, "parent_id")].push_back(&node);
  return children;
}

}  // namespace sysmem::ctl
