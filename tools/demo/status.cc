// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/status.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace sysmem::demo {

void StatusWriter::Line(std::string_view keyword, std::string_view text) const {
  std::string line;
  line.append(keyword).append(" ").append(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  line += '\n';
  // One write: of lines this short, a pipe takes all or makes the writer wait.
  while (::write(fd_, line.data(), line.size()) < 0 && errno == EINTR) {
  }
}

StatusLine ParseStatusLine(std::string_view line) {
  const size_t blank = line.find(' ');
  if (blank == std::string_view::npos) return {.keyword = line, .text = {}};
  return {.keyword = line.substr(0, blank), .text = line.substr(blank + 1)};
}

std::string_view TakeWord(std::string_view& text) {
  const size_t blank = text.find(' ');
  const std::string_view word = text.substr(0, blank);
  text = blank == std::string_view::npos ? std::string_view() : text.substr(blank + 1);
  return word;
}

}  // namespace sysmem::demo
