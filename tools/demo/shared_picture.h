// SPDX-License-Identifier: Apache-2.0
//
// The buffers of the collection as pictures: where each plane lies, and all of them mapped.
//
// Decoder and consumers derive the layout from the same settings, so nothing about it needs to be
// told. Thread-safety: does not change after Map(); accesses are the user's to pair.
#pragma once

#include <sysmem/sysmem.hpp>
#include <vector>

#include "tools/demo/picture.h"
#include "tools/demo/status.h"

namespace sysmem::demo {

class SharedPictures {
 public:
  // Maps all buffers for `access` (SYSMEM_ACCESS_ bits). Failure if they hold no I420 pictures.
  static Result<SharedPictures> Map(Buffers buffers, uint32_t access);

  size_t count() const { return mappings_.size(); }
  const Buffers& buffers() const { return buffers_; }
  Mapping& mapping(size_t index) { return mappings_[index]; }
  const ImageLayout& layout() const { return layout_; }
  // The size of a picture with its padding.
  Size size() const { return buffers_.settings().image->min_size; }
  // A plane's first byte.
  uint8_t* plane(size_t index, size_t plane) {
    return mappings_[index].data() + layout_.planes[plane].offset;
  }
  // What is shown of the picture in a buffer; empty when there is no such part of one.
  std::optional<PictureView> View(size_t index, const Rectangle& visible);

 private:
  SharedPictures(Buffers buffers, const ImageLayout& layout)
      : buffers_(std::move(buffers)), layout_(layout) {}

  Buffers buffers_;
  ImageLayout layout_;
  std::vector<Mapping> mappings_;
};

// Tells the launcher which memory this process holds: a line "BUFFER index device inode" for each
// buffer, and a line "ACCESS" with what it may do with it.
void ReportBuffers(const StatusWriter& status, const Buffers& buffers);

}  // namespace sysmem::demo
