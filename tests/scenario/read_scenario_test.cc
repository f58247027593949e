// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "core/color_space.h"
#include "core/pixel_format.h"
#include "scenario/scenario.h"

namespace sysmem::scenario {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

Scenario Read(const std::string& text) {
  Mistakes mistakes("f");
  std::optional<Scenario> scenario = ReadScenario(text, mistakes);
  EXPECT_TRUE(scenario) << mistakes.ToString();
  return scenario.value_or(Scenario{.nodes = {Node{}}});
}

std::string Complaints(const std::string& text) {
  Mistakes mistakes("f");
  EXPECT_FALSE(ReadScenario(text, mistakes)) << text;
  return mistakes.ToString();
}

// One participant with these lines.
std::string One(const std::string& lines) { return "[[participants]]\nname = \"a\"\n" + lines; }
core::Constraints ConstraintsOf(const std::string& lines) {
  return Read(One(lines)).nodes[0].constraints.value_or(core::Constraints{});
}

std::vector<std::string> Names(const Scenario& scenario) {
  std::vector<std::string> names;
  for (const Node& node : scenario.nodes) names.push_back(node.name);
  return names;
}

TEST(ReadScenario, TakesEveryFieldOfConstraints) {
  const core::Constraints c = ConstraintsOf(R"(
    usage.none = ["NONE", "PERMIT_ALLOCATION"]
    usage.cpu = ["read_often", 4]
    usage.vulkan = ["IMAGE_SAMPLED"]
    usage.display = ["LAYER"]
    usage.video = ["HW-DECODER"]
    min_buffer_count_for_camping = 1
    min_buffer_count_for_dedicated_slack = 2
    min_buffer_count_for_shared_slack = 3
    min_buffer_count = 4
    max_buffer_count = 5
    [participants.buffer_memory_constraints]
    min_size_bytes = "64KiB"
    max_size_bytes = "1 MB"
    physically_contiguous_required = true
    secure_required = false
    cpu_domain_supported = false
    ram_domain_supported = true
    inaccessible_domain_supported = false
    min_physical_base_alignment = 4096
    permitted_heaps = ["SYSTEM_RAM", "DMA_HEAP_SYSTEM#2", {heap_type = "x", id = 7}, {id = 1}]
    [[participants.image_format_constraints]]
    pixel_format = "NV12"
    pixel_format_modifier = "LINEAR"
    pixel_format_and_modifiers = ["R8G8B8A8", "B8G8R8A8 I915_X_TILED", "101 0x5"]
    color_spaces = ["REC709", "DO_NOT_CARE", 77]
    min_size = "1x2"
    max_size = [3, 4]
    min_bytes_per_row = 5
    max_bytes_per_row = 6
    max_width_times_height = 7
    size_alignment = "8x8"
    display_rect_alignment = "9x9"
    required_min_size = "10x10"
    required_max_size = "11x11"
    required_max_size_list = ["12x12", [13, 13]]
    bytes_per_row_divisor = 14
    start_offset_divisor = 15
    require_bytes_per_row_at_pixel_boundary = true
    is_alpha_present = false
    pad_for_block_size = "16x16"
    pad_beyond_image_size_bytes = "17B"
    [[participants.image_format_constraints]]
    pixel_format = "DO_NOT_CARE"
    pixel_format_modifier = "0x0800000000000001"
  )");
  core::Constraints wanted;
  wanted.usage = core::BufferUsage{.none = 3, .cpu = 6, .vulkan = 4, .display = 1, .video = 1};
  wanted.min_buffer_count_for_camping = 1;
  wanted.min_buffer_count_for_dedicated_slack = 2;
  wanted.min_buffer_count_for_shared_slack = 3;
  wanted.min_buffer_count = 4;
  wanted.max_buffer_count = 5;
  wanted.memory = core::MemoryConstraints{
      .min_size_bytes = 65536,
      .max_size_bytes = 1'000'000,
      .physically_contiguous_required = true,
      .secure_required = false,
      .cpu_domain_supported = false,
      .ram_domain_supported = true,
      .inaccessible_domain_supported = false,
      .permitted_heaps =
          std::vector<core::HeapWish>{{core::kHeapSystemRam, 0},
                                      {"linux.sysmem.heap.HEAP_TYPE.DMA_HEAP_SYSTEM", 2},
                                      {"x", 7},
                                      {std::nullopt, 1}},
      .min_physical_base_alignment = 4096};
  core::ImageFormatConstraints image;
  image.pixel_format = core::pixel_format::kNv12;
  image.pixel_format_modifier = core::modifier::kLinear;
  image.pixel_format_and_modifiers = {{core::pixel_format::kR8G8B8A8, core::modifier::kLinear},
                                      {core::pixel_format::kB8G8R8A8, core::modifier::kIntelXTiled},
                                      {101, 5}};
  image.color_spaces = {core::color_space::kRec709, core::color_space::kDoNotCare, 77};
  image.min_size = {1, 2};
  image.max_size = {3, 4};
  image.min_bytes_per_row = 5;
  image.max_bytes_per_row = 6;
  image.max_width_times_height = 7;
  image.size_alignment = {8, 8};
  image.display_rect_alignment = {9, 9};
  image.required_min_size = {10, 10};
  image.required_max_size = {11, 11};
  image.required_max_size_list = {{12, 12}, {13, 13}};
  image.bytes_per_row_divisor = 14;
  image.start_offset_divisor = 15;
  image.require_bytes_per_row_at_pixel_boundary = true;
  image.is_alpha_present = false;
  image.pad_for_block_size = {16, 16};
  image.pad_beyond_image_size_bytes = 17;
  core::ImageFormatConstraints any;
  any.pixel_format = core::pixel_format::kDoNotCare;
  any.pixel_format_modifier = core::modifier::kArmAfbc16x16;
  wanted.image_formats = {image, any};
  EXPECT_EQ(c, wanted);
}

TEST(ReadScenario, TellsNoConstraintsFromEmptyOnes) {
  EXPECT_FALSE(Read(One("")).nodes[0].constraints);
  EXPECT_TRUE(Read(One("usage = {}")).nodes[0].constraints);
}

TEST(ReadScenario, ReadsTheSameFromJson) {
  const Scenario toml = Read(R"(
    title = "t"
    [[participants]]
    name = "a"
    usage = { cpu = ["READ"] }
    [[participants]]
    name = "b"
    weak = true
    [[participants.image_format_constraints]]
    pixel_format = "NV12"
    min_size = "16x16"
  )");
  const Scenario json = Read(R"({"title": "t", "participants": [
    {"name": "a", "usage": {"cpu": ["READ"]}},
    {"name": "b", "weak": true,
     "image_format_constraints": [{"pixel_format": "NV12", "min_size": [16, 16]}]}]})");
  ASSERT_EQ(Names(toml), Names(json));
  EXPECT_EQ(toml.title, json.title);
  for (size_t i = 0; i < toml.nodes.size(); ++i) {
    EXPECT_EQ(toml.nodes[i].constraints, json.nodes[i].constraints);
    EXPECT_EQ(toml.nodes[i].weak, json.nodes[i].weak);
  }
}

TEST(ReadScenario, ReadsTheMachine) {
  const core::Settings settings = Read("preferred_heaps = [\"a.heap\", \"SYSTEM_RAM\"]\n" + One(R"(
    [[heaps]]
    name = "SYSTEM_RAM"
    cpu_domain = true
    [[heaps]]
    name = "SECURE#3"
    inaccessible_domain = true
    secure = true
    physically_contiguous = true
    need_clear = true
    need_flush = false
    [[format_costs]]
    format = "NV12 LINEAR"
    usage = { video = ["CAPTURE"] }
    cost = 2.5
    [limits]
    buffer_bytes = "1MiB"
    group_combinations = 3
  )"))
                                      .settings;
  ASSERT_EQ(settings.heaps.size(), 2u);
  EXPECT_EQ(settings.heaps[0],
            (core::HeapProperties{.heap = {core::kHeapSystemRam, 0}, .cpu_domain = true}));
  const core::Heap secure{"fuchsia.amlogic.platform.sysmem.heap.HEAP_TYPE.SECURE", 3};
  EXPECT_EQ(settings.heaps[1], (core::HeapProperties{.heap = secure,
                                                     .inaccessible_domain = true,
                                                     .need_clear = true,
                                                     .need_flush = false,
                                                     .physically_contiguous = true}));
  EXPECT_EQ(settings.secure_heaps, std::vector<core::Heap>{secure});
  EXPECT_EQ(settings.preferred_heaps, (std::vector<std::string>{"a.heap", core::kHeapSystemRam}));
  EXPECT_EQ(settings.format_costs,
            (std::vector<core::FormatCost>{
                {{core::pixel_format::kNv12, core::modifier::kLinear}, {.video = 8}, 2.5}}));
  EXPECT_EQ(settings.limits.buffer_bytes, 1u << 20);
  EXPECT_EQ(settings.limits.group_combinations, 3u);
  EXPECT_EQ(settings.limits.collection_bytes, core::Limits{}.collection_bytes);
}

TEST(ReadScenario, TakesSeveralFormatsOfOneCostUnderAnyOfTheirNames) {
  const core::Settings settings = Read(One(R"(
    [[format_costs]]
    format = ["NV12", "drm:AR24 drm:0x0100000000000004", "R8G8B8A8 AFBC_32X8_SPARSE_BCH"]
    cost = 7
  )"))
                                      .settings;
  using namespace core::modifier;  // NOLINT(google-build-using-namespace)
  const core::PixelFormatAndModifier expected[] = {
      {core::pixel_format::kNv12, kLinear},
      {core::pixel_format::kB8G8R8A8, kIntelYTiledCcs},
      {core::pixel_format::kR8G8B8A8, kArmAfbc32x8 | kArmSparseBit | kArmBchBit}};
  ASSERT_EQ(settings.format_costs.size(), std::size(expected));
  for (size_t i = 0; i < std::size(expected); ++i) {
    EXPECT_EQ(settings.format_costs[i], (core::FormatCost{expected[i], {}, 7}));
  }
}

TEST(ReadScenario, TakesTheCostTablesThatComeWithTheDaemon) {
  size_t entries = 0;
  for (const char* name : {"intel", "arm-mali", "video-decoder"}) {
    std::ifstream file(std::string(SYSMEM_DATA_DIR "/format-costs/") + name + ".toml");
    std::stringstream text;
    text << file.rdbuf();
    entries += Read(One(text.str())).settings.format_costs.size();
  }
  EXPECT_EQ(entries, 10u + 40u + 1u);
}

TEST(ReadScenario, HasSystemRamUnlessItNamesHeaps) {
  const core::Settings settings = Read(One("")).settings;
  ASSERT_EQ(settings.heaps.size(), 1u);
  EXPECT_EQ(settings.heaps[0].heap.type, core::kHeapSystemRam);
}

constexpr char kFamily[] = R"(
  [[participants]]
  name = "root"
  [[groups]]
  name = "either"
  parent = "middle"
  children = ["best", "nested"]
  [[participants]]
  name = "middle"
  [[participants]]
  name = "fallback"
  [[participants]]
  name = "best"
  [[groups]]
  name = "nested"
  children = ["fallback"]
  [[participants]]
  name = "late"
  parent = "best"
  attached = true
)";

TEST(ReadScenario, PutsParentsFirstAndAlternativesInTheirOrder) {
  const Scenario scenario = Read(kFamily);
  EXPECT_EQ(Names(scenario), (std::vector<std::string>{"root", "middle", "either", "best", "nested",
                                                       "late", "fallback"}));
  for (size_t i = 1; i < scenario.nodes.size(); ++i) EXPECT_LT(scenario.nodes[i].parent, i);
  EXPECT_EQ(scenario.nodes[3].parent, 2u);
  EXPECT_EQ(scenario.nodes[5].parent, 3u);
}

struct BadFamily {
  const char* what;
  const char* text;
  const char* complaint;
};

class ReadScenarioRefuses : public testing::TestWithParam<BadFamily> {};

TEST_P(ReadScenarioRefuses, WithThePlaceTheKeyAndTheReason) {
  EXPECT_THAT(Complaints(GetParam().text), HasSubstr(GetParam().complaint));
}

constexpr BadFamily kBad[] = {
    {"UnknownKeyOfAFile", "titel = \"x\"\n",
     "f:1:1: titel: unknown key; allowed here: title, story, participants, groups, heaps, "
     "preferred_heaps, format_costs, limits"},
    {"UnknownKeyOfAParticipant", "[[participants]]\nname = \"a\"\nwek = true\n",
     "f:3:1: participants[0].wek: unknown key; allowed here: name, parent, attached, dispensable"},
    {"UnknownKeyDeepDown",
     "[[participants]]\nname = \"a\"\n[[participants.image_format_constraints]]\n"
     "pixel_fromat = \"NV12\"\n",
     "f:4:1: participants[0].image_format_constraints[0].pixel_fromat: unknown key"},
    {"UnknownFormat",
     "[[participants]]\nname = \"a\"\n[[participants.image_format_constraints]]\n"
     "pixel_format = \"NV13\"\n",
     "f:4:16: participants[0].image_format_constraints[0].pixel_format: expected a pixel format "
     "(R8G8B8A8, B8G8R8A8, I420"},
    {"UnknownUsage", "[[participants]]\nname = \"a\"\nusage = { cpu = [\"RAED\"] }\n",
     "f:3:18: participants[0].usage.cpu[0]: expected a usage (READ, READ_OFTEN, WRITE, "
     "WRITE_OFTEN, or a number), not \"RAED\""},
    {"NegativeCount", "[[participants]]\nname = \"a\"\nmin_buffer_count = -1\n",
     "f:3:20: participants[0].min_buffer_count: expected a whole number from 0 to 4294967295, not "
     "-1"},
    {"CountBeyond32Bits", "[[participants]]\nname = \"a\"\nmin_buffer_count = 4294967296\n",
     "not 4294967296"},
    {"SizeOfOneNumber",
     "[[participants]]\nname = \"a\"\n[[participants.image_format_constraints]]\n"
     "min_size = [1]\n",
     "expected two whole numbers, \"1920x1080\" or [1920, 1080], not a list"},
    {"UnitThatIsNone",
     "[[participants]]\nname = \"a\"\n[participants.buffer_memory_constraints]\n"
     "min_size_bytes = \"64 Kilo\"\n",
     "f:4:18: participants[0].buffer_memory_constraints.min_size_bytes: expected a whole number"},
    {"BytesBeyond64Bits",
     "[[participants]]\nname = \"a\"\n[participants.buffer_memory_constraints]\n"
     "min_size_bytes = \"99999999999 GiB\"\n",
     "min_size_bytes: expected"},
    {"ParticipantWithoutName", "[[participants]]\nweak = true\n",
     "f:1:1: participants[0].name: is missing"},
    {"ListThatIsNone", "participants = 1\n", "f:1:16: participants: expected a list"},
    {"Nobody", "title = \"x\"\n", "f: participants: there is none"},
    {"NameThatStandsTwice", "[[participants]]\nname = \"a\"\n[[participants]]\nname = \"a\"\n",
     "f:3:1: participants[1].name: another one is called \"a\""},
    {"UnknownParent",
     "[[participants]]\nname = \"a\"\n[[participants]]\nname = \"b\"\nparent = \"c\"\n",
     "f:5:10: participants[1].parent: nobody is called \"c\"; there are: a, b"},
    {"ParentThatIsAGroup",
     "[[participants]]\nname = \"a\"\n[[participants]]\nname = \"b\"\nparent = \"g\"\n"
     "[[participants]]\nname = \"c\"\n[[groups]]\nname = \"g\"\nchildren = [\"c\"]\n",
     "\"g\" is a group: list \"b\" among its children"},
    {"AlternativeOfTwoGroups",
     "[[participants]]\nname = \"a\"\n[[participants]]\nname = \"b\"\n[[groups]]\nname = \"g\"\n"
     "children = [\"b\"]\n[[groups]]\nname = \"h\"\nchildren = [\"b\"]\n",
     "\"b\" is an alternative already"},
    {"GroupWithoutChildren", "[[participants]]\nname = \"a\"\n[[groups]]\nname = \"g\"\n",
     "groups[0].children: a group needs at least one child"},
    {"RootThatIsAnAlternative",
     "[[participants]]\nname = \"a\"\n[[groups]]\nname = \"g\"\nchildren = [\"a\"]\n",
     "is the first participant"},
    {"ParentsInACircle",
     "[[participants]]\nname = \"r\"\n[[participants]]\nname = \"a\"\nparent = \"b\"\n"
     "[[participants]]\nname = \"b\"\nparent = \"a\"\n",
     "\"a\" is below itself"},
    {"AttachedToSomebodyReleased",
     "[[participants]]\nname = \"r\"\nreleased = true\n[[participants]]\nname = \"a\"\n"
     "attached = true\n",
     "\"r\" is released: nobody is left"},
    {"PagesOfNoBytes", "[[participants]]\nname = \"a\"\n[limits]\npage_bytes = 0\n",
     "limits.page_bytes: must be a power of two"},
    {"TooManyBuffersAllowed",
     "[[participants]]\nname = \"a\"\n[limits]\nbuffers_per_collection = 129\n",
     "limits.buffers_per_collection: can be 128 at most"},
    {"MoreNodesThanALimitAllows",
     "[[participants]]\nname = \"a\"\n[[participants]]\nname = \"b\"\n[limits]\n"
     "nodes_per_collection = 1\n",
     "more than the limit nodes_per_collection, 1"},
    {"TwoHeapsOfOneName",
     "[[participants]]\nname = \"a\"\n[[heaps]]\nname = \"x\"\n[[heaps]]\nname = \"X\"\n",
     "heaps[1].name: another heap has this name and id"},
    {"CostThatIsNoNumber",
     "[[participants]]\nname = \"a\"\n[[format_costs]]\nformat = \"NV12\"\ncost = nan\n",
     "format_costs[0].cost: expected a number"},
    {"DateAsName", "[[participants]]\nname = 2024-01-01\n", "not a date or time"},
};

INSTANTIATE_TEST_SUITE_P(, ReadScenarioRefuses, testing::ValuesIn(kBad),
                         [](const auto& test) { return test.param.what; });

TEST(ReadScenario, TellsAllMistakesAtOnce) {
  const std::string text = Complaints(One("weak = 1\nreleased = 2\nread_only = 3\n"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  EXPECT_THAT(text, StartsWith("f:3:8: participants[0].weak: expected true or false, not 1\n"));
}

TEST(ReadScenario, PointsAtMistakesInJson) {
  EXPECT_EQ(Complaints("{\"participants\": [\n  {\"name\": \"a\",\n   \"weak\": 7}]}"),
            "f:3:12: participants[0].weak: expected true or false, not 7\n");
}

}  // namespace
}  // namespace sysmem::scenario
