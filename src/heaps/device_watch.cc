// SPDX-License-Identifier: Apache-2.0
#include "heaps/device_watch.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"

namespace sysmem::heaps {
namespace {

constexpr uint32_t kOfInterest =
    IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR;

}  // namespace

DeviceWatch::DeviceWatch(base::UniqueFd inotify, std::string dma_heaps)
    : inotify_(std::move(inotify)), dma_heaps_(std::move(dma_heaps)) {}

absl::StatusOr<std::unique_ptr<DeviceWatch>> DeviceWatch::Start(const DevicePlaces& places) {
  base::UniqueFd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify) {
    return base::ErrnoStatus(errno, "make an inotify instance (fs.inotify.max_user_instances)");
  }
  std::unique_ptr<DeviceWatch> watch(new DeviceWatch(std::move(inotify), places.dma_heaps));
  for (const std::string& path : {places.dma_heaps, places.udmabuf}) {
    if (absl::Status status = watch->WatchFor(path); !status.ok()) return status;
  }
  watch->WatchDmaHeaps();
  return watch;
}

absl::StatusOr<int> DeviceWatch::Watch(const std::string& folder) {
  const int watch = ::inotify_add_watch(inotify_.get(), folder.c_str(), kOfInterest);
  if (watch >= 0) return watch;
  return base::ErrnoStatus(errno, absl::StrCat("watch ", folder, " (fs.inotify.max_user_watches)"));
}

absl::Status DeviceWatch::WatchFor(const std::string& path) {
  const std::filesystem::path split(path);
  const absl::StatusOr<int> watch = Watch(split.parent_path().string());
  if (!watch.ok()) return watch.status();
  sought_.emplace(*watch, split.filename().string());
  return absl::OkStatus();
}

// Where it is not there yet, its coming is what wakes us.
void DeviceWatch::WatchDmaHeaps() { dma_heaps_watch_ = Watch(dma_heaps_).value_or(-1); }

bool DeviceWatch::Changed() {
  bool changed = false;
  alignas(inotify_event) std::array<char, 4096> events;
  while (true) {
    const ssize_t size = ::read(inotify_.get(), events.data(), events.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    for (size_t at = 0; at < static_cast<size_t>(size);) {
      const auto* const event = reinterpret_cast<const inotify_event*>(events.data() + at);
      at += sizeof(inotify_event) + event->len;
      changed = Concerns(*event) || changed;
    }
  }
  if (changed && dma_heaps_watch_ < 0) WatchDmaHeaps();
  return changed;
}

bool DeviceWatch::Concerns(const inotify_event& event) {
  if ((event.mask & IN_Q_OVERFLOW) != 0) return true;
  if (event.wd == dma_heaps_watch_) {
    if ((event.mask & IN_IGNORED) != 0) dma_heaps_watch_ = -1;  // it was removed
    return true;
  }
  // The name is padded with NULs.
  const std::string_view name = event.len > 0 ? std::string_view(event.name) : std::string_view();
  const auto [first, last] = sought_.equal_range(event.wd);
  return std::any_of(first, last, [name](const auto& one) { return one.second == name; });
}

}  // namespace sysmem::heaps
