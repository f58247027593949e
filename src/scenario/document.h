// SPDX-License-Identifier: Apache-2.0
//
// A TOML or JSON file as one kind of tree in which everything knows where it stands, so that
// whoever understands the contents can say where they are wrong.
//
//   Mistakes mistakes("camera.toml");
//   if (std::optional<Value> document = ParseDocument(text, mistakes)) ...
//   else std::cerr << mistakes.ToString();  // camera.toml:7:12: ...
//
// Knows nothing of what the files say. What is read is untrusted: text of any length and depth is
// refused, not followed. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sysmem::scenario {

// Longer files, and deeper ones, are refused: nobody writes them.
inline constexpr size_t kDocumentBytes = 1 << 20;
inline constexpr size_t kDocumentDepth = 32;

// Counted from 1. Line 0: the file as a whole.
struct Position {
  uint32_t line = 0;
  uint32_t column = 0;
  bool operator==(const Position&) const = default;
};

// One thing that is wrong with a file.
struct Mistake {
  Position where;
  std::string key;      // "participants[1].usage.cpu"; empty if no key is to blame
  std::string message;  // what is wrong and what is allowed
  bool operator==(const Mistake&) const = default;
};

// What is wrong with one file, in the order in which it was found.
class Mistakes {
 public:
  // `path` as people shall read it.
  explicit Mistakes(std::string path) : path_(std::move(path)) {}

  void Add(Position where, std::string key, std::string message);

  bool empty() const { return all_.empty(); }
  const std::vector<Mistake>& all() const { return all_; }
  const std::string& path() const { return path_; }

  // One line each, from the top of the file to its end: `FILE:LINE:COLUMN: KEY: MESSAGE`. Text from
  // the file stands in it as it was written: escape before printing. After kMistakesShown of them
  // only their number is told.
  std::string ToString() const;
  static constexpr size_t kMistakesShown = 50;

 private:
  std::string path_;
  std::vector<Mistake> all_;
};

struct Member;
struct Value;
using Table = std::vector<Member>;  // in the order of the file; no key twice
using Array = std::vector<Value>;
// A date, a time, null: what no key takes.
struct Other {
  std::string what;  // "a date"
};

struct Value {
  Position where;
  // Numbers that are not negative are uint64_t; the others are int64_t if they are whole.
  std::variant<Table, Array, std::string, uint64_t, int64_t, double, bool, Other> data;
};

struct Member {
  std::string key;
  Position where;  // of the key
  Value value;
};

// A file is JSON if its first character that is no blank is a brace, and TOML if not; what it is
// called does not matter. Empty if it could not be read; `mistakes` tell why.
std::optional<Value> ParseDocument(std::string_view text, Mistakes& mistakes);

// Parts of ParseDocument, in files of their own.
std::optional<Value> ParseToml(std::string_view text, Mistakes& mistakes);
std::optional<Value> ParseJson(std::string_view text, Mistakes& mistakes);

// "a table", "a list", "the text \"NV12\"", "12", "true": a value in a sentence.
std::string Describe(const Value& value);

}  // namespace sysmem::scenario
