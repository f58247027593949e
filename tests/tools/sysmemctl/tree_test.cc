// SPDX-License-Identifier: Apache-2.0
//
// Trees as drawings: kinds, failure domains, group choices, weak and orphaned nodes at a glance.
#include "tools/sysmemctl/tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sysmem::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Json Node(uint64_t id, uint64_t parent, const std::string& kind, const std::string& name = "") {
  return {{"node_id", std::to_string(id)},
          {"parent_id", std::to_string(parent)},
          {"kind", "NODE_KIND_" + kind},
          {"state", "NODE_STATE_READY"},
          {"connected", true},
          {"debug_name", name},
          {"holder", {{"pid", 42}, {"uid", 1000}, {"command", "ffmpeg"}}},
          {"session_id", "3"},
          {"failure_mode", "FAILURE_MODE_PROPAGATE"}};
}

// A decoder with a group of two, of which the second was chosen, and a weak viewer.
Json Pipeline() {
  Json root = Node(1, 0, "COLLECTION", "decoder");
  Json group = Node(2, 1, "GROUP");
  group["selected_child_id"] = "5";
  Json viewer = Node(3, 1, "COLLECTION", "view\x1b[2Jer");
  viewer["weak"] = true;
  return {{"summary",
           {{"buffer_collection_id", "77"},
            {"name", "frames"},
            {"state", "COLLECTION_STATE_ALLOCATED"}}},
          {"nodes", Json::array({root, group, viewer, Node(4, 2, "COLLECTION", "tiled"),
                                 Node(5, 2, "COLLECTION", "linear")})}};
}

TEST(Tree, StandsUnderItsParentsWithChoicesAndWeakNodesMarked) {
  EXPECT_EQ(DrawTree(Pipeline(), false),
            "collection 77 \"frames\", allocated: 5 nodes\n"
            "1 collection \"decoder\", held by ffmpeg (pid 42, uid 1000) in session 3, "
            "ready\n"
            "├─ 2 group, held by ffmpeg (pid 42, uid 1000) in session 3, "
            "ready\n"
            "│  ├─ 4 collection \"tiled\", held by ffmpeg (pid 42, uid 1000) in session 3, "
            "ready, not chosen\n"
            "│  └─ * 5 collection \"linear\", held by ffmpeg (pid 42, uid 1000) in session "
            "3, ready\n"
            "└─ 3 collection \"view\\x1b[2Jer\", held by ffmpeg (pid 42, uid 1000) in "
            "session 3, ready, weak\n");
}

TEST(Tree, NamesFailureDomainsWhenThereAreSeveral) {
  Json detail = Pipeline();
  detail["nodes"][1]["failure_mode"] = "FAILURE_MODE_PROPAGATE_BEFORE_ALLOCATION";
  detail["nodes"][2]["failure_mode"] = "FAILURE_MODE_DO_NOT_PROPAGATE";
  const std::string text = DrawTree(detail, false);
  EXPECT_THAT(text, HasSubstr("5 nodes, 3 failure domains\n"));
  EXPECT_THAT(text, HasSubstr("ready, failure domain 1\n"));
  EXPECT_THAT(text, HasSubstr("failure domain 2 (dispensable)\n"));
  EXPECT_THAT(text, HasSubstr("not chosen, failure domain 2\n")) << "children fail with it";
  EXPECT_THAT(text, HasSubstr("weak, failure domain 3 (attached)\n"));
}

TEST(Tree, TellsWhoIsWaitedForAndWhoHasGone) {
  Json detail = Pipeline();
  detail["nodes"][2]["connected"] = false;
  detail["nodes"][3]["state"] = "NODE_STATE_NOT_READY";
  detail["nodes"][3]["exported_cookie"] = "9";
  const std::string text = DrawTree(detail, true);
  EXPECT_THAT(text, HasSubstr("\x1b[90m3 collection"));
  EXPECT_THAT(text, HasSubstr("released and closed, what it said still counts"));
  EXPECT_THAT(text, HasSubstr("travelling since ffmpeg (pid 42, uid 1000) exported it, "
                              "\x1b[31mnot ready\x1b[0m"));
}

TEST(Tree, PaintsNobodyRedWhomAllocationDoesNotWaitFor) {
  Json detail = Pipeline();
  detail["nodes"][1]["failure_mode"] = "FAILURE_MODE_DO_NOT_PROPAGATE";  // and 4 is below
  for (const size_t node : {1U, 3U}) detail["nodes"][node]["state"] = "NODE_STATE_NOT_READY";
  EXPECT_THAT(DrawTree(detail, true), Not(HasSubstr("\x1b[31m")));
  EXPECT_THAT(DrawDot(detail), Not(HasSubstr("red")));
  // The root is waited for, whatever its failure does.
  detail["nodes"][0]["failure_mode"] = "FAILURE_MODE_DO_NOT_PROPAGATE";
  detail["nodes"][0]["state"] = "NODE_STATE_NOT_READY";
  EXPECT_THAT(DrawTree(detail, true), HasSubstr("\x1b[31mnot ready"));
  EXPECT_THAT(DrawDot(detail), HasSubstr("n1 [shape=box, style=\"filled\", fillcolor=mistyrose"));
}

TEST(Tree, OfNobodySaysSo) {
  const Json detail = {
      {"summary", {{"buffer_collection_id", "77"}, {"state", "COLLECTION_STATE_OUTLIVED"}}}};
  EXPECT_EQ(DrawTree(detail, false), "collection 77, outlived: no node is left\n");
}

TEST(TreeForGraphviz, DrawsShapesFramesAndChoices) {
  Json detail = Pipeline();
  detail["nodes"][2]["failure_mode"] = "FAILURE_MODE_DO_NOT_PROPAGATE";
  detail["nodes"][3]["connected"] = false;
  const std::string text = DrawDot(detail);
  EXPECT_TRUE(text.starts_with("digraph sysmem {\n")) << text;
  EXPECT_THAT(text, HasSubstr("label=\"collection 77 \\\"frames\\\", allocated: 5 nodes, 2 failure "
                              "domains\";"));
  EXPECT_THAT(text, HasSubstr("n2 [shape=diamond"));
  EXPECT_THAT(text, HasSubstr("n3 [shape=box, style=\"filled,dashed\""));
  EXPECT_THAT(text, HasSubstr("n4 [shape=box, style=\"filled\", fillcolor=grey85"));
  EXPECT_THAT(text, HasSubstr("n2 -> n4 [style=dotted];"));
  EXPECT_THAT(text, HasSubstr("n2 -> n5 [style=bold];"));
  EXPECT_THAT(text, HasSubstr("n1 -> n3;"));
  EXPECT_THAT(text, HasSubstr("subgraph cluster_2 {"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(TreeForGraphviz, CannotBeBrokenByANameThatSomebodyChose) {
  Json detail = Pipeline();
  detail["nodes"][0]["debug_name"] = "\"];evil[label=\"\\";
  const std::string text = DrawDot(detail);
  // Every quotation mark inside is escaped, so each line has an even number of bare ones.
  for (size_t at = 0, end = 0; at < text.size(); at = end + 1) {
    end = text.find('\n', at);
    size_t bare = 0;
    for (size_t i = at; i < end; ++i) {
      if (text[i] == '\\') {
        ++i;
      } else if (text[i] == '"') {
        ++bare;
      }
    }
    EXPECT_EQ(bare % 2, 0u) << text.substr(at, end - at);
  }
}

}  // namespace
}  // namespace sysmem::ctl
