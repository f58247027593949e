// SPDX-License-Identifier: Apache-2.0
//
// How often each brightness occurs: the analyser's other work.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "tools/demo/picture.h"

namespace sysmem::demo {

class LumaHistogram {
 public:
  static constexpr size_t kLevels = 256;

  // Counts every byte of a luma plane.
  void Add(const PlaneView& luma);

  uint64_t count(uint8_t level) const { return counts_[level]; }
  uint64_t total() const;
  // 0 when nothing was counted; likewise below.
  double Mean() const;
  uint8_t Darkest() const;
  uint8_t Brightest() const;
  // The whole range of brightness as a row of `columns` bars, UTF-8. The highest bar is full; what
  // occurs at all is visible. REQUIRES: columns divides kLevels.
  std::string Draw(size_t columns) const;

 private:
  std::array<uint64_t, kLevels> counts_{};
};

}  // namespace sysmem::demo
