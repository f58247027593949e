// SPDX-License-Identifier: Apache-2.0
#include "scenario/family.h"

#include <algorithm>
#include <map>
#include <utility>

namespace sysmem::scenario {
namespace {

constexpr char kIsRoot[] =
    "is the first participant, so it is the one that began the collection: it can have no parent "
    "and be no alternative, nor be attached";

class Family {
 public:
  Family(std::vector<Draft> drafts, Mistakes& mistakes)
      : drafts_(std::move(drafts)),
        mistakes_(mistakes),
        parents_(drafts_.size()),
        children_(drafts_.size()) {}

  std::vector<Node> Make() {
    if (!NameAll() || !FindRoot()) return {};
    for (size_t i = 0; i < drafts_.size(); ++i) AdoptChildren(i);
    for (size_t i = 0; i < drafts_.size(); ++i) FindParent(i);
    if (!mistakes_.empty()) return {};
    for (size_t i = 0; i < drafts_.size(); ++i) CheckAttached(i);
    return InOrder();
  }

 private:
  static bool IsGroup(const Draft& draft) { return draft.node.kind == Node::Kind::kGroup; }

  bool NameAll() {
    for (size_t i = 0; i < drafts_.size(); ++i) {
      const Draft& draft = drafts_[i];
      if (draft.node.name.empty()) continue;  // complained of by whoever read it
      if (!by_name_.emplace(draft.node.name, i).second) {
        mistakes_.Add(draft.node.where, draft.key + ".name",
                      "another one is called \"" + draft.node.name + "\"");
      }
    }
    return mistakes_.empty();
  }

  bool FindRoot() {
    const auto first = std::find_if(drafts_.begin(), drafts_.end(),
                                    [](const Draft& draft) { return !IsGroup(draft); });
    if (first == drafts_.end()) {
      mistakes_.Add({}, "participants", "there is none: a scenario needs at least one");
      return false;
    }
    root_ = static_cast<size_t>(first - drafts_.begin());
    if (first->parent || first->node.attached) {
      mistakes_.Add(first->node.where, first->key, kIsRoot);
    }
    return true;
  }

  std::optional<size_t> Find(const Mention& mention) {
    const auto found = by_name_.find(mention.name);
    if (found != by_name_.end()) return found->second;
    std::string names;
    for (const auto& [name, index] : by_name_) names += (names.empty() ? "" : ", ") + name;
    mistakes_.Add(mention.where, mention.key,
                  "nobody is called \"" + mention.name + "\"; there are: " + names);
    return std::nullopt;
  }

  // A group's alternatives.
  void AdoptChildren(size_t group) {
    if (!IsGroup(drafts_[group])) return;
    if (drafts_[group].children.empty()) {
      mistakes_.Add(drafts_[group].node.where, drafts_[group].key + ".children",
                    "a group needs at least one child");
    }
    for (const Mention& mention : drafts_[group].children) {
      const std::optional<size_t> child = Find(mention);
      if (!child) continue;
      const Draft& draft = drafts_[*child];
      if (*child == root_) {
        mistakes_.Add(mention.where, mention.key, "\"" + mention.name + "\" " + kIsRoot);
      } else if (parents_[*child]) {
        mistakes_.Add(mention.where, mention.key,
                      "\"" + mention.name + "\" is an alternative already");
      } else if (draft.node.attached || draft.parent) {
        mistakes_.Add(mention.where, mention.key,
                      "\"" + mention.name +
                          "\" cannot be attached or have another parent: the group is its parent");
      } else {
        parents_[*child] = group;
        children_[group].push_back(*child);
      }
    }
  }

  void FindParent(size_t one) {
    if (one == root_ || parents_[one]) return;
    const Draft& draft = drafts_[one];
    const std::optional<size_t> parent = draft.parent ? Find(*draft.parent) : root_;
    if (!parent) return;
    if (IsGroup(drafts_[*parent])) {
      mistakes_.Add(draft.parent->where, draft.parent->key,
                    "\"" + draft.parent->name + "\" is a group: list \"" + draft.node.name +
                        "\" among its children instead, where its order counts");
      return;
    }
    parents_[one] = *parent;
    children_[*parent].push_back(one);
  }

  void CheckAttached(size_t one) {
    if (one == root_ || !drafts_[one].node.attached) return;
    const Draft& parent = drafts_[*parents_[one]];
    if (!parent.node.released) return;
    mistakes_.Add(drafts_[one].node.where, drafts_[one].key + ".attached",
                  "\"" + parent.node.name +
                      "\" is released: nobody is left to attach anybody; name another parent");
  }

  std::vector<Node> InOrder() {
    std::vector<size_t> order{root_};
    for (size_t next = 0; next < order.size(); ++next) {
      const std::vector<size_t>& children = children_[order[next]];
      order.insert(order.end(), children.begin(), children.end());
    }
    std::map<size_t, size_t> places;
    for (size_t place = 0; place < order.size(); ++place) places[order[place]] = place;
    for (size_t i = 0; i < drafts_.size(); ++i) {
      if (places.contains(i)) continue;
      mistakes_.Add(drafts_[i].node.where, drafts_[i].key,
                    "\"" + drafts_[i].node.name + "\" is below itself");
    }
    std::vector<Node> nodes;
    for (const size_t i : order) {
      Node& node = drafts_[i].node;
      node.parent = i == root_ ? 0 : places[*parents_[i]];
      nodes.push_back(std::move(node));
    }
    return nodes;
  }

  std::vector<Draft> drafts_;
  Mistakes& mistakes_;
  std::map<std::string, size_t> by_name_;
  size_t root_ = 0;
  std::vector<std::optional<size_t>> parents_;
  std::vector<std::vector<size_t>> children_;
};

}  // namespace

std::vector<Node> MakeTree(std::vector<Draft> drafts, Mistakes& mistakes) {
  // Participants and groups are two lists of the file; who stands higher up is older.
  std::stable_sort(drafts.begin(), drafts.end(), [](const Draft& a, const Draft& b) {
    return std::pair(a.node.where.line, a.node.where.column) <
           std::pair(b.node.where.line, b.node.where.column);
  });
  return Family(std::move(drafts), mistakes).Make();
}

}  // namespace sysmem::scenario
