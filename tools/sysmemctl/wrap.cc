// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/wrap.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <iostream>
#include <sstream>
#include <string_view>

namespace sysmem::ctl {
namespace {

constexpr size_t kFewestColumns = 40;

struct Branch {
  std::string_view from;
  std::string_view to;  // in the lines that continue this one
};
constexpr std::array<Branch, 5> kBranches = {
    {{" ", " "}, {"│", "│"}, {"├", "│"}, {"└", " "}, {"─", " "}}};

// What stands before the continuation of the line.
std::string Margin(std::string_view line) {
  std::string margin;
  for (bool more = true; more;) {
    more = false;
    for (const Branch& branch : kBranches) {
      if (!line.starts_with(branch.from)) continue;
      margin += branch.to;
      line.remove_prefix(branch.from.size());
      more = true;
    }
  }
  return margin + "    ";
}

// Bytes of the character or escape that begins there, and whether it takes a column.
struct Piece {
  size_t bytes = 1;
  bool visible = true;
};
Piece PieceAt(std::string_view text) {
  Piece piece;
  if (text.starts_with("\x1b[")) {
    size_t end = 2;
    while (end < text.size() && std::isalpha(static_cast<unsigned char>(text[end])) == 0) ++end;
    return {end < text.size() ? end + 1 : end, false};
  }
  while (piece.bytes < text.size() &&
         (static_cast<unsigned char>(text[piece.bytes]) & 0xC0) == 0x80)
    ++piece.bytes;
  return piece;
}

// Where to break a line that takes more columns; npos: it does not, or cannot be broken.
size_t LastBlankWithin(std::string_view line, size_t first, size_t columns) {
  size_t blank = std::string_view::npos;
  size_t used = 0;
  for (size_t at = 0; at < line.size();) {
    if (line[at] == ' ' && at >= first) blank = at;
    const Piece piece = PieceAt(line.substr(at));
    used += piece.visible ? 1 : 0;
    if (used > columns) {  // or else the first one behind a word that is too long
      return blank != std::string_view::npos ? blank : line.find(' ', std::max(at, first));
    }
    at += piece.bytes;
  }
  return std::string_view::npos;  // all of it fits
}

}  // namespace

size_t TerminalColumns() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) == 0 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

std::string Wrapped(const std::string& text, size_t columns) {
  if (columns < kFewestColumns) return text;
  std::string wrapped;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::string margin = Margin(line);
    size_t begun = margin.size() - 4;  // blanks before the first word are no places to break
    while (true) {
      const size_t blank = LastBlankWithin(line, begun + 1, columns);
      if (blank == std::string::npos) break;
      wrapped += line.substr(0, blank) + "\n";
      line.replace(0, blank + 1, margin);
      begun = margin.size();
    }
    wrapped += line + "\n";
  }
  return wrapped;
}

void PrintWrapped(const std::string& text) { std::cout << Wrapped(text, TerminalColumns()); }

}  // namespace sysmem::ctl
