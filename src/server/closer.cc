// SPDX-License-Identifier: Apache-2.0
#include "server/closer.h"

#include <sys/socket.h>

#include <memory>
#include <utility>

namespace sysmem::server {
namespace {

// No peer's send buffer holds more messages. One that manages gets its reset.
constexpr int kMaxUnreadMessages = 4096;

// Afterwards the socket has nothing unread and nothing more can come. Without a control buffer the
// kernel drops the descriptors that come with a message, on this thread.
void DiscardInput(base::BorrowedFd socket) {
  ::shutdown(socket.get(), SHUT_RD);
  char first_byte = 0;
  for (int i = 0; i < kMaxUnreadMessages; ++i) {
    if (::recv(socket.get(), &first_byte, sizeof(first_byte), MSG_DONTWAIT) <= 0) return;
  }
}

}  // namespace

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

void Closer::CloseConnection(base::UniqueFd socket) {
  auto owner = std::make_shared<base::UniqueFd>(std::move(socket));
  worker_.Run([owner = std::move(owner)] {
    DiscardInput(*owner);
    owner->reset();
  });
}

bool Closer::Stop(int64_t deadline_ns) { return worker_.Stop(deadline_ns); }

}  // namespace sysmem::server
