// SPDX-License-Identifier: Apache-2.0
//
// The life of a process that looks at the frames: it gets a token over its link, negotiates, maps
// the buffers, looks at each frame and gives it back, until there are no more.
//
//   Analyser analyser;
//   return Conclude(Role::kAnalyser, RunConsumer(options, Role::kAnalyser, needs, analyser));
#pragma once

#include <sysmem/sysmem.hpp>

#include "tools/demo/frame_link.h"
#include "tools/demo/participant.h"

namespace sysmem::demo {

class FrameViewer {
 public:
  virtual ~FrameViewer() = default;
  // Once, when the buffers are there.
  virtual Result<void> OnBuffers(const Buffers& buffers) = 0;
  // The pixels are there until this returns.
  virtual Result<void> OnFrame(const LinkMessage& frame, const PictureView& picture) = 0;
  // After the last frame.
  virtual Result<void> OnEnd() = 0;
};

// What every consumer needs: to read I420 pictures, one at a time. The rest is the decoder's say.
Constraints ReaderNeeds();

// REQUIRES: options.links has one element.
Result<void> RunConsumer(const ParticipantOptions& options, Role role, const Constraints& needs,
                         FrameViewer& viewer);

}  // namespace sysmem::demo
