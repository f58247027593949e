// SPDX-License-Identifier: Apache-2.0
#include "core/labels.h"

#include "core/debug_info.h"
#include "core/describe.h"

namespace sysmem::core {
namespace {

std::string Short(const std::string& text, size_t max_bytes) {
  std::string cut(CutUtf8(text, max_bytes));
  if (cut.size() < text.size()) cut += "...";
  return cut;
}

}  // namespace

Labels::Labels(const std::vector<Participant>& all) {
  std::unordered_set<std::string> names;
  for (const Participant& one : all) {
    if (one.exists_already) continue;
    if (!numbers_.emplace(one.node, numbers_.size() + 1).second) continue;
    std::string name = Short(one.name, kNameBytesInText);
    if (!names.insert(name).second) shared_names_.insert(std::move(name));
  }
}

Statement Labels::Of(NodeId node, const std::string& name, const std::string& value) const {
  Statement one{.node = node,
                .name = Short(name, kNameBytesInText),
                .value = Short(value, kValueBytesInText)};
  const auto number = numbers_.find(node);
  if (number == numbers_.end()) return one;
  if (one.name.empty() || shared_names_.count(one.name) != 0) one.number = number->second;
  return one;
}

Statement Labels::Of(const Participant& participant, const std::string& value) const {
  return Of(participant.node, participant.name, value);
}

Statement Labels::Of(const ParticipantValue& said) const {
  return Of(said.node, said.name, said.value);
}

Statements Labels::Of(const std::vector<ParticipantValue>& said, size_t most) const {
  Statements all;
  for (const ParticipantValue& one : said) {
    if (all.told.size() < most) {
      all.told.push_back(Of(one));
    } else {
      ++all.untold;
    }
  }
  return all;
}

}  // namespace sysmem::core
