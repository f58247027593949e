// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "scenario/family.h"
#include "scenario/fields.h"
#include "scenario/kinds.h"
#include "scenario/read_constraints.h"
#include "scenario/read_machine.h"
#include "scenario/scenario.h"

namespace sysmem::scenario {
namespace {

// As large as a tree may be: the core's limit nodes_per_collection.
constexpr size_t kNodes = 4096;

void ReadName(const Value& value, Fields& fields, Draft& draft, Mistakes& mistakes) {
  const Member* name = fields.Find("name");
  if (name == nullptr) mistakes.Add(value.where, draft.key + ".name", "is missing");
  fields.Read("name", draft.node.name, kText);
  if (const Member* parent = fields.Find("parent")) {
    draft.parent = Mention{"", parent->value.where, fields.PathOf("parent")};
    fields.Read("parent", draft.parent->name, kText);
  }
}

Draft ReadParticipant(const Value& value, const std::string& path, Mistakes& mistakes) {
  Draft draft{.node = {.kind = Node::Kind::kParticipant, .where = value.where}, .key = path};
  Fields fields(value, path, mistakes);
  ReadName(value, fields, draft, mistakes);
  fields.Read("attached", draft.node.attached, kFlag);
  fields.Read("dispensable", draft.node.dispensable, kFlag);
  fields.Read("weak", draft.node.weak, kFlag);
  fields.Read("released", draft.node.released, kFlag);
  fields.Read("read_only", draft.node.read_only, kFlag);
  draft.node.constraints = ReadConstraints(fields, mistakes);
  fields.Finish();
  return draft;
}

Draft ReadGroup(const Value& value, const std::string& path, Mistakes& mistakes) {
  Draft draft{.node = {.kind = Node::Kind::kGroup, .where = value.where}, .key = path};
  Fields fields(value, path, mistakes);
  ReadName(value, fields, draft, mistakes);
  fields.ReadEach("children", "the name of a participant or group", kNodes,
                  [&](const Value& one, const std::string& key) {
                    const std::optional<std::string> name = kText.read(one);
                    if (name) {
                      draft.children.push_back({*name, one.where, key});
                    } else {
                      mistakes.Add(one.where, key, "expected a name, not " + Describe(one));
                    }
                  });
  fields.Finish();
  return draft;
}

}  // namespace

std::optional<Scenario> ReadScenario(std::string_view text, Mistakes& mistakes) {
  const std::optional<Value> document = ParseDocument(text, mistakes);
  if (!document) return std::nullopt;

  Scenario scenario;
  Fields file(*document, "", mistakes);
  file.Read("title", scenario.title, kText);
  std::string story;
  file.Read("story", story, kStory);  // for whoever reads the file: JSON has no comments
  std::vector<Draft> drafts;
  file.ReadEach("participants", "a table", kNodes, [&](const Value& one, const std::string& path) {
    drafts.push_back(ReadParticipant(one, path, mistakes));
  });
  file.ReadEach("groups", "a table", kNodes, [&](const Value& one, const std::string& path) {
    drafts.push_back(ReadGroup(one, path, mistakes));
  });
  scenario.settings = ReadMachine(file, mistakes);
  file.Finish();
  if (!mistakes.empty()) return std::nullopt;

  if (drafts.size() > scenario.settings.limits.nodes_per_collection) {
    mistakes.Add({}, "participants",
                 "there are " + std::to_string(drafts.size()) +
                     " participants and groups, more than the limit nodes_per_collection, " +
                     std::to_string(scenario.settings.limits.nodes_per_collection));
    return std::nullopt;
  }
  scenario.nodes = MakeTree(std::move(drafts), mistakes);
  if (!mistakes.empty()) return std::nullopt;
  return scenario;
}

}  // namespace sysmem::scenario
