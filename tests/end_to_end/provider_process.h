// SPDX-License-Identifier: Apache-2.0
//
// A process that serves a heap in a manner of its own.
//
//   ProviderProcess provider(daemon, Honest("here"));
//   ...
//   provider.Stop();  // or Kill()
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <sysmem/sysmem.hpp>

#include "tests/support/client_process.h"
#include "tests/support/daemon_process.h"

namespace sysmem::testing {

inline constexpr char kProvidedHeap[] = "linux.test.sysmem.heap.HEAP_TYPE.PROVIDED";

// How a provider treats calls. In its own process.
using Manner = std::function<void(sysmem::HeapAllocation call)>;
// Fills the memory that it is offered with `text`, once, and gives it.
Manner Honest(const std::string& text = "");
// Gives memory of its own of so many bytes, whatever was asked for.
Manner GivesItsOwn(uint64_t bytes);
Manner GivesAPipe();
Manner Refuses(const std::string& why);
// Never answers.
Manner Hangs();

// What every daemon here is started with: kClientUid may serve heaps.
DaemonOptions WithProviders();

// Runs in a process of its own: serves until the test says "end", or dies.
void ServeUntilTold(ControlChannel& test, sysmem::Client& client, const std::string& heap,
                    const Manner& manner);

// Dispatches the client's events until the test says "end"; `idle`, if given, is called whenever
// there is nothing to dispatch.
void DispatchUntilTold(ControlChannel& test, sysmem::Client& client,
                       const std::function<void()>& idle = {});

class ProviderProcess {
 public:
  // Returns when the heap is served. Whom the daemon's configuration names, unless said otherwise.
  ProviderProcess(const DaemonProcess& daemon, const Manner& manner,
                  const std::string& heap = kProvidedHeap, uid_t uid = kClientUid);

  // Stays connected, but serves no more.
  void Stop();
  void Kill() { process_.Kill(); }
  // Waits until so many buffers were given back, all told.
  void AwaitTakenBack(size_t count);

 private:
  ClientProcess process_;
  size_t taken_back_ = 0;
};

// Of one heap: `count` buffers of `bytes` for the CPU to read and write.
sysmem::Constraints NeedsOf(const std::string& heap, uint32_t count = 1, uint64_t bytes = 4096);

}  // namespace sysmem::testing
