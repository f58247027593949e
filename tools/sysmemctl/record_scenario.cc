// SPDX-License-Identifier: Apache-2.0
//
// From what the inspector shows to what a scenario says.
#include <algorithm>
#include <map>
#include <set>

#include "base/escape.h"
#include "core/color_space.h"
#include "core/format_names.h"
#include "core/pixel_format.h"
#include "core/settings.h"
#include "core/usage_names.h"
#include "tools/sysmemctl/live_heaps.h"
#include "tools/sysmemctl/record.h"
#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {
namespace {

// Keys stand in the order in which people read them.
using Ordered = nlohmann::ordered_json;

// Room for the number that tells two of one name apart, in the 256 bytes that a name may have.
constexpr size_t kNameBytes = 200;

// ---- Values: by name where that is read back as the same number ----

std::string FormatText(uint32_t number) {
  const std::string name = core::PixelFormatName(number);
  return core::ParsePixelFormat(name) == number ? name : std::to_string(number);
}

std::string ModifierText(uint64_t number) {
  const std::string name = core::ModifierName(number);
  return core::ParseModifier(name) == number ? name : std::to_string(number);
}

std::string ColorSpaceText(uint32_t number) {
  const std::string name = core::ColorSpaceName(number);
  return core::ParseColorSpace(name) == number ? name : std::to_string(number);
}

std::string SizeText(const Json& size) {
  return std::to_string(Number(size, "width")) + "x" + std::to_string(Number(size, "height"));
}

Ordered UsageOf(const Json& from) {
  Ordered to = Ordered::object();
  for (const core::UsageClass& one : core::UsageClasses()) {
    if (!from.contains(one.name)) continue;
    Ordered list = Ordered::array();
    auto left = static_cast<uint32_t>(Number(from, one.name));
    for (const core::UsageBit& bit : one.bits) {
      if ((left & bit.bit) == 0) continue;
      list.push_back(bit.name);
      left &= ~bit.bit;
    }
    if (left != 0) list.push_back(left);
    to[one.name] = std::move(list);
  }
  return to;
}

Ordered MemoryOf(const Json& from) {
  Ordered to = Ordered::object();
  for (const auto& [name, value] : from.items()) {
    to[name] = Ordered(name == "permitted_heaps" ? value.value("heaps", Json::array()) : value);
  }
  return to;
}

// One value of an image's constraints.
Ordered ImageValueOf(const std::string& name, const Json& value) {
  if (name == "pixel_format") return FormatText(value.get<uint32_t>());
  if (name == "pixel_format_modifier")
    return ModifierText(Number(Json{{name, value}}, name.c_str()));
  if (value.is_object()) return SizeText(value);
  if (!value.is_array()) return Ordered(value);
  Ordered list = Ordered::array();
  for (const Json& one : value) {
    if (name == "color_spaces") {
      list.push_back(ColorSpaceText(one.get<uint32_t>()));
    } else if (name == "pixel_format_and_modifiers") {
      list.push_back(FormatText(static_cast<uint32_t>(Number(one, "pixel_format"))) + " " +
                     ModifierText(Number(one, "pixel_format_modifier")));
    } else {
      list.push_back(SizeText(one));
    }
  }
  return list;
}

Ordered ImageOf(const Json& from) {
  Ordered to = Ordered::object();
  for (const auto& [name, value] : from.items()) {
    if (!value.is_array() || !value.empty()) to[name] = ImageValueOf(name, value);
  }
  return to;
}

void AddConstraints(const Json& from, Ordered& to) {
  const size_t before = to.size();
  for (const auto& [name, value] : from.items()) {
    if (name == "usage") {
      to[name] = UsageOf(value);
    } else if (name == "buffer_memory_constraints") {
      to[name] = MemoryOf(value);
    } else if (name != "image_format_constraints") {
      to[name] = Ordered(value);
    } else if (!value.empty()) {
      for (const Json& image : value) to[name].push_back(ImageOf(image));
    }
  }
  // Constraints that say nothing are not the same as none.
  if (to.size() == before) to["usage"] = Ordered::object();
}

// ---- The tree ----

class Tree {
 public:
  Tree(const Json& nodes, std::vector<std::string>& notes) : nodes_(nodes), notes_(notes) {
    for (const Json& node : nodes_) {
      const uint64_t id = Number(node, "node_id");
      by_id_[id] = &node;
      ++children_[Number(node, "parent_id")];
      if (IsAttached(node)) has_attached_.insert(Number(node, "parent_id"));
      names_[id] = NewName(node);
    }
  }

  Ordered Participants() const {
    Ordered list = Ordered::array();
    for (const Json& node : nodes_) {
      if (!IsGroup(node)) list.push_back(Participant(node));
    }
    return list;
  }

  Ordered Groups() const {
    Ordered list = Ordered::array();
    for (const Json& node : nodes_) {
      const uint64_t id = Number(node, "node_id");
      if (!IsGroup(node)) continue;
      if (!children_.contains(id)) {
        notes_.push_back("group \"" + NameOf(id) + "\" has no children, so it is left out");
        continue;
      }
      Ordered group = {{"name", NameOf(id)}, {"parent", NameOf(Number(node, "parent_id"))}};
      for (const Json& child : nodes_) {
        if (Number(child, "parent_id") == id) {
          group["children"].push_back(NameOf(Number(child, "node_id")));
        }
      }
      list.push_back(std::move(group));
    }
    return list;
  }

 private:
  static bool IsGroup(const Json& node) { return Text(node, "kind") == "NODE_KIND_GROUP"; }
  static bool IsAttached(const Json& node) {
    return Text(node, "failure_mode") == "FAILURE_MODE_DO_NOT_PROPAGATE";
  }

  const std::string& NameOf(uint64_t id) const {
    static const std::string none;
    const auto found = names_.find(id);
    return found != names_.end() ? found->second : none;
  }

  // No two nodes may share one, nor be without.
  std::string NewName(const Json& node) {
    const std::string number = "node " + std::to_string(Number(node, "node_id"));
    std::string name(base::CutToBytes(Text(node, "debug_name"), kNameBytes));
    if (name.empty()) name = number;
    while (!taken_.insert(name).second) name += " (" + number + ")";
    return name;
  }

  Ordered Participant(const Json& node) const {
    const uint64_t id = Number(node, "node_id");
    Ordered to = {{"name", NameOf(id)}};
    const auto parent = by_id_.find(Number(node, "parent_id"));
    const bool is_alternative = parent != by_id_.end() && IsGroup(*parent->second);
    if (parent != by_id_.end() && !is_alternative) to["parent"] = NameOf(parent->first);
    if (IsAttached(node) && !is_alternative) to["attached"] = true;
    if (Text(node, "failure_mode") == "FAILURE_MODE_PROPAGATE_BEFORE_ALLOCATION") {
      to["dispensable"] = true;
    }
    const bool gone = !Flag(node, "connected");
    if (Flag(node, "weak") && !gone) to["weak"] = true;  // those that are gone are weak anyway
    // Whoever attaches others has to be there for it.
    if ((gone || Flag(node, "released")) && !has_attached_.contains(id)) to["released"] = true;
    if ((Number(node, "rights_mask") & core::kRightWrite) == 0) to["read_only"] = true;
    if (node.contains("constraints")) AddConstraints(node["constraints"], to);
    if (Flag(node, "must_match")) {
      notes_.push_back("\"" + NameOf(id) + "\" showed a buffer to match, which no scenario can");
    }
    return to;
  }

  const Json& nodes_;
  std::vector<std::string>& notes_;
  std::map<uint64_t, const Json*> by_id_;
  std::map<uint64_t, std::string> names_;
  std::map<uint64_t, size_t> children_;
  std::set<uint64_t> has_attached_;
  std::set<std::string> taken_;
};

// ---- The machine ----

Ordered HeapsOf(const core::Settings& settings) {
  Ordered list = Ordered::array();
  for (const core::HeapProperties& heap : settings.heaps) {
    Ordered to = {{"name", heap.heap.type}};
    if (heap.heap.id != 0) to["name"] = heap.heap.type + "#" + std::to_string(heap.heap.id);
    to["cpu_domain"] = heap.cpu_domain;
    to["ram_domain"] = heap.ram_domain;
    to["inaccessible_domain"] = heap.inaccessible_domain;
    if (heap.physically_contiguous) to["physically_contiguous"] = *heap.physically_contiguous;
    if (heap.need_clear) to["need_clear"] = true;
    if (heap.need_flush) to["need_flush"] = *heap.need_flush;
    const auto& secure = settings.secure_heaps;
    if (std::find(secure.begin(), secure.end(), heap.heap) != secure.end()) to["secure"] = true;
    list.push_back(std::move(to));
  }
  return list;
}

Ordered PreferredHeapsOf(const Json& heaps) {
  std::map<uint64_t, std::string> by_preference;
  for (const Json& info : heaps) {
    const uint64_t place = Number(info, "preference");
    if (place > 0) by_preference[place] = Text(info.value("heap", Json::object()), "heap_type");
  }
  Ordered list = Ordered::array();
  for (const auto& [place, type] : by_preference) list.push_back(type);
  return list;
}

// Those that scenarios know and the daemon tells.
Ordered LimitsOf(const Json& limits) {
  static const std::set<std::string> known = {"buffer_bytes",
                                              "collection_bytes",
                                              "allocation_bytes",
                                              "buffers_per_collection",
                                              "group_combinations",
                                              "nodes_per_collection",
                                              "image_formats_per_collection"};
  Ordered to = Ordered::object();
  for (const Json& limit : limits) {
    const std::string name = Text(limit, "name");
    if (known.contains(name)) to[name] = std::to_string(Number(limit, "value"));
  }
  return to;
}

}  // namespace

Recorded RecordScenario(const Json& detail, const Json& heaps, const Json& limits) {
  Recorded recorded;
  const Json summary = detail.value("summary", Json::object());
  const std::string id = std::to_string(Number(summary, "buffer_collection_id"));
  const std::string name(base::CutToBytes(Text(summary, "name"), kNameBytes));
  Ordered scenario = {
      {"title", name.empty() ? "Collection " + id : name + " (collection " + id + ")"}};
  const Json nodes = detail.value("nodes", Json::array());
  const Tree tree(nodes, recorded.notes);
  scenario["participants"] = tree.Participants();
  Ordered groups = tree.Groups();
  if (!groups.empty()) scenario["groups"] = std::move(groups);
  core::Settings settings;
  UseLiveHeaps(heaps, settings);
  scenario["heaps"] = HeapsOf(settings);
  Ordered preferred = PreferredHeapsOf(heaps);
  if (!preferred.empty()) scenario["preferred_heaps"] = std::move(preferred);
  scenario["limits"] = LimitsOf(limits);
  recorded.scenario = scenario.dump(2, ' ', false, Ordered::error_handler_t::replace) + "\n";
  return recorded;
}

}  // namespace sysmem::ctl
