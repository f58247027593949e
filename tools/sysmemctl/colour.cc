// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/colour.h"

#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace sysmem::ctl {
namespace {

const char* Escape(Colour colour) {
  switch (colour) {
    case Colour::kRed:
      return "\x1b[31m";
    case Colour::kGreen:
      return "\x1b[32m";
    case Colour::kYellow:
      return "\x1b[33m";
    case Colour::kCyan:
      return "\x1b[36m";
    case Colour::kGrey:
      return "\x1b[90m";
    case Colour::kBold:
      return "\x1b[1m";
  }
  return "";
}

// "" where it is not set.
std::string_view Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

bool StandardOutputHasColour() {
  if (::isatty(STDOUT_FILENO) == 0 || !Variable("NO_COLOR").empty()) return false;
  const std::string_view terminal = Variable("TERM");
  return !terminal.empty() && terminal != "dumb";
}

std::string Colours::In(Colour colour, const std::string& text) const {
  return on_ ? Escape(colour) + text + "\x1b[0m" : text;
}

}  // namespace sysmem::ctl
