// SPDX-License-Identifier: Apache-2.0
#include "scenario/fields.h"

namespace sysmem::scenario {
namespace {

const Table kNoMembers;

const Table& TableOf(const Value& value, const std::string& path, Mistakes& mistakes) {
  if (const Table* table = std::get_if<Table>(&value.data)) return *table;
  mistakes.Add(value.where, path, "expected a table, not " + Describe(value));
  return kNoMembers;
}

}  // namespace

Fields::Fields(const Value& value, std::string path, Mistakes& mistakes)
    : table_(TableOf(value, path, mistakes)), path_(std::move(path)), mistakes_(mistakes) {}

const Member* Fields::Find(const char* key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
  const auto found = std::find_if(table_.begin(), table_.end(),
                                  [key](const Member& member) { return member.key == key; });
  return found == table_.end() ? nullptr : &*found;
}

void Fields::Finish() {
  std::string allowed;
  for (const std::string_view key : known_) {
    allowed += allowed.empty() ? "" : ", ";
    allowed += key;
  }
  for (const Member& member : table_) {
    if (std::find(known_.begin(), known_.end(), member.key) != known_.end()) continue;
    Refuse(member, "unknown key; allowed here: " + allowed);
  }
}

void Fields::Refuse(const Member& member, std::string message) {
  // A wrong value is pointed at, a wrong key too.
  const bool known = std::find(known_.begin(), known_.end(), member.key) != known_.end();
  mistakes_.Add(known ? member.value.where : member.where, PathOf(member.key), std::move(message));
}

const Array* Fields::ListOf(const Member& member, const std::string& allowed, size_t at_most) {
  const Array* array = std::get_if<Array>(&member.value.data);
  if (array == nullptr) {
    Refuse(member, "expected a list, each entry " + allowed + "; not " + Describe(member.value));
  } else if (array->size() > at_most) {
    Refuse(member, "has " + std::to_string(array->size()) + " entries, more than " +
                       std::to_string(at_most));
    return nullptr;
  }
  return array;
}

}  // namespace sysmem::scenario
