// SPDX-License-Identifier: Apache-2.0
//
// A video for the demo's programs, without compression, which needs no codec to be made.
#pragma once

#include <fstream>
#include <string>

namespace sysmem::testing {

inline void WriteSmallVideo(const std::string& path) {
  constexpr int kWidth = 64;
  constexpr int kHeight = 48;
  constexpr int kFrames = 40;
  std::ofstream file(path, std::ios::binary);
  file << "YUV4MPEG2 W" << kWidth << " H" << kHeight << " F25:1 Ip A1:1 C420jpeg\n";
  for (int frame = 0; frame < kFrames; ++frame) {
    file << "FRAME\n";
    for (int i = 0; i < kWidth * kHeight * 3 / 2; ++i) {
      file.put(static_cast<char>((i * 3 + frame * 7) & 0xff));
    }
  }
}

}  // namespace sysmem::testing
