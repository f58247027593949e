// SPDX-License-Identifier: Apache-2.0
//
// The buffers of a collection, and who keeps each of them.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "tools/sysmemctl/commands.h"
#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {
namespace {

// 3 "camera"; the node may be gone.
std::string GivenThrough(const Json& holder) {
  const uint64_t node = Number(holder, "node_id");
  const std::string name = Text(holder, "debug_name");
  std::string text = node == 0 ? "GetVmoInfo" : std::to_string(node);
  return name.empty() ? text : text + " \"" + Safe(name) + "\"";
}

std::string Access(const Json& holder) {
  if (!Flag(holder, "read_only")) return "read and write";
  return Flag(holder, "read_only_enforced") ? "read only" : "read only (advisory)";
}

// What keeps it alive, in short. A strong node keeps it although nobody has been given it.
std::string State(const Json& buffer) {
  std::string state = EnumWord(Text(buffer, "state"), "BUFFER_STATE_");
  if (state != "strong" || Flag(buffer, "untracked_holder")) return state;
  for (const Json& holder : buffer.value("holders", Json::array())) {
    if (!Flag(holder, "weak")) return state;
  }
  return state + ", by a node";
}

// Hand-outs of several buffers that differ in nothing but buffer and age: one line.
struct Group {
  std::vector<uint64_t> buffers;
  uint64_t age_ns = 0;  // of the oldest
};
using HolderKey = std::tuple<uint64_t, std::string, std::string, std::string, std::string>;

std::map<HolderKey, Group> GroupHolders(const Json& buffers) {
  std::map<HolderKey, Group> groups;
  for (const Json& buffer : buffers) {
    for (const Json& holder : buffer.value("holders", Json::array())) {
      Group& group = groups[{Number(holder, "node_id"), GivenThrough(holder),
                             Process(holder.value("given_to", Json::object())),
                             Flag(holder, "weak") ? "weak" : "strong", Access(holder)}];
      group.buffers.push_back(Number(buffer, "index"));
      group.age_ns = std::max(group.age_ns, Number(holder, "age_ns"));
    }
  }
  return groups;
}

std::string DescribeHolders(const Json& buffers, const Colours& colours) {
  Table table({{"  HELD BY", Table::Align::kLeft},
               {"THROUGH NODE", Table::Align::kLeft},
               {"BUFFERS", Table::Align::kLeft},
               {"HOLD", Table::Align::kLeft},
               {"ACCESS", Table::Align::kLeft},
               {"SINCE", Table::Align::kRight}});
  for (const auto& [key, group] : GroupHolders(buffers)) {
    const auto& [node, through, process, hold, access] = key;
    table.Add(
        {"  " + process, through, Ranges(group.buffers), hold, access, Duration(group.age_ns)});
  }
  return table.empty() ? "" : table.ToString(colours);
}

// "0 at 0x10000100000, 1 at 0x10000200000", of those whose heap knows.
std::string DescribeAddresses(const Json& buffers) {
  std::string text;
  for (const Json& buffer : buffers) {
    if (!buffer.contains("physical_address")) continue;
    char address[24];
    std::snprintf(address, sizeof(address), "0x%" PRIx64, Number(buffer, "physical_address"));
    text += (text.empty() ? "  physical addresses: " : ", ") +
            std::to_string(Number(buffer, "index")) + " at " + address;
  }
  return text.empty() ? text : text + "\n";
}

// Those that somebody holds whom the daemon knows nothing of.
std::string DescribeUntracked(const Json& buffers) {
  std::vector<uint64_t> untracked;
  for (const Json& buffer : buffers) {
    if (Flag(buffer, "untracked_holder")) untracked.push_back(Number(buffer, "index"));
  }
  if (untracked.empty()) return "";
  return "  untracked: " + Ranges(untracked) +
         " held by somebody they were not handed to: a process that opened a descriptor once more, "
         "or one that hides\n";
}

}  // namespace

std::string DescribeBuffers(const Json& detail, const Colours& colours) {
  const Json buffers = detail.value("buffers", Json::array());
  if (buffers.empty()) return "";
  Table table({{"  BUFFER", Table::Align::kRight},
               {"SIZE", Table::Align::kRight},
               {"STATE", Table::Align::kLeft},
               {"HOLDERS", Table::Align::kRight},
               {"HANDED OUT", Table::Align::kRight},
               {"DEVICE:INODE", Table::Align::kLeft}});
  for (const Json& buffer : buffers) {
    const size_t holders = buffer.value("holders", Json::array()).size();
    table.Add(
        {std::to_string(Number(buffer, "index")), Bytes(Number(buffer, "raw_vmo_size")),
         State(buffer),
         std::to_string(holders) + (Flag(buffer, "untracked_holder") ? " + untracked" : ""),
         std::to_string(Number(buffer, "hand_outs")),
         std::to_string(Number(buffer, "device")) + ":" + std::to_string(Number(buffer, "inode"))});
  }
  return colours.In(Colour::kBold, "buffers:") + "\n" + table.ToString(colours) +
         DescribeAddresses(buffers) + DescribeHolders(buffers, colours) +
         DescribeUntracked(buffers);
}

}  // namespace sysmem::ctl
