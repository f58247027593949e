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

// Never destroyed: a program may fork while it exits.
struct Registry {
  std::mutex mutex;
  std::vector<int> descriptors;
};
Registry& TheRegistry() {
  static auto* const registry = new Registry;
  return *registry;
}

// The lock is held over the fork, so that the child finds the list whole.
void BeforeFork() { TheRegistry().mutex.lock(); }
void InParent() { TheRegistry().mutex.unlock(); }
void InChild() {
  generation.fetch_add(1, std::memory_order_relaxed);
  for (const int fd : TheRegistry().descriptors) ::close(fd);
  TheRegistry().descriptors.clear();
  TheRegistry().mutex.unlock();
}

}  // namespace

uint64_t ForkGeneration() {
  static const int registered = pthread_atfork(BeforeFork, InParent, InChild);
  static_cast<void>(registered);
  return generation.load(std::memory_order_relaxed);
}

void CloseInChildren(int fd) {
  const std::lock_guard lock(TheRegistry().mutex);
  TheRegistry().descriptors.push_back(fd);
}

void ForgetInChildren(int fd) {
  const std::lock_guard lock(TheRegistry().mutex);
  std::erase(TheRegistry().descriptors, fd);
}

}  // namespace sysmem::client
