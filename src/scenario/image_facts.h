// SPDX-License-Identifier: Apache-2.0
//
// The image a plan was made for, in the figures that a driver needs: a plan bounds images, and this
// is the largest one that somebody required, or else the smallest one allowed.
//
// Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/constraints.h"

namespace sysmem::scenario {

struct PlaneFacts {
  uint32_t number = 0;         // what lies behind the pixels is plane 3
  uint64_t offset = 0;         // bytes from the beginning of the image
  uint32_t bytes_per_row = 0;  // 0: not in rows
};

struct ImageFacts {
  core::SizeU size;
  uint32_t bytes_per_row = 0;
  uint64_t bytes = 0;
  std::vector<PlaneFacts> planes;
};

// `image`: the image_format of a plan. Empty if it bounds no image, which no plan does.
std::optional<ImageFacts> FactsOf(const core::ImageFormatConstraints& image);

}  // namespace sysmem::scenario
