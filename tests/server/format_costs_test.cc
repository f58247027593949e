// SPDX-License-Identifier: Apache-2.0
//
// Format costs: how files say them, and the conformance cases COST with the tables that come with
// the daemon (server-behaviour.md COST-4).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/format_cost.h"
#include "core/image_layout.h"
#include "core/pixel_format.h"
#include "server/config_file.h"

namespace sysmem::server {
namespace {

using core::FormatCost;
using core::PixelFormatAndModifier;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
namespace pf = core::pixel_format;
namespace mod = core::modifier;

std::vector<FormatCost> Costs(const std::string& text) {
  const auto config = ParseConfig(text, "t.toml");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? config->format_costs : std::vector<FormatCost>{};
}

std::string Complaint(const std::string& text) {
  const auto config = ParseConfig(text, "t.toml");
  EXPECT_FALSE(config.ok()) << text;
  return std::string(config.status().message());
}

TEST(FormatCosts, AreListsOfPairsWithUsagesAndACost) {
  EXPECT_THAT(Costs("[[format_costs]]\n"
                    "format = \"NV12\"\n"
                    "usage = { video = \"HW_DECODER\", cpu = [\"READ\", \"WRITE_OFTEN\"] }\n"
                    "cost = 100\n"
                    "[[format_costs]]\n"
                    "format = [\"R8G8B8A8 LINEAR\", \"drm:AR24 I915_FORMAT_MOD_Y_TILED_CCS\"]\n"
                    "cost = 0.5\n"),
              ElementsAre(FormatCost{{pf::kNv12, mod::kLinear}, {.cpu = 9, .video = 1}, 100},
                          FormatCost{{pf::kR8G8B8A8, mod::kLinear}, {}, 0.5},
                          FormatCost{{pf::kB8G8R8A8, mod::kIntelYTiledCcs}, {}, 0.5}));
}

TEST(FormatCosts, AreNoneWhereAFileNamesNone) {
  EXPECT_TRUE(Costs("").empty());
  EXPECT_TRUE(Costs("socket.path = \"/x\"\n").empty());
}

struct Mistake {
  const char* line;  // the third of the file
  const char* complaint;
};

TEST(FormatCosts, NameFileLineAndValueOfAMistake) {
  const Mistake mistakes[] = {
      {"format = \"NV13\"", "format_costs.format: expected a pixel format and a modifier"},
      {"format = [\"NV12\", 7]", "format_costs.format: expected a text in quotes, not 7"},
      {"format = 104", "format_costs.format: expected a text in quotes, or a list"},
      {"format = \"NV12 X_TILED\"", "format_costs.format: expected a pixel format and a modifier"},
      {"format = \"MJPEG\"", "format_costs.format: MJPEG LINEAR is not supported"},
      {"format = \"DO_NOT_CARE\"", "format_costs.format: DO_NOT_CARE LINEAR is not supported"},
      {"usage = \"HW_DECODER\"", "format_costs.usage: expected a table"},
      {"usage = { video = \"LAYER\" }", "format_costs.usage.video: expected a usage of video"},
      {"usage = { video = 1 }", "format_costs.usage.video: expected a text in quotes"},
      {"usage = { none = \"NONE\" }", "format_costs.usage.none: unknown key; there are cpu,"},
      {"cost = 0", "format_costs.cost: expected a number above 0, not 0"},
      {"cost = -1.5", "format_costs.cost: expected a number above 0, not -1.5"},
      {"cost = nan", "format_costs.cost: expected a number above 0, not nan"},
      {"cost = inf", "format_costs.cost: expected a number above 0, not inf"},
      {"cost = \"7\"", "format_costs.cost: expected a number above 0"},
      {"prize = 7", "format_costs.prize: unknown key"},
  };
  for (const Mistake& mistake : mistakes) {
    const std::string text = Complaint(std::string("[[format_costs]]\n\n") + mistake.line + "\n");
    EXPECT_THAT(text, StartsWith("t.toml:3: ")) << mistake.line;
    EXPECT_THAT(text, HasSubstr(mistake.complaint));
  }
  EXPECT_THAT(Complaint("[[format_costs]]\nformat = \"NV13\"\n"), HasSubstr("NV13"));
}

TEST(FormatCosts, NeedAFormatAndACost) {
  EXPECT_EQ(Complaint("\n[[format_costs]]\ncost = 1\n"),
            "t.toml:2: format_costs.format: is missing");
  EXPECT_EQ(Complaint("\n[[format_costs]]\nformat = []\ncost = 1\n"),
            "t.toml:2: format_costs.format: is missing");
  EXPECT_EQ(Complaint("\n[[format_costs]]\nformat = \"NV12\"\n"),
            "t.toml:2: format_costs.cost: is missing");
  EXPECT_THAT(Complaint("format_costs = \"cheap\"\n"), HasSubstr("expected a list"));
  EXPECT_THAT(Complaint("[format_costs]\ncost = 1\n"), HasSubstr("expected a list"));
}

// --- The tables that come with the daemon ---

std::vector<FormatCost> Shipped(const std::vector<std::string>& names) {
  std::vector<FormatCost> costs;
  for (const std::string& name : names) {
    const auto config = ReadConfigFile(SYSMEM_DATA_DIR "/format-costs/" + name + ".toml");
    EXPECT_TRUE(config.ok()) << config.status();
    if (!config.ok()) continue;
    EXPECT_TRUE(config->entries.empty());
    costs.insert(costs.end(), config->format_costs.begin(), config->format_costs.end());
  }
  return costs;
}

std::vector<FormatCost> Generic() { return Shipped({"intel"}); }
std::vector<FormatCost> Arm() { return Shipped({"intel", "arm-mali", "video-decoder"}); }

constexpr core::BufferUsage kUsage = {.vulkan = 4, .display = 1};

// Above 0 if b is the better one.
int Compare(const std::vector<FormatCost>& costs, uint64_t a, uint64_t b) {
  const double cost_a = core::CostOf({pf::kB8G8R8A8, a}, kUsage, costs);
  const double cost_b = core::CostOf({pf::kB8G8R8A8, b}, kUsage, costs);
  return (cost_a > cost_b ? 1 : 0) - (cost_a < cost_b ? 1 : 0);
}

void ExpectRanking(const std::vector<FormatCost>& costs, const std::vector<uint64_t>& worst_first) {
  for (size_t i = 1; i < worst_first.size(); ++i) {
    EXPECT_GT(Compare(costs, worst_first[i - 1], worst_first[i]), 0)
        << core::ModifierName(worst_first[i]);
    EXPECT_LT(Compare(costs, worst_first[i], worst_first[i - 1]), 0);
    // The choice follows the costs, whatever is said of alpha and whoever comes first.
    for (const std::optional<bool>& alpha : {std::optional<bool>(), std::optional<bool>(false)}) {
      core::SanitisedImageFormat worse;
      worse.format = {pf::kB8G8R8A8, worst_first[i - 1]};
      worse.is_alpha_present = alpha;
      core::SanitisedImageFormat better = worse;
      better.format.modifier = worst_first[i];
      EXPECT_EQ(core::BestFormat({worse, better}, kUsage, costs), better);
      EXPECT_EQ(core::BestFormat({better, worse}, kUsage, costs), better);
    }
  }
}

TEST(COST1, AfbcIsBetterThanLinearOnArmAndNoBetterElsewhere) {
  ExpectRanking(Arm(), {mod::kLinear, mod::kArmAfbc32x8});
  EXPECT_EQ(Compare(Generic(), mod::kLinear, mod::kArmAfbc32x8), 0);
  EXPECT_EQ(Compare(Generic(), mod::kArmAfbc32x8, mod::kLinear), 0);
}

TEST(COST2, IntelTilesAreBetterThanRowsAndControlSurfacesBetterStill) {
  for (const std::vector<FormatCost>& costs : {Generic(), Arm()}) {
    ExpectRanking(costs, {mod::kLinear, mod::kIntelXTiled, mod::kIntelYTiled, mod::kIntelYfTiled,
                          mod::kIntelYTiledCcs, mod::kIntelYfTiledCcs});
  }
}

TEST(COST4, FlagsOfAfbcAreRankedOnArmAndTieElsewhere) {
  const std::vector<uint64_t> worst_first = {
      mod::kLinear,
      mod::kArmAfbc16x16,
      mod::kArmAfbc16x16SplitBlockSparseYuv,
      mod::kArmAfbc16x16SplitBlockSparseYuvTiledHeader,
      mod::kArmAfbc16x16Te,
      mod::kArmAfbc16x16SplitBlockSparseYuvTe,
      mod::kArmAfbc16x16SplitBlockSparseYuvTeTiledHeader,
  };
  ExpectRanking(Arm(), worst_first);
  for (size_t i = 1; i < worst_first.size(); ++i) {
    EXPECT_EQ(Compare(Generic(), worst_first[i - 1], worst_first[i]), 0);
    EXPECT_EQ(Compare(Generic(), worst_first[i], worst_first[i - 1]), 0);
  }
}

TEST(RuleCost4, TheArmTableIsTheSumOfItsFormula) {
  for (const FormatCost& entry : Shipped({"arm-mali"})) {
    const uint64_t modifier = entry.format.modifier;
    if (modifier == mod::kArmLinearTe) continue;
    const auto has = [modifier](uint64_t bit) { return (modifier & bit) != 0; };
    const bool is_16x16 = (modifier & ~mod::kArmFlagBits) == mod::kArmAfbc16x16;
    EXPECT_EQ(entry.cost,
              (has(mod::kArmYuvBit) ? 0 : 100) + (has(mod::kArmTiledHeaderBit) ? 0 : 500) +
                  (has(mod::kArmSplitBlockBit) ? 10 : 0) + (has(mod::kArmSparseBit) ? 0 : 1000) +
                  (has(mod::kArmTeBit) ? 0 : 2000) + (is_16x16 ? 0 : 4000))
        << core::ModifierName(modifier);
  }
}

TEST(RuleCost4, DecodersLikeNv12AndNobodyElseIsAsked) {
  const std::vector<FormatCost> costs = Shipped({"video-decoder"});
  const PixelFormatAndModifier nv12{pf::kNv12, mod::kLinear};
  EXPECT_EQ(core::CostOf(nv12, {.cpu = 1, .video = 1}, costs), 100);
  EXPECT_GT(core::CostOf(nv12, {.cpu = 1, .video = 2}, costs), 1e300);
}

}  // namespace
}  // namespace sysmem::server
