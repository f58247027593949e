// SPDX-License-Identifier: Apache-2.0
//
// What was negotiated, as the structures of <sysmem/buffers.h>.
#pragma once

#include <sysmem/buffers.h>

#include <memory>
#include <string>
#include <vector>

#include "sysmem2/results.pb.h"

namespace sysmem::client {

// The structures and everything they point to. Stays where it is.
class Settings {
 public:
  Settings(const sysmem2::SingleBufferSettings& settings, const sysmem2::HandOut& hand_out);
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  const sysmem_settings& get() const { return settings_; }

 private:
  void TakeImage(const sysmem2::ImageFormatConstraints& image);

  sysmem_settings settings_{};
  sysmem_image_settings image_{};
  std::string heap_type_;
  std::vector<sysmem_size> required_max_sizes_;
};

}  // namespace sysmem::client
