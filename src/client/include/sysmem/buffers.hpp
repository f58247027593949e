// SPDX-License-Identifier: Apache-2.0
//
// Buffers and access to their memory in C++.
//
//   sysmem::Result<sysmem::Mapping> mapping = buffers.Map(index, SYSMEM_ACCESS_READ);
//   ...
//   {
//     sysmem::Result<sysmem::CpuAccess> access = mapping->Access(SYSMEM_ACCESS_READ);
//     Read(mapping->bytes());
//   }  // the access ends here
//
// Buffers outlive the collection, the client and the daemon. A Mapping holds its buffer as the
// Buffers did. Weak buffers (buffers.h says what that is) are let go one by one:
//
//   if (buffers[index].is_weak && buffers.MustClose(index)) {
//     mapping.reset();  // whatever the program made of it
//     buffers.Close(index);
//   }
//
// Thread-safety: as buffers.h.
#pragma once

#include <sysmem/buffers.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <sysmem/constraints.hpp>
#include <sysmem/result.hpp>

namespace sysmem {

// Plain structures of the library; strings and lists inside live as long as the Buffers.
using Settings = ::sysmem_settings;
using ImageSettings = ::sysmem_image_settings;
using Buffer = ::sysmem_buffer;
using ImageLayout = ::sysmem_image_layout;

// One access by the CPU: begun by Mapping::Access(), ended by the destructor or End().
class CpuAccess {
 public:
  CpuAccess(sysmem_mapping* mapping, uint32_t access) : mapping_(mapping), access_(access) {}
  ~CpuAccess() {
    if (mapping_ != nullptr) sysmem_end_cpu_access(mapping_, access_, nullptr);
  }
  CpuAccess(CpuAccess&& other) noexcept
      : mapping_(std::exchange(other.mapping_, nullptr)), access_(other.access_) {}
  CpuAccess& operator=(CpuAccess&& other) noexcept {
    std::swap(mapping_, other.mapping_);
    std::swap(access_, other.access_);
    return *this;
  }
  CpuAccess(const CpuAccess&) = delete;
  CpuAccess& operator=(const CpuAccess&) = delete;

  // Ends the access early and tells whether that worked. Later calls do nothing.
  Result<void> End() {
    if (mapping_ == nullptr) return {};
    detail::Call call;
    return call.Finish(
        sysmem_end_cpu_access(std::exchange(mapping_, nullptr), access_, call.out()));
  }

 private:
  sysmem_mapping* mapping_;  // outlives this object
  uint32_t access_;
};

// A buffer mapped into this process.
class Mapping {
 public:
  explicit Mapping(sysmem_mapping* mapping) : mapping_(mapping) {}

  // From the first usable byte on.
  std::span<std::byte> bytes() const {
    return {static_cast<std::byte*>(sysmem_mapping_data(mapping_.get())),
            sysmem_mapping_size(mapping_.get())};
  }
  uint8_t* data() const { return static_cast<uint8_t*>(sysmem_mapping_data(mapping_.get())); }
  size_t size() const { return sysmem_mapping_size(mapping_.get()); }

  // Begins an access by the CPU (SYSMEM_ACCESS_ bits); it must end before this object does.
  Result<CpuAccess> Access(uint32_t access) {
    detail::Call call;
    if (sysmem_begin_cpu_access(mapping_.get(), access, call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    return CpuAccess(mapping_.get(), access);
  }

 private:
  struct Free {
    void operator()(sysmem_mapping* mapping) const { sysmem_mapping_destroy(mapping); }
  };
  std::unique_ptr<sysmem_mapping, Free> mapping_;
};

// Waits until a close_weak_asap_fd, or the end of a tracking, hangs up; kTimeout if it has not by
// then. `fd` is borrowed.
inline Result<void> AwaitHangup(int fd, Deadline deadline) {
  detail::Call call;
  return call.Finish(sysmem_await_hangup(fd, deadline.ns(), call.out()));
}

// What a wait brings: descriptors and settings.
class Buffers {
 public:
  explicit Buffers(sysmem_buffers* buffers) : buffers_(buffers) {}

  size_t count() const { return sysmem_buffers_count(buffers_.get()); }
  const Settings& settings() const { return *sysmem_buffers_settings(buffers_.get()); }
  uint64_t collection_id() const { return sysmem_buffers_collection_id(buffers_.get()); }
  // REQUIRES: index < count().
  const Buffer& operator[](size_t index) const {
    return *sysmem_buffers_get(buffers_.get(), index);
  }

  Result<UniqueFd> DupFd(size_t index) const {
    detail::Call call;
    int fd = -1;
    if (sysmem_buffers_dup_fd(buffers_.get(), index, &fd, call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    return UniqueFd(fd);
  }

  // Whether the last strong holder of a weak buffer is gone, so that it is to be closed now. False
  // for a strong buffer and for one that is closed.
  bool MustClose(size_t index) const {
    const int signal = (*this)[index].close_weak_asap_fd;
    return signal >= 0 && AwaitHangup(signal, Deadline::Passed()).ok();
  }
  // Closes one buffer. Mappings and duplicates hold it on.
  void Close(size_t index) { sysmem_buffers_close(buffers_.get(), index); }

  // Maps a whole buffer (SYSMEM_ACCESS_ bits).
  Result<Mapping> Map(size_t index, uint32_t access) const {
    detail::Call call;
    sysmem_mapping* mapping = nullptr;
    if (sysmem_map(buffers_.get(), index, access, &mapping, call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    return Mapping(mapping);
  }

  // Where the pixels of a width x height image are.
  Result<ImageLayout> Layout(uint32_t width, uint32_t height) const {
    detail::Call call;
    ImageLayout layout{};
    if (sysmem_settings_image_layout(&settings(), width, height, &layout, call.out()) !=
        SYSMEM_OK) {
      return call.TakeFailure();
    }
    return layout;
  }

  sysmem_buffers* get() const { return buffers_.get(); }

 private:
  struct Free {
    void operator()(sysmem_buffers* buffers) const { sysmem_buffers_destroy(buffers); }
  };
  std::unique_ptr<sysmem_buffers, Free> buffers_;
};

// What to tell of a buffer's descriptor besides collection and index (Client::GetVmoInfo()); fields
// as in buffers.h.
struct VmoInfoRequest {
  bool need_weak = false;
  bool need_settings = false;
  std::optional<Constraints> constraints_to_check;
  int settings_to_check_fd = -1;  // borrowed
  bool settings_to_check_ignore_size = false;
};

// Which buffer a descriptor is of, and what was asked for.
class VmoInfo {
 public:
  explicit VmoInfo(const sysmem_vmo_info* info) : info_(info) {}

  uint64_t collection_id() const { return info_->buffer_collection_id; }
  uint64_t buffer_index() const { return info_->buffer_index; }
  // -1 unless asked for. Belongs to this object.
  int weak_fd() const { return info_->weak_fd; }
  // -1 unless the descriptor is weak, or a weak one was asked for. Belongs to this object.
  int close_weak_asap_fd() const { return info_->close_weak_asap_fd; }
  // Null unless asked for. Lives as long as this object.
  const Settings* settings() const { return info_->settings; }
  // Unset unless asked for, likewise.
  std::optional<bool> constraints_ok() const {
    return info_->has_constraints_ok ? std::optional(info_->constraints_ok) : std::nullopt;
  }
  std::optional<bool> settings_match() const {
    return info_->has_settings_match ? std::optional(info_->settings_match) : std::nullopt;
  }

 private:
  struct Free {
    void operator()(const sysmem_vmo_info* info) const { sysmem_vmo_info_free(info); }
  };
  std::unique_ptr<const sysmem_vmo_info, Free> info_;
};

inline std::string_view PixelFormatName(uint32_t pixel_format) {
  return sysmem_pixel_format_name(pixel_format);
}
inline std::string_view ColorSpaceName(uint32_t color_space) {
  return sysmem_color_space_name(color_space);
}

}  // namespace sysmem
