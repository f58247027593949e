// SPDX-License-Identifier: Apache-2.0
//
// What must be known of a video before buffers are asked for. Found out by decoding its first frame
// into private memory; what a container or a codec says beforehand is not always so.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <sysmem/constraints.hpp>

#include "tools/demo/video_reader.h"

namespace sysmem::demo {

struct VideoFacts {
  std::string codec;  // "h264"
  std::string pixel_format;
  Size visible{};                // of the first frame, and so of all pictures
  uint64_t expected_frames = 0;  // 0: unknown
  uint32_t color_space = 0;
  // Whether the codec can decode into I420 buffers of ours; else frames are converted.
  bool is_direct = false;
  // Only when direct:
  Size aligned{};                   // with the padding that the codec wants
  std::array<int, 3> alignments{};  // of the planes' strides
  uint32_t references = 0;          // pictures it may need again
  uint32_t frames_in_work = 1;      // decoded at the same time
};

Result<VideoFacts> FindVideoFacts(const VideoSource& source, int threads);

// What the decoder needs of the buffers for such a video. Failure when its size is beyond all
// buffers.
Result<Constraints> DecoderNeeds(const VideoFacts& facts);
// The same for people.
std::string DescribeNeeds(const VideoFacts& facts, const Constraints& needs);

// Allows `get_buffer2` to be called from the codec's own threads.
void AllowCallsFromThreads(AVCodecContext& codec);

}  // namespace sysmem::demo
