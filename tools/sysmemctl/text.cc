// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <sstream>

#include "base/escape.h"

namespace sysmem::ctl {

std::string Safe(const std::string& text) { return base::Escape(text); }

std::string SafeLine(const std::string& text) { return base::EscapeSentence(text); }

std::string Bytes(uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  static constexpr std::array<const char*, 5> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), value < 10 ? "%.1f %s" : "%.0f %s", value, kUnits[unit]);
  return text.data();
}

std::string Duration(uint64_t ns) {
  const uint64_t ms = ns / 1'000'000;
  const uint64_t s = ms / 1000;
  if (ms < 1000) return std::to_string(ms) + " ms";
  if (s < 60) return std::to_string(s) + " s";
  if (s < 3600) return std::to_string(s / 60) + " min " + std::to_string(s % 60) + " s";
  if (s < 86400) return std::to_string(s / 3600) + " h " + std::to_string(s / 60 % 60) + " min";
  return std::to_string(s / 86400) + " d " + std::to_string(s / 3600 % 24) + " h";
}

std::string Ranges(const std::vector<uint64_t>& numbers) {
  std::string text;
  for (size_t i = 0; i < numbers.size();) {
    size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] <= numbers[last] + 1) ++last;
    if (!text.empty()) text += ", ";
    text += std::to_string(numbers[i]);
    if (numbers[last] != numbers[i]) text += "-" + std::to_string(numbers[last]);
    i = last + 1;
  }
  return text;
}

std::string EnumWord(const std::string& name, const std::string& prefix) {
  std::string word = name.starts_with(prefix) ? name.substr(prefix.size()) : name;
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) {
    return c == '_' ? ' ' : static_cast<char>(std::tolower(c));
  });
  return word;
}

std::string Process(const Json& peer) {
  if (!peer.is_object() || !peer.contains("uid")) return "(not yours to see)";
  std::string name = Safe(Text(peer, "command"));
  if (name.empty()) name = "?";
  std::string inside = "uid " + std::to_string(Number(peer, "uid"));
  if (peer.contains("pid")) inside = "pid " + std::to_string(Number(peer, "pid")) + ", " + inside;
  return name + " (" + inside + ")";
}

std::string HeapName(const Json& heap) {
  return ShortHeapName(Text(heap, "heap_type"), Number(heap, "id"));
}

std::string DescribeWhy(const std::string& explanation, bool headline_is_told,
                        const Colours& colours) {
  std::istringstream sentences(explanation);
  std::string sentence;
  if (headline_is_told) std::getline(sentences, sentence);
  std::string text;
  while (std::getline(sentences, sentence)) text += "  " + sentence + "\n";
  return text.empty() ? "" : colours.In(Colour::kBold, "Why:") + "\n" + text;
}

std::string ShortHeapName(const std::string& heap_type, uint64_t id) {
  const size_t dot = heap_type.rfind('.');
  const std::string name = Safe(dot == std::string::npos ? heap_type : heap_type.substr(dot + 1));
  return id == 0 ? name : name + "#" + std::to_string(id);
}

Table::Table(std::vector<std::pair<std::string, Align>> columns) : columns_(std::move(columns)) {}

void Table::Add(std::vector<std::string> row) {
  row.resize(columns_.size());
  rows_.push_back(std::move(row));
}

std::string Table::ToString(const Colours& colours) const {
  std::vector<size_t> widths;
  for (size_t column = 0; column < columns_.size(); ++column) {
    size_t width = columns_[column].first.size();
    for (const auto& row : rows_) width = std::max(width, row[column].size());
    widths.push_back(width);
  }
  std::string text;
  auto line_of = [&](auto&& cell_of) {
    std::string line;
    for (size_t column = 0; column < columns_.size(); ++column) {
      const std::string& cell = cell_of(column);
      const std::string fill(widths[column] - cell.size(), ' ');
      if (column > 0) line += "  ";
      line += columns_[column].second == Align::kRight ? fill + cell : cell + fill;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
  };
  text += colours.In(Colour::kBold, line_of([&](size_t column) -> const std::string& {
                       return columns_[column].first;
                     })) +
          "\n";
  for (const auto& row : rows_) {
    text += line_of([&](size_t column) -> const std::string& { return row[column]; }) + "\n";
  }
  return text;
}

}  // namespace sysmem::ctl
