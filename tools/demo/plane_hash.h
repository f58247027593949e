// SPDX-License-Identifier: Apache-2.0
//
// A 64-bit fingerprint of a picture's pixels: what the demo compares with the reference decode.
//
// It depends on every byte of the planes, its place, and the sizes, and on nothing else: neither on
// strides nor on padding. Made for speed, not against somebody who looks for collisions.
#pragma once

#include <cstdint>

#include "tools/demo/picture.h"

namespace sysmem::demo {

uint64_t HashPicture(const PictureView& picture);

}  // namespace sysmem::demo
