// SPDX-License-Identifier: Apache-2.0
//
// Pages of a collection put together.
#include "tools/sysmemctl/daemon_view.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace sysmem::ctl {
namespace {

Json PageOf(const std::string& version, std::vector<int> nodes, std::vector<int> buffers = {}) {
  Json page = {{"version", version},
               {"changed_meanwhile", false},
               {"nodes", Json::array()},
               {"buffers", Json::array()},
               {"waiting_for", Json::array()}};
  for (const int node : nodes) {
    page["nodes"].push_back({{"node_id", std::to_string(node)}, {"seen_in", version}});
    page["waiting_for"].push_back("node " + std::to_string(node));
  }
  for (const int buffer : buffers) page["buffers"].push_back({{"index", std::to_string(buffer)}});
  return page;
}

TEST(AddPage, PutsNodesAndBuffersOntoThoseOfThePagesBefore) {
  Json detail = PageOf("7", {1, 2});
  detail["next_item"] = "2";
  Json page = PageOf("7", {3}, {0});
  page["next_item"] = "4";
  AddPage(std::move(page), detail);
  EXPECT_EQ(detail["nodes"].size(), 3u);
  EXPECT_EQ(detail["buffers"].size(), 1u);
  EXPECT_EQ(detail["waiting_for"].size(), 3u);
  EXPECT_EQ(detail["next_item"], "4");
  EXPECT_EQ(detail["changed_meanwhile"], false);
  AddPage(PageOf("7", {}, {1}), detail);
  EXPECT_EQ(detail["buffers"].size(), 2u);
  EXPECT_FALSE(detail.contains("next_item"));
}

TEST(AddPage, SaysSoWhenAPageIsOfAnotherVersionAndShowsEachNodeOnce) {
  Json detail = PageOf("7", {1, 2});
  AddPage(PageOf("8", {2, 3}), detail);
  EXPECT_EQ(detail["changed_meanwhile"], true);
  ASSERT_EQ(detail["nodes"].size(), 3u);
  EXPECT_EQ(detail["nodes"][1]["node_id"], "2");
  EXPECT_EQ(detail["nodes"][1]["seen_in"], "8");
}

TEST(AddPage, PassesOnWhatThePageSaysOfItself) {
  Json detail = PageOf("7", {1});
  Json page = PageOf("7", {2});
  page["changed_meanwhile"] = true;
  AddPage(std::move(page), detail);
  EXPECT_EQ(detail["changed_meanwhile"], true);
}

}  // namespace
}  // namespace sysmem::ctl
