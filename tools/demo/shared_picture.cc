// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/shared_picture.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include "tools/demo/sentence.h"

namespace sysmem::demo {
namespace {

// Whether this process can get at the memory behind a descriptor for writing: through a mapping, or
// by opening it again. (What it was allowed is one thing, what the kernel lets it do another.)
bool CanMapWritable(int fd) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  void* const mapped = ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) return false;
  ::munmap(mapped, page);
  return true;
}

bool CanReopenWritable(int fd) {
  const UniqueFd reopened(
      ::open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDWR | O_CLOEXEC));
  return static_cast<bool>(reopened);
}

std::string DescribeAccess(const Buffers& buffers) {
  const Settings& settings = buffers.settings();
  if (!settings.read_only) return "reads and writes";
  const int fd = buffers[0].fd;
  const std::string tried =
      std::string("writable mapping ") + (CanMapWritable(fd) ? "possible" : "refused") +
      ", reopening for writing " + (CanReopenWritable(fd) ? "possible" : "refused");
  return std::string("read-only, ") + (settings.read_only_enforced ? "enforced" : "advisory") +
         " (tried: " + tried + ")";
}

}  // namespace

Result<SharedPictures> SharedPictures::Map(Buffers buffers, uint32_t access) {
  const ImageSettings* const image = buffers.settings().image;
  if (image == nullptr || image->pixel_format != SYSMEM_PIXEL_FORMAT_I420) {
    return Sentence("the buffers are not made for I420 pictures");
  }
  const Size size = image->min_size;
  Result<ImageLayout> layout = buffers.Layout(size.width, size.height);
  if (!layout.ok()) return layout.failure();
  if (layout->plane_count != kPlaneCount) return Sentence("an I420 picture has three planes");
  SharedPictures pictures(std::move(buffers), *layout);
  for (size_t i = 0; i < pictures.buffers_.count(); ++i) {
    Result<Mapping> mapping = pictures.buffers_.Map(i, access);
    if (!mapping.ok()) return mapping.failure();
    if (mapping->size() < layout->size_bytes) return Sentence("a buffer is smaller than a picture");
    pictures.mappings_.push_back(std::move(*mapping));
  }
  return pictures;
}

std::optional<PictureView> SharedPictures::View(size_t index, const Rectangle& visible) {
  if (index >= count()) return std::nullopt;
  std::array<const uint8_t*, kPlaneCount> data;
  std::array<std::ptrdiff_t, kPlaneCount> strides;
  for (size_t i = 0; i < kPlaneCount; ++i) {
    data[i] = plane(index, i);
    strides[i] = layout_.planes[i].bytes_per_row;
  }
  return Crop(I420View(data, strides, size().width, size().height), visible);
}

void ReportBuffers(const StatusWriter& status, const Buffers& buffers) {
  for (size_t i = 0; i < buffers.count(); ++i) {
    status.Line("BUFFER", std::to_string(buffers[i].index) + " " +
                              std::to_string(buffers[i].device) + " " +
                              std::to_string(buffers[i].inode));
  }
  status.Line("ACCESS", DescribeAccess(buffers));
}

}  // namespace sysmem::demo
