// SPDX-License-Identifier: Apache-2.0
#include <toml++/toml.h>

#include <algorithm>
#include <utility>

#include "scenario/document.h"

namespace sysmem::scenario {
namespace {

// Each dot of a key is a table in a table, and the parser follows without a limit.
constexpr size_t kDotsOutsideOfText = 4096;

Position At(const toml::source_region& source) { return {source.begin.line, source.begin.column}; }

// Dots that are not in quotes or comments.
class DotCounter {
 public:
  explicit DotCounter(std::string_view text) : text_(text) {}

  size_t Count() {
    size_t dots = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '"' || c == '\'') {
        SkipQuoted(c);
      } else {
        dots += c == '.';
        ++at_;
      }
    }
    return dots;
  }

 private:
  // Both kinds of quotes, single and triple; only in double ones a backslash escapes.
  void SkipQuoted(char quote) {
    const std::string triple(3, quote);
    const bool is_long = text_.substr(at_, 3) == triple;
    at_ += is_long ? 3 : 1;
    while (at_ < text_.size()) {
      if (quote == '"' && text_[at_] == '\\') {
        at_ += 2;
      } else if (is_long ? text_.substr(at_, 3) == triple : text_[at_] == quote) {
        at_ += is_long ? 3 : 1;
        return;
      } else if (!is_long && text_[at_] == '\n') {
        return;  // not TOML; the parser says so
      } else {
        ++at_;
      }
    }
  }

  std::string_view text_;
  size_t at_ = 0;
};

class Converter {
 public:
  explicit Converter(Mistakes& mistakes) : mistakes_(mistakes) {}

  Value Convert(const toml::node& node, size_t depth = 0) {
    Value value{At(node.source()), Other{}};
    if (depth > kDocumentDepth) {
      if (!std::exchange(too_deep_, true)) {
        mistakes_.Add(value.where, "",
                      "nested deeper than " + std::to_string(kDocumentDepth) + " levels");
      }
      return value;
    }
    if (const toml::table* table = node.as_table()) {
      value.data = ConvertTable(*table, depth);
    } else if (const toml::array* array = node.as_array()) {
      Array list;
      for (const toml::node& one : *array) list.push_back(Convert(one, depth + 1));
      value.data = std::move(list);
    } else {
      ConvertScalar(node, value);
    }
    return value;
  }

 private:
  // The parser sorts keys by name; here they stand as in the file.
  Table ConvertTable(const toml::table& table, size_t depth) {
    Table members;
    for (const auto& [key, node] : table) {
      members.push_back({std::string(key.str()), At(key.source()), Convert(node, depth + 1)});
    }
    std::stable_sort(members.begin(), members.end(), [](const Member& a, const Member& b) {
      return std::pair(a.where.line, a.where.column) < std::pair(b.where.line, b.where.column);
    });
    return members;
  }

  static void ConvertScalar(const toml::node& node, Value& value) {
    if (const auto text = node.value_exact<std::string>()) {
      value.data = *text;
    } else if (const auto flag = node.value_exact<bool>()) {
      value.data = *flag;
    } else if (const auto number = node.value_exact<int64_t>()) {
      if (*number < 0) {
        value.data = *number;
      } else {
        value.data = static_cast<uint64_t>(*number);
      }
    } else if (const auto real = node.value_exact<double>()) {
      value.data = *real;
    } else {
      value.data = Other{"a date or time"};
    }
  }

  Mistakes& mistakes_;
  bool too_deep_ = false;
};

}  // namespace

std::optional<Value> ParseToml(std::string_view text, Mistakes& mistakes) {
  if (DotCounter(text).Count() > kDotsOutsideOfText) {
    mistakes.Add(
        {}, "",
        "the file has more than " + std::to_string(kDotsOutsideOfText) + " dots outside of quotes");
    return std::nullopt;
  }
  try {
    const toml::table table = toml::parse(text, mistakes.path());
    Value value = Converter(mistakes).Convert(table);
    if (!mistakes.empty()) return std::nullopt;
    return value;
  } catch (const toml::parse_error& error) {
    mistakes.Add(At(error.source()), "", std::string(error.description()));
    return std::nullopt;
  }
}

}  // namespace sysmem::scenario
