// SPDX-License-Identifier: Apache-2.0
//
// What a pipeline process tells the launcher (or whoever started it): lines of text, a keyword and
// the rest. tools/demo/README.md lists the keywords.
//
// Thread-safety: any number of threads; lines do not mix.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sysmem::demo {

class StatusWriter {
 public:
  // `fd` stays the caller's.
  explicit StatusWriter(int fd) : fd_(fd) {}

  // "KEYWORD text\n"; control characters in the text become blanks. A reader that has gone does not
  // matter.
  void Line(std::string_view keyword, std::string_view text) const;

 private:
  int fd_;
};

// The keyword and the rest of a line without its end.
struct StatusLine {
  std::string_view keyword;
  std::string_view text;
};
StatusLine ParseStatusLine(std::string_view line);

// Takes the next word off the front of `text`; empty at the end.
std::string_view TakeWord(std::string_view& text);

}  // namespace sysmem::demo
