// SPDX-License-Identifier: Apache-2.0
//
// Looks again for the kernel's heaps whenever their nodes below /dev come, go or change.
//
// Looking takes system calls and a page of each heap, so it is done aside, one look at a time; what
// changes meanwhile is looked at once more.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "heaps/device_watch.h"
#include "heaps/discovery.h"
#include "server/event_loop.h"

namespace sysmem::server {

class DeviceHeaps {
 public:
  struct Options {
    heaps::DevicePlaces places;
    std::function<std::vector<heaps::FoundHeap>()> discover;
    // Is told what there is, by the thread that looked.
    std::function<void(std::vector<heaps::FoundHeap>)> found;
    // Runs a job on another thread than the loop's, or drops it.
    std::function<void(std::function<void()> job)> run_aside;
  };

  // Watches from now on, so that nothing is missed by whoever looks for himself afterwards. The
  // loop outlives the watch; at the end of the watch it does not run, but a look may be under way:
  // the functions keep alive what they use. Errors: as heaps::DeviceWatch::Start.
  static absl::StatusOr<std::unique_ptr<DeviceHeaps>> Start(EventLoop& loop, Options options);
  ~DeviceHeaps();
  DeviceHeaps(const DeviceHeaps&) = delete;
  DeviceHeaps& operator=(const DeviceHeaps&) = delete;

 private:
  struct Looks;

  DeviceHeaps(EventLoop& loop, std::unique_ptr<heaps::DeviceWatch> watch, Options options);

  EventLoop& loop_;
  const std::unique_ptr<heaps::DeviceWatch> watch_;
  const std::shared_ptr<Looks> looks_;  // shared with the look under way
  EventLoop::WatchId loop_watch_ = 0;
};

}  // namespace sysmem::server
