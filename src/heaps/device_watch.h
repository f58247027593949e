// SPDX-License-Identifier: Apache-2.0
//
// Tells when heaps of the kernel may have come, gone, or become (un)usable: their nodes below /dev
// were made, removed, or given another owner or mode.
//
//   auto watch = DeviceWatch::Start();
//   loop.AddWatch((*watch)->fd().get(), EPOLLIN, [&](uint32_t) {
//     if ((*watch)->Changed()) ... DiscoverDeviceHeaps ...
//   });
//
// Belongs to one thread.
#pragma once

#include <sys/inotify.h>

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "heaps/discovery.h"

namespace sysmem::heaps {

class DeviceWatch {
 public:
  // Errors: as inotify_init1 and inotify_add_watch (ResourceExhausted:
  // fs.inotify.max_user_instances or max_user_watches); NotFound when the folder that holds the
  // nodes is not there.
  static absl::StatusOr<std::unique_ptr<DeviceWatch>> Start(const DevicePlaces& places = {});

  // Readable (EPOLLIN) when something is to be read by Changed(). Does not block.
  base::BorrowedFd fd() const { return inotify_; }
  // Reads what was announced; true if some of it concerns a heap, or may have been lost.
  bool Changed();

 private:
  DeviceWatch(base::UniqueFd inotify, std::string dma_heaps);
  absl::StatusOr<int> Watch(const std::string& folder);
  absl::Status WatchFor(const std::string& path);
  void WatchDmaHeaps();
  bool Concerns(const inotify_event& event);

  const base::UniqueFd inotify_;
  const std::string dma_heaps_;
  std::multimap<int, std::string> sought_;  // names in the folder of a watch
  int dma_heaps_watch_ = -1;                // -1: that folder is not there
};

}  // namespace sysmem::heaps
