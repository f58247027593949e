// SPDX-License-Identifier: Apache-2.0
#include "client/fork.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

namespace sysmem::client {
namespace {

std::atomic<uint64_t> generation{0};

struct Entry {
  int fd = -1;
  std::mutex* mutex = nullptr;
};
// Never destroyed: a program may fork while it exits.
struct Registry {
  std::mutex mutex;
  std::vector<Entry> entries;
};
Registry& TheRegistry() {
  static auto* const registry = new Registry;
  return *registry;
}

// All locks are held over the fork, so that the child finds everything whole.
void BeforeFork() {
  TheRegistry().mutex.lock();
  for (const Entry& entry : TheRegistry().entries) entry.mutex->lock();
}
void InParent() {
  for (const Entry& entry : TheRegistry().entries) entry.mutex->unlock();
  TheRegistry().mutex.unlock();
}
void InChild() {
  generation.fetch_add(1, std::memory_order_relaxed);
  for (const Entry& entry : TheRegistry().entries) {
    entry.mutex->unlock();
    ::close(entry.fd);
  }
  TheRegistry().entries.clear();
  TheRegistry().mutex.unlock();
}

}  // namespace

uint64_t ForkGeneration() {
  static const int registered = pthread_atfork(BeforeFork, InParent, InChild);
  static_cast<void>(registered);
  return generation.load(std::memory_order_relaxed);
}

void CloseInChildren(int fd, std::mutex& mutex) {
  const std::lock_guard lock(TheRegistry().mutex);
  TheRegistry().entries.push_back({fd, &mutex});
}

void ForgetInChildren(int fd) {
  const std::lock_guard lock(TheRegistry().mutex);
  std::erase_if(TheRegistry().entries, [fd](const Entry& entry) { return entry.fd == fd; });
}

}  // namespace sysmem::client
