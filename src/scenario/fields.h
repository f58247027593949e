// SPDX-License-Identifier: Apache-2.0
//
// Reads the keys of a table one by one, and complains of what is left over.
//
//   Fields fields(value, "participants[0]", mistakes);
//   fields.Read("name", participant.name, Text());
//   fields.Read("weak", participant.weak, Flag());
//   fields.Finish();  // "participants[0].wek: unknown key; allowed here: name, weak"
//
// What a value may look like is said by a Kind (kinds.h). A value that is none of its kind is a
// mistake, and the field keeps what it had. Not thread-safe.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "scenario/document.h"

namespace sysmem::scenario {

// How people write a T.
template <typename T>
struct Kind {
  std::string (*allowed)();  // "a size such as \"1920x1080\" or [1920, 1080]"
  std::optional<T> (*read)(const Value& value);
};

class Fields {
 public:
  // `path` names the table in mistakes; empty for the file itself. A value that is no table is a
  // mistake, and has no keys.
  Fields(const Value& value, std::string path, Mistakes& mistakes);

  // The member called `key`, or nullptr. From now on the key is known.
  const Member* Find(const char* key);

  // Sets `field` if there is such a key and its value is of this kind.
  template <typename Field, typename T>
  void Read(const char* key, Field& field, const Kind<T>& kind) {
    const Member* member = Find(key);
    if (member == nullptr) return;
    std::optional<T> value = kind.read(member->value);
    if (value) {
      field = *std::move(value);
    } else {
      Refuse(*member, "expected " + kind.allowed() + ", not " + Describe(member->value));
    }
  }

  // The same for a list of up to `at_most` values, which are appended.
  template <typename T>
  void ReadList(const char* key, std::vector<T>& list, const Kind<T>& kind, size_t at_most) {
    const Member* member = Find(key);
    const Array* array = member == nullptr ? nullptr : ListOf(*member, kind.allowed(), at_most);
    if (array == nullptr) return;
    for (size_t i = 0; i < array->size(); ++i) {
      const Value& one = (*array)[i];
      if (std::optional<T> value = kind.read(one)) {
        list.push_back(*std::move(value));
      } else {
        mistakes_.Add(one.where, PathOf(key, i),
                      "expected " + kind.allowed() + ", not " + Describe(one));
      }
    }
  }

  // Calls `read(const Value&, const std::string& path)` for each value of a list.
  template <typename ReadOne>
  void ReadEach(const char* key, const char* allowed, size_t at_most, ReadOne read) {
    const Member* member = Find(key);
    const Array* array = member == nullptr ? nullptr : ListOf(*member, allowed, at_most);
    if (array == nullptr) return;
    for (size_t i = 0; i < array->size(); ++i) read((*array)[i], PathOf(key, i));
  }

  // Each key that nobody asked for is a mistake.
  void Finish();

  void Refuse(const Member& member, std::string message);
  std::string PathOf(const std::string& key) const {
    return path_.empty() ? key : path_ + "." + key;
  }
  std::string PathOf(const std::string& key, size_t index) const {
    return PathOf(key) + "[" + std::to_string(index) + "]";
  }
  // True if the table says nothing.
  bool empty() const { return table_.empty(); }

 private:
  const Array* ListOf(const Member& member, const std::string& allowed, size_t at_most);

  const Table& table_;
  const std::string path_;
  Mistakes& mistakes_;
  std::vector<std::string_view> known_;
};

}  // namespace sysmem::scenario
