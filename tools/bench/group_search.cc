// SPDX-License-Identifier: Apache-2.0
//
// sysmem-group-bench: what searching through groups costs (GRP-4, GRP-6).
//
// Two trees whose preferred choices do not work: 63 groups of two inside each other, of which the
// last choice that may be tried works, and 64 groups of two beside each other, of which none does
// and the search gives up. `tries` is how many choices it looked at; the time is that of the whole
// search. A search that comes to anything else is an error.
#include <benchmark/benchmark.h>

#include "core/attempt.h"

namespace sysmem::core {
namespace {

constexpr uint64_t kPage = 4096;

Constraints Exactly(uint64_t bytes) {
  Constraints constraints;
  constraints.usage = BufferUsage{.cpu = kCpuUsageReadOften | kCpuUsageWriteOften};
  constraints.min_buffer_count_for_camping = 1;
  constraints.memory = MemoryConstraints{.min_size_bytes = bytes, .max_size_bytes = bytes};
  return constraints;
}

Settings SystemRam() {
  Settings settings;
  settings.heaps.push_back({.heap = {.type = kHeapSystemRam},
                            .cpu_domain = true,
                            .ram_domain = true,
                            .inaccessible_domain = true});
  return settings;
}

class Trees {
 public:
  explicit Trees(uint64_t root_bytes) { Constrain(tree_.AddRoot(++last_), root_bytes); }

  NodeId AddGroup(NodeId parent) {
    Node& group = tree_.AddChild(parent, ++last_, UINT32_MAX);
    group.kind = NodeKind::kGroup;
    group.all_children_present = true;
    return group.id;
  }
  NodeId AddCollection(NodeId parent, uint64_t bytes) {
    Node& node = tree_.AddChild(parent, ++last_, UINT32_MAX);
    Constrain(node, bytes);
    return node.id;
  }
  const NodeTree& tree() const { return tree_; }

 private:
  static void Constrain(Node& node, uint64_t bytes) {
    node.kind = NodeKind::kCollection;
    node.constraints_set = true;
    node.constraints = Exactly(bytes);
  }
  NodeTree tree_;
  NodeId last_ = 0;
};

void Search(benchmark::State& state, const NodeTree& tree, bool works, size_t tries) {
  const Settings settings = SystemRam();
  const std::vector<NodeId> pruned = PrunedSubtree(tree, tree.root());
  size_t looked_at = 0;
  for ([[maybe_unused]] auto _ : state) {
    const GroupSearch search = FindAgreement(tree, pruned, settings);
    looked_at = search.refused.size() + (search.result.ok() ? 1 : 0);
    const bool gave_up = !search.result.ok() &&
                         search.result.failure().error == Error::kTooManyGroupChildCombinations;
    if (search.result.ok() != works || gave_up == works || looked_at != tries) {
      state.SkipWithError("the search comes to something else");
      break;
    }
  }
  state.counters["tries"] = static_cast<double>(looked_at);
}

void NestedGroups(benchmark::State& state) {
  Trees trees(kPage);
  NodeId current = trees.tree().root();
  for (int64_t depth = 0; depth < state.range(0); ++depth) {
    const NodeId group = trees.AddGroup(current);
    current = trees.AddCollection(group, 2 * kPage);
    trees.AddCollection(group, kPage);
  }
  Search(state, trees.tree(), true, static_cast<size_t>(state.range(0)) + 1);
}

void SiblingGroups(benchmark::State& state) {
  Trees trees(2 * kPage);
  for (int64_t i = 0; i < state.range(0); ++i) {
    const NodeId group = trees.AddGroup(trees.tree().root());
    trees.AddCollection(group, kPage);
    trees.AddCollection(group, kPage);
  }
  Search(state, trees.tree(), false, Limits{}.group_combinations);
}

BENCHMARK(NestedGroups)->Arg(63)->Unit(benchmark::kMicrosecond);
BENCHMARK(SiblingGroups)->Arg(64)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace sysmem::core

BENCHMARK_MAIN();
