// SPDX-License-Identifier: Apache-2.0
//
// Colours on terminals, and nowhere else.
#pragma once

#include <string>

namespace sysmem::ctl {

enum class Colour { kRed, kGreen, kYellow, kCyan, kGrey, kBold };

// Standard output is a terminal that is not "dumb", and $NO_COLOR is not set (no-color.org).
bool StandardOutputHasColour();

class Colours {
 public:
  explicit Colours(bool on) : on_(on) {}
  std::string In(Colour colour, const std::string& text) const;

 private:
  bool on_;
};

}  // namespace sysmem::ctl
