// SPDX-License-Identifier: Apache-2.0
#include "tests/end_to_end/v4l2_camera.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "base/errno_status.h"
#include "tests/support/patience.h"

namespace sysmem::testing {
namespace {

int Ioctl(int fd, unsigned long request, void* argument) {
  int result = 0;
  do {
    result = ::ioctl(fd, request, argument);
  } while (result != 0 && errno == EINTR);
  return result;
}

bool IsCameraOf(const base::UniqueFd& device, std::string_view driver) {
  v4l2_capability capability{};
  if (!device || Ioctl(device.get(), VIDIOC_QUERYCAP, &capability) != 0) return false;
  constexpr uint32_t kNeeded = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
  return driver == reinterpret_cast<const char*>(capability.driver) &&
         (capability.device_caps & kNeeded) == kNeeded;
}

v4l2_buffer DmaBufDescription(uint32_t index) {
  v4l2_buffer buffer{};
  buffer.index = index;
  buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  buffer.memory = V4L2_MEMORY_DMABUF;
  return buffer;
}

}  // namespace

std::optional<std::string> V4l2Camera::Find(std::string_view driver) {
  std::set<std::string> nodes;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/dev", error)) {
    const std::string path = entry.path().string();
    if (path.starts_with("/dev/video")) nodes.insert(path);
  }
  for (const std::string& node : nodes) {
    const base::UniqueFd device(::open(node.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (IsCameraOf(device, driver)) return node;
  }
  return std::nullopt;
}

V4l2Camera::V4l2Camera(const std::string& node)
    : device_(::open(node.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK)) {
  EXPECT_TRUE(device_) << node << ": " << base::ErrnoText(errno);
}

void V4l2Camera::Call(unsigned long request, void* argument, const char* name) {
  EXPECT_EQ(Ioctl(device_.get(), request, argument), 0) << name << ": " << base::ErrnoText(errno);
}

V4l2Camera::Format V4l2Camera::SetNv12(uint32_t width, uint32_t height) {
  v4l2_format format{};
  format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  format.fmt.pix.width = width;
  format.fmt.pix.height = height;
  format.fmt.pix.pixelformat = V4L2_PIX_FMT_NV12;
  format.fmt.pix.field = V4L2_FIELD_NONE;
  Call(VIDIOC_S_FMT, &format, "VIDIOC_S_FMT");
  const v4l2_pix_format& chosen = format.fmt.pix;
  EXPECT_EQ(chosen.pixelformat, uint32_t{V4L2_PIX_FMT_NV12});
  return {.width = chosen.width,
          .height = chosen.height,
          .bytes_per_row = chosen.bytesperline,
          .size_bytes = chosen.sizeimage};
}

void V4l2Camera::Start(std::vector<int> dma_bufs) {
  dma_bufs_ = std::move(dma_bufs);
  v4l2_requestbuffers wanted{};
  wanted.count = static_cast<uint32_t>(dma_bufs_.size());
  wanted.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  wanted.memory = V4L2_MEMORY_DMABUF;
  Call(VIDIOC_REQBUFS, &wanted, "VIDIOC_REQBUFS");
  ASSERT_EQ(wanted.count, dma_bufs_.size());
  for (uint32_t index = 0; index < wanted.count; ++index) Queue(index);
  int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  Call(VIDIOC_STREAMON, &type, "VIDIOC_STREAMON");
}

void V4l2Camera::Queue(uint32_t index) {
  v4l2_buffer buffer = DmaBufDescription(index);
  buffer.m.fd = dma_bufs_.at(index);
  Call(VIDIOC_QBUF, &buffer, "VIDIOC_QBUF");
}

V4l2Camera::Frame V4l2Camera::Next() {
  pollfd ready{.fd = device_.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&ready, 1, std::chrono::milliseconds(kPatience).count()), 1);
  v4l2_buffer buffer = DmaBufDescription(0);
  Call(VIDIOC_DQBUF, &buffer, "VIDIOC_DQBUF");
  EXPECT_EQ(buffer.flags & V4L2_BUF_FLAG_ERROR, 0u);
  return {.index = buffer.index, .sequence = buffer.sequence, .bytes_used = buffer.bytesused};
}

void V4l2Camera::Stop() {
  if (dma_bufs_.empty()) return;
  int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  Call(VIDIOC_STREAMOFF, &type, "VIDIOC_STREAMOFF");
  v4l2_requestbuffers none{};
  none.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  none.memory = V4L2_MEMORY_DMABUF;
  Call(VIDIOC_REQBUFS, &none, "VIDIOC_REQBUFS");
  dma_bufs_.clear();
}

}  // namespace sysmem::testing
