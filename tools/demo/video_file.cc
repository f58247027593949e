// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/video_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <sstream>
#include <system_error>

#include "tools/demo/child_process.h"
#include "tools/demo/identity.h"

namespace sysmem::demo {
namespace {

constexpr char kClipName[] = "a clip made by ffmpeg's test source (10 s, 1280x720)";

// The best first; every ffmpeg has the last. B frames and several references, as real videos have.
const std::vector<std::vector<std::string>> kEncoders = {
    {"libx264", "-preset", "veryfast", "-bf", "2", "-refs", "4", "-crf", "20"},
    {"mpeg4", "-qscale:v", "3", "-bf", "2"},
};

std::optional<std::string> FindInPath(const std::string& program) {
  const char* const path = ::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/usr/bin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    folder.append("/").append(program);
    if (::access(folder.c_str(), X_OK) == 0) return folder;
  }
  return std::nullopt;
}

std::vector<std::string> EncodingArguments(const std::vector<std::string>& encoder,
                                           const std::string& output) {
  std::vector<std::string> arguments = {"-nostdin",
                                        "-loglevel",
                                        "fatal",
                                        "-f",
                                        "lavfi",
                                        "-i",
                                        "testsrc2=size=1280x720:rate=30:duration=10",
                                        "-c:v"};
  arguments.insert(arguments.end(), encoder.begin(), encoder.end());
  arguments.insert(arguments.end(), {"-pix_fmt", "yuv420p", "-y", output});
  return arguments;
}

}  // namespace

Result<VideoFile> OpenVideo(const std::string& name) {
  if (name.find("://") != std::string::npos) return VideoFile{.name = name, .path = name};
  std::error_code error;
  const std::filesystem::path path = std::filesystem::canonical(name, error);
  if (error) return Sentence("cannot open " + name + ": " + error.message());
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts {};
  if (!file || ::fstat(file.get(), &facts) != 0) return ErrnoSentence("cannot open " + name);
  if (!S_ISREG(facts.st_mode)) {
    return Sentence(name + " is not a file; a video is read twice, to compare");
  }
  return VideoFile{.name = name, .path = path.string(), .file = std::move(file)};
}

Result<VideoFile> MakeTestClip(const Workspace& workspace) {
  const std::optional<std::string> ffmpeg = FindInPath("ffmpeg");
  if (!ffmpeg) return Sentence("to make a clip, ffmpeg is needed; install it, or name a video");
  const std::string output = workspace.clip_folder() + "/clip.mp4";
  for (const std::vector<std::string>& encoder : kEncoders) {
    Result<ChildProcess> process =
        ChildProcess::Start({.program = *ffmpeg,
                             .arguments = EncodingArguments(encoder, output),
                             .user = UserOf(Role::kDecoder)});
    if (!process.ok()) return process.failure();
    if (!process->WaitForEnding()->is_clean()) continue;
    Result<VideoFile> video = OpenVideo(output);
    if (video.ok()) video->name = kClipName;
    return video;
  }
  return Sentence("ffmpeg could not make a clip; name a video");
}

}  // namespace sysmem::demo
