// SPDX-License-Identifier: Apache-2.0
#include "server/closer.h"

#include <memory>
#include <utility>

namespace sysmem::server {

Closer::Closer() : worker_({.name = "sysmemd-closer", .threads = 1, .max_threads = kMaxThreads}) {}

void Closer::Close(base::UniqueFd fd, std::function<void()> closed) {
  // std::function wants to be able to copy what it holds.
  auto owner = std::make_shared<base::UniqueFd>(std::move(fd));
  worker_.Run([owner = std::move(owner), closed = std::move(closed)] {
    owner->reset();
    if (closed) closed();
  });
}

void Closer::Close(std::vector<base::UniqueFd> fds) {
  for (base::UniqueFd& fd : fds) Close(std::move(fd));
}

bool Closer::Stop(int64_t deadline_ns) { return worker_.Stop(deadline_ns); }

}  // namespace sysmem::server
