// SPDX-License-Identifier: Apache-2.0
#include "server/device_heaps.h"

#include <sys/epoll.h>

#include <mutex>
#include <utility>

namespace sysmem::server {

struct DeviceHeaps::Looks : std::enable_shared_from_this<DeviceHeaps::Looks> {
  explicit Looks(Options the_options) : options(std::move(the_options)) {}

  void Begin() {
    {
      const std::lock_guard lock(mutex);
      again = true;
      if (std::exchange(under_way, true)) return;
    }
    options.run_aside([self = shared_from_this()] { self->Look(); });
  }

  void Look() {
    while (TakeNext()) options.found(options.discover());
  }

  bool TakeNext() {
    const std::lock_guard lock(mutex);
    under_way = std::exchange(again, false);
    return under_way;
  }

  const Options options;
  std::mutex mutex;
  // Guarded by mutex:
  bool under_way = false;
  bool again = false;  // something has changed since the last look began
};

absl::StatusOr<std::unique_ptr<DeviceHeaps>> DeviceHeaps::Start(EventLoop& loop, Options options) {
  absl::StatusOr<std::unique_ptr<heaps::DeviceWatch>> watch =
      heaps::DeviceWatch::Start(options.places);
  if (!watch.ok()) return watch.status();
  std::unique_ptr<DeviceHeaps> self(new DeviceHeaps(loop, *std::move(watch), std::move(options)));
  const absl::StatusOr<EventLoop::WatchId> watched =
      loop.AddWatch(self->watch_->fd().get(), EPOLLIN, [&self = *self](uint32_t) {
        if (self.watch_->Changed()) self.looks_->Begin();
      });
  if (!watched.ok()) return watched.status();
  self->loop_watch_ = *watched;
  return self;
}

DeviceHeaps::DeviceHeaps(EventLoop& loop, std::unique_ptr<heaps::DeviceWatch> watch,
                         Options options)
    : loop_(loop), watch_(std::move(watch)), looks_(std::make_shared<Looks>(std::move(options))) {}

DeviceHeaps::~DeviceHeaps() { loop_.RemoveWatch(loop_watch_); }

}  // namespace sysmem::server
