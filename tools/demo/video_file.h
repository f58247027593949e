// SPDX-License-Identifier: Apache-2.0
//
// The video of a run: one that the caller named, or a clip made for it.
#pragma once

#include <string>

#include "tools/demo/workspace.h"

namespace sysmem::demo {

struct VideoFile {
  std::string name;  // for people
  std::string path;  // absolute, or an address
  // Open for reading, for processes whose user may not open the path; empty for addresses.
  UniqueFd file;
};

// Errors: no such file, or one that cannot be read twice.
Result<VideoFile> OpenVideo(const std::string& name);

// Ten seconds of FFmpeg's test source, 1280x720 at 30 frames a second.
Result<VideoFile> MakeTestClip(const Workspace& workspace);

}  // namespace sysmem::demo
