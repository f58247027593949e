// SPDX-License-Identifier: Apache-2.0
#include "scenario/document.h"

#include <algorithm>
#include <utility>

namespace sysmem::scenario {
namespace {

// Of a text from the file, within a sentence.
constexpr size_t kTextShown = 60;

std::string Number(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text += '0';
  return text;
}

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace

void Mistakes::Add(Position where, std::string key, std::string message) {
  all_.push_back({where, std::move(key), std::move(message)});
}

std::string Mistakes::ToString() const {
  std::vector<const Mistake*> sorted;
  for (const Mistake& one : all_) sorted.push_back(&one);
  std::stable_sort(sorted.begin(), sorted.end(), [](const Mistake* a, const Mistake* b) {
    return std::pair(a->where.line, a->where.column) < std::pair(b->where.line, b->where.column);
  });
  std::string text;
  for (size_t i = 0; i < sorted.size() && i < kMistakesShown; ++i) {
    const Mistake& one = *sorted[i];
    text += path_ + ":";
    if (one.where.line > 0) {
      text += std::to_string(one.where.line) + ":" + std::to_string(one.where.column) + ":";
    }
    text += " " + (one.key.empty() ? "" : one.key + ": ") + one.message + "\n";
  }
  if (sorted.size() > kMistakesShown) {
    text += path_ + ": and " + std::to_string(sorted.size() - kMistakesShown) + " more\n";
  }
  return text;
}

std::optional<Value> ParseDocument(std::string_view text, Mistakes& mistakes) {
  if (text.size() > kDocumentBytes) {
    mistakes.Add({}, "", "the file is longer than " + std::to_string(kDocumentBytes) + " bytes");
    return std::nullopt;
  }
  const size_t first = text.find_first_not_of(" \t\r\n");
  const bool is_json = first != std::string_view::npos && text[first] == '{';
  return is_json ? ParseJson(text, mistakes) : ParseToml(text, mistakes);
}

std::string Describe(const Value& value) {
  return std::visit(
      Overloaded{
          [](const Table&) { return std::string("a table"); },
          [](const Array& array) {
            return array.empty() ? std::string("an empty list") : std::string("a list");
          },
          [](const std::string& text) {
            return text.size() <= kTextShown ? "\"" + text + "\""
                                             : "\"" + text.substr(0, kTextShown) + "...\"";
          },
          [](uint64_t number) { return std::to_string(number); },
          [](int64_t number) { return std::to_string(number); },
          [](double number) { return Number(number); },
          [](bool flag) { return std::string(flag ? "true" : "false"); },
          [](const Other& other) { return other.what; },
      },
      value.data);
}

}  // namespace sysmem::scenario
