// SPDX-License-Identifier: Apache-2.0
//
// A camera behind V4L2 that puts its pictures straight into dma-bufs of somebody else
// (V4L2_MEMORY_DMABUF).
//
//   V4l2Camera camera(node);
//   const V4l2Camera::Format format = camera.SetNv12(640, 480);   // stride and size are its say
//   ... negotiate ...
//   camera.Start(dma_bufs);                                       // as many as there are buffers
//   const V4l2Camera::Frame frame = camera.Next();
//   ... others look at buffer frame.index ...
//   camera.Queue(frame.index);
//
// What the kernel refuses fails the test. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"

namespace sysmem::testing {

class V4l2Camera {
 public:
  struct Format {
    uint32_t width = 0;
    uint32_t height = 0;
    uint32_t bytes_per_row = 0;
    uint32_t size_bytes = 0;
  };
  struct Frame {
    uint32_t index = 0;
    uint32_t sequence = 0;
    uint32_t bytes_used = 0;
  };

  // The node of the first camera with this driver. Nothing if there is none.
  static std::optional<std::string> Find(std::string_view driver);

  explicit V4l2Camera(const std::string& node);
  ~V4l2Camera() { Stop(); }
  V4l2Camera(const V4l2Camera&) = delete;
  V4l2Camera& operator=(const V4l2Camera&) = delete;

  Format SetNv12(uint32_t width, uint32_t height);
  // `dma_bufs` stay the caller's; the camera takes references of its own. All are queued.
  void Start(std::vector<int> dma_bufs);
  void Queue(uint32_t index);
  // Awaited with kPatience.
  Frame Next();
  // Gives all references back.
  void Stop();

 private:
  void Call(unsigned long request, void* argument, const char* name);

  base::UniqueFd device_;
  std::vector<int> dma_bufs_;
};

}  // namespace sysmem::testing
