// SPDX-License-Identifier: Apache-2.0
//
// One conflict is hidden among many participants who get along, with groups and without: the report
// must find exactly this one. Kinds of conflicts stand in a table, everything else is chance; a
// failure prints its seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>

#include "core/attempt.h"
#include "core/explain.h"
#include "core/image_layout.h"
#include "tests/core/random_constraints.h"

namespace sysmem::core {
namespace {

using namespace recipes;  // NOLINT(google-build-using-namespace): the vocabulary of these tests

constexpr char kSecureHeap[] = "secure";

// System RAM, a heap "other" of every domain, and one that is secure.
Settings MachineWithAll() {
  Settings settings = Machine();
  settings.heaps.push_back(HeapNamed("other"));
  settings.heaps.push_back(HeapNamed("third"));
  settings.heaps.push_back(HeapNamed(kSecureHeap));
  settings.secure_heaps = {{kSecureHeap, 0}};
  return settings;
}

ImageFormatConstraints& Rgba0(Constraints& c) { return c.image_formats[0]; }

MemoryConstraints& MemoryOf(Constraints& c) {
  if (!c.memory) c.memory.emplace();
  return *c.memory;
}

ImageFormatConstraints Modified(uint64_t modifier) {
  ImageFormatConstraints image = Rgba();
  image.pixel_format_modifier = modifier;
  return image;
}

using Change = std::function<void(Constraints&)>;

// Some modifiers have no layout yet.
bool IsPossible(const Constraints& c) {
  return std::all_of(c.image_formats.begin(), c.image_formats.end(), [](const auto& image) {
    return IsSupported({*image.pixel_format, image.pixel_format_modifier.value_or(0)});
  });
}

// What is done to a participant that names RGBA LINEAR in SRGB and uses the buffers with its GPU.
struct Plant {
  const char* rule;
  const char* field;
  std::vector<Change> members;
};

void Permit(Constraints& c, std::vector<std::string> types) {
  MemoryOf(c).permitted_heaps.emplace();
  for (std::string& type : types) {
    c.memory->permitted_heaps->push_back({.type = std::move(type), .id = std::nullopt});
  }
}

void SupportOnly(Constraints& c, bool cpu, bool ram, bool inaccessible) {
  MemoryOf(c).cpu_domain_supported = cpu;
  MemoryOf(c).ram_domain_supported = ram;
  MemoryOf(c).inaccessible_domain_supported = inaccessible;
}

const Plant kPlants[] = {
    {"M14",
     "buffer_memory_constraints.min_size_bytes",
     {[](Constraints& c) { MemoryOf(c).min_size_bytes = 9'000'000; },
      [](Constraints& c) { MemoryOf(c).max_size_bytes = 8'000'000; }}},
    {"C5",
     "min_buffer_count",
     {[](Constraints& c) { c.min_buffer_count = 90; },
      [](Constraints& c) { c.max_buffer_count = 80; }}},
    {"4.8",
     "min_buffer_count_for_camping",
     {[](Constraints& c) { c.min_buffer_count_for_camping = 30; },
      [](Constraints& c) { c.min_buffer_count_for_camping = 30; },
      [](Constraints& c) { c.max_buffer_count = 59; }}},
    {"4.8", "min_buffer_count_for_camping", {[](Constraints& c) {
       c.min_buffer_count_for_camping = 129;
     }}},
    {"4.8",
     "min_buffer_count_for_dedicated_slack",
     {[](Constraints& c) { c.min_buffer_count_for_dedicated_slack = 60; },
      [](Constraints& c) { c.max_buffer_count = 59; }}},
    {"4.8",
     "min_buffer_count_for_shared_slack",
     {[](Constraints& c) { c.min_buffer_count_for_shared_slack = 60; },
      [](Constraints& c) { c.max_buffer_count = 59; }}},
    {"4.5",
     "buffer_memory_constraints.permitted_heaps",
     {[](Constraints& c) { Permit(c, {kHeapSystemRam}); },
      [](Constraints& c) { Permit(c, {"other"}); }}},
    {"4.5",
     "buffer_memory_constraints.permitted_heaps",
     {[](Constraints& c) {
        Permit(c, {kHeapSystemRam, "other"});
      },
      [](Constraints& c) {
        Permit(c, {"other", "third"});
      },
      [](Constraints& c) {
        Permit(c, {kHeapSystemRam, "third"});
      }}},
    {"HEAP-3", "buffer_memory_constraints.permitted_heaps", {[](Constraints& c) {
       Permit(c, {"nowhere"});
     }}},
    {"HEAP-4", "buffer_memory_constraints.physically_contiguous_required", {[](Constraints& c) {
       MemoryOf(c).physically_contiguous_required = true;
     }}},
    {"DOM-1",
     "buffer_memory_constraints.cpu_domain_supported",
     {[](Constraints& c) { SupportOnly(c, true, false, false); },
      [](Constraints& c) { SupportOnly(c, false, true, false); }}},
    {"DOM-1",
     "buffer_memory_constraints.cpu_domain_supported",
     {[](Constraints& c) { SupportOnly(c, true, true, false); },
      [](Constraints& c) { SupportOnly(c, true, false, true); },
      [](Constraints& c) { SupportOnly(c, false, true, true); }}},
    {"M15",
     "buffer_memory_constraints.secure_required",
     {[](Constraints& c) { MemoryOf(c).secure_required = true; },
      [](Constraints& c) { c.usage = CpuReadWrite(); }}},
    {"M15",
     "buffer_memory_constraints.secure_required",
     {[](Constraints& c) { MemoryOf(c).secure_required = true; },
      [](Constraints& c) { Permit(c, {kHeapSystemRam}); }}},
    {"FMT-1",
     "image_format_constraints",
     {[](Constraints& c) {
        MemoryOf(c).secure_required = true;
        c.image_formats.clear();
      },
      [](Constraints& c) { c.image_formats = {Modified(modifier::kArmAfbc16x16Te)}; }}},
    {"4.5",
     "image_format_constraints",
     {[](Constraints& c) { c.image_formats = {Rgba()}; },
      [](Constraints& c) { c.image_formats = {Nv12()}; }}},
    {"4.5",
     "image_format_constraints",
     {[](Constraints& c) { c.image_formats = {Rgba()}; },
      [](Constraints& c) { c.image_formats = {Modified(modifier::kIntelXTiled)}; }}},
    {"4.5",
     "image_format_constraints.color_spaces",
     {[](Constraints& c) { c.image_formats = {Rgba()}; },
      [](Constraints& c) {
        c.image_formats = {Image(pixel_format::kR8G8B8A8, {color_space::kPassthrough})};
      }}},
    {"4.5",
     "image_format_constraints.is_alpha_present",
     {[](Constraints& c) { Rgba0(c).is_alpha_present = true; },
      [](Constraints& c) { Rgba0(c).is_alpha_present = false; }}},
    {"4.5",
     "image_format_constraints.bytes_per_row_divisor",
     {[](Constraints& c) { Rgba0(c).bytes_per_row_divisor = 1u << 30; },
      [](Constraints& c) { Rgba0(c).bytes_per_row_divisor = 5; }}},
    {"I21",
     "image_format_constraints.min_size.width",
     {[](Constraints& c) {
        Rgba0(c).min_size = {900, 1};
      },
      [](Constraints& c) {
        Rgba0(c).max_size = {800, 90000};
      }}},
    {"I21",
     "image_format_constraints.min_size.height",
     {[](Constraints& c) {
        Rgba0(c).min_size = {1, 900};
      },
      [](Constraints& c) {
        Rgba0(c).max_size = {90000, 800};
      }}},
    // 900 is fine for a maximum of 1000, but not once it is rounded to 1024.
    {"I21",
     "image_format_constraints.min_size.width",
     {[](Constraints& c) {
        Rgba0(c).min_size = {900, 1};
      },
      [](Constraints& c) {
        Rgba0(c).max_size = {1000, 90000};
      },
      [](Constraints& c) {
        Rgba0(c).size_alignment = {512, 1};
      }}},
    {"I21",
     "image_format_constraints.min_bytes_per_row",
     {[](Constraints& c) { Rgba0(c).min_bytes_per_row = 9000; },
      [](Constraints& c) { Rgba0(c).max_bytes_per_row = 8000; }}},
    {"I30",
     "image_format_constraints.required_max_size_list.width",
     {[](Constraints& c) {
        Rgba0(c).required_max_size_list = {{900, 1}};
      },
      [](Constraints& c) {
        Rgba0(c).max_size = {800, 90000};
      }}},
    {"I31",
     "image_format_constraints.required_max_size.height",
     {[](Constraints& c) {
        Rgba0(c).required_max_size = {1, 900};
      },
      [](Constraints& c) {
        Rgba0(c).max_size = {90000, 800};
      }}},
    {"I29",
     "image_format_constraints.min_size.width",
     {[](Constraints& c) {
        Rgba0(c).min_size = {900, 1};
      },
      [](Constraints& c) {
        Rgba0(c).required_min_size = {800, 90000};
      }}},
    {"I23",
     "image_format_constraints.max_width_times_height",
     {[](Constraints& c) {
        Rgba0(c).min_size = {1000, 1000};
      },
      [](Constraints& c) { Rgba0(c).max_width_times_height = 999'999; }}},
    {"4.9",
     "image_format_constraints.max_width_times_height",
     {[](Constraints& c) {
        Rgba0(c).required_max_size_list = {{1000, 1000}};
      },
      [](Constraints& c) { Rgba0(c).max_width_times_height = 999'999; }}},
    {"4.9",
     "image_format_constraints.max_bytes_per_row",
     {[](Constraints& c) {
        Rgba0(c).required_max_size_list = {{1000, 1}};
      },
      [](Constraints& c) { Rgba0(c).max_bytes_per_row = 3999; }}},
    // Rows of 4000 bytes are fine for a maximum of 4000, but not once they are a multiple of 256.
    {"4.9",
     "image_format_constraints.max_bytes_per_row",
     {[](Constraints& c) {
        Rgba0(c).required_max_size_list = {{1000, 1}};
      },
      [](Constraints& c) { Rgba0(c).max_bytes_per_row = 4000; },
      [](Constraints& c) { Rgba0(c).bytes_per_row_divisor = 256; }}},
    {"4.9",
     "buffer_memory_constraints.max_size_bytes",
     {[](Constraints& c) {
        Rgba0(c).required_max_size_list = {{2000, 1000}};
      },
      [](Constraints& c) { MemoryOf(c).max_size_bytes = 7'999'999; }}},
    {"PAD-2",
     "buffer_memory_constraints.max_size_bytes",
     {[](Constraints& c) { Rgba0(c).pad_beyond_image_size_bytes = 8'000'000; },
      [](Constraints& c) { MemoryOf(c).max_size_bytes = 7'999'999; }}},
    {"4.9", "buffer_memory_constraints.min_size_bytes", {[](Constraints& c) {
       MemoryOf(c).min_size_bytes = (256u << 20) + 1;
     }}},
    {"4.9",
     "buffer_memory_constraints.min_size_bytes",
     {[](Constraints& c) { MemoryOf(c).min_size_bytes = 200u << 20; },
      [](Constraints& c) { c.min_buffer_count_for_camping = 6; }}},
    // Wrong by itself.
    {"I8", "image_format_constraints[0].size_alignment.width", {[](Constraints& c) {
       Rgba0(c).size_alignment = {3, 1};
     }}},
    {"U2", "usage", {[](Constraints& c) { c.usage.reset(); }}},
    {"M11", "buffer_memory_constraints.permitted_heaps", {[](Constraints& c) { Permit(c, {}); }}},
};

// Asks for something, but for nothing that is in the way of any plant.
Constraints Harmless(RandomConstraints& random) {
  Constraints c;
  if (random.OneIn(6)) return c;
  c.usage = BufferUsage{.vulkan = 1};
  random.Maybe(c.min_buffer_count, 3, random.Pick(0, 3));
  random.Maybe(c.max_buffer_count, 4, random.Pick(130, 1000));
  random.Maybe(c.min_buffer_count_for_camping, 4, 0u);
  if (random.OneIn(2)) {
    MemoryOf(c).min_size_bytes = random.Pick(0, 4096);
    random.Maybe(c.memory->max_size_bytes, 3, uint64_t{1} << 40);
    random.Maybe(c.memory->secure_required, 4, false);
    random.Maybe(c.memory->cpu_domain_supported, 4, true);
    if (random.OneIn(3)) Permit(c, {kHeapSystemRam, "other", "third", kSecureHeap, "nowhere"});
  }
  if (random.OneIn(2)) return c;
  for (const auto modifier :
       {modifier::kLinear, modifier::kIntelXTiled, modifier::kArmAfbc16x16Te}) {
    ImageFormatConstraints image = Modified(modifier);
    if (!IsSupported({*image.pixel_format, modifier})) continue;
    image.color_spaces = {color_space::kSrgb, color_space::kPassthrough};
    random.Maybe(image.min_size, 3, SizeU{random.Pick(0, 20), random.Pick(0, 20)});
    random.Maybe(image.max_size, 3, SizeU{100'000, 100'000});
    random.Maybe(image.bytes_per_row_divisor, 3, 1u << random.Pick(0, 2));
    random.Maybe(image.start_offset_divisor, 3, 1u << random.Pick(0, 2));
    random.Maybe(image.display_rect_alignment, 3, SizeU{2, 2});
    c.image_formats.push_back(image);
  }
  ImageFormatConstraints nv12 = Nv12();
  c.image_formats.push_back(nv12);
  return c;
}

Constraints Member(const Change& change) {
  Constraints member;
  member.usage = BufferUsage{.vulkan = 1};
  member.image_formats = {Rgba()};
  change(member);
  return member;
}

std::vector<Plant> PossiblePlants() {
  std::vector<Plant> plants;
  for (const Plant& plant : kPlants) {
    if (std::all_of(plant.members.begin(), plant.members.end(),
                    [](const Change& change) { return IsPossible(Member(change)); })) {
      plants.push_back(plant);
    }
  }
  return plants;
}

// A tree of participants below a root that asks for nothing.
class Hidden {
 public:
  Hidden(RandomConstraints& random, const Plant& plant) {
    tree_.AddRoot(last_).kind = NodeKind::kCollection;
    std::vector<Constraints> all(random.Pick(3, 40));
    for (Constraints& one : all) one = Harmless(random);
    Constraints asks;
    asks.usage = BufferUsage{.vulkan = 1};
    asks.min_buffer_count = 1;
    asks.memory = MemoryConstraints{.min_size_bytes = 1};
    all.push_back(asks);
    for (const Change& change : plant.members) all.push_back(Member(change));
    std::vector<size_t> order(all.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random.engine());
    const size_t first_member = all.size() - plant.members.size();
    for (size_t i : order) {
      const NodeId id = Add(tree_.root(), std::move(all[i]));
      if (i >= first_member) members_.insert(id);
    }
    for (uint32_t groups = random.Pick(0, 2); groups > 0; --groups) AddGroup(random);
  }

  const NodeTree& tree() const { return tree_; }
  std::vector<NodeId> pruned() const { return PrunedSubtree(tree_, tree_.root()); }
  const std::set<NodeId>& members() const { return members_; }
  size_t tries() const { return tries_; }

 private:
  NodeId Add(NodeId parent, Constraints constraints) {
    Node& node = tree_.AddChild(parent, ++last_, kSameRights);
    node.kind = NodeKind::kCollection;
    node.debug.name = "p" + std::to_string(last_);
    node.constraints_set = true;
    node.constraints = std::move(constraints);
    return last_;
  }

  void AddGroup(RandomConstraints& random) {
    Node& group = tree_.AddChild(tree_.root(), ++last_, kSameRights);
    group.kind = NodeKind::kGroup;
    group.all_children_present = true;
    group.debug.name = "group";
    const NodeId id = group.id;
    const uint32_t children = random.Pick(2, 3);
    tries_ *= children;
    for (uint32_t i = 0; i < children; ++i) Add(id, Harmless(random));
  }

  NodeTree tree_;
  NodeId last_ = 1;
  std::set<NodeId> members_;
  size_t tries_ = 1;
};

template <typename Statement>
std::set<NodeId> NodesOf(const std::vector<Statement>& statements) {
  std::set<NodeId> nodes;
  for (const Statement& one : statements) nodes.insert(one.node);
  return nodes;
}

void ExpectFound(const Plant& plant, const Hidden& hidden, const Failure& failure) {
  ASSERT_EQ(failure.rule, plant.rule) << failure.message;
  ASSERT_EQ(failure.field, plant.field) << failure.message;
  ASSERT_EQ(NodesOf(failure.participants), hidden.members()) << failure.message;
  ASSERT_EQ(failure.participants.size(), hidden.members().size());
  for (const ParticipantValue& one : failure.participants) {
    ASSERT_FALSE(one.value.empty()) << failure.message;
    ASSERT_NE(failure.message.find("\"" + one.name + "\" has " + one.value), std::string::npos)
        << failure.message << "\n"
        << one.value;
  }
  ASSERT_NE(failure.report, nullptr);
  ASSERT_EQ(failure.report->refused.size(), hidden.tries());
  for (const RefusedTry& one : failure.report->refused) {
    ASSERT_EQ(one.rule, plant.rule);
    ASSERT_EQ(one.field, plant.field);
    ASSERT_EQ(NodesOf(one.conflict.told), hidden.members());
    ASSERT_EQ(one.conflict.untold, 0u);
    ASSERT_TRUE(one.proven_smallest);
  }
}

TEST(PlantedConflict, IsFoundExactlyAThousandTimesOfAThousand) {
  const uint32_t seed = Seed();
  SCOPED_TRACE("SYSMEM_TEST_SEED=" + std::to_string(seed));
  RandomConstraints random(seed);
  const Settings settings = MachineWithAll();
  const std::vector<Plant> plants = PossiblePlants();
  for (size_t round = 0; round < 1000; ++round) {
    const Plant& plant = plants[round % plants.size()];
    SCOPED_TRACE("round " + std::to_string(round) + ", rule " + plant.rule + ", field " +
                 plant.field);
    const Hidden hidden(random, plant);
    const GroupSearch search = FindAgreement(hidden.tree(), hidden.pruned(), settings);
    ASSERT_FALSE(search.result.ok());
    const Failure failure = Explained(search, hidden.tree(), hidden.pruned(), nullptr, settings);
    ExpectFound(plant, hidden, failure);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace sysmem::core
