// SPDX-License-Identifier: Apache-2.0
//
// Somebody who looks into the daemon, from a process of its own: the test itself must not use the
// library (client_process.h).
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/client_process.h"
#include "tests/support/daemon_process.h"
#include "tests/support/figures.h"

namespace sysmem::testing {

class Observer {
 public:
  explicit Observer(DaemonProcess& daemon);
  ~Observer();

  // A method of the Inspect service. Numbers of 64 bits are strings (Number() reads both).
  nlohmann::json Ask(const std::string& method, const std::string& request = "{}");
  static uint64_t Number(const nlohmann::json& object, const char* field);

  Figures Take();
  // Remembers how it is now, once nothing moves any more and there are so many sessions, this one
  // included, and nodes.
  void TakeBaseline(uint64_t sessions = 1, uint64_t nodes = 0);
  // Waits until everything is as it was then, memory included.
  void ExpectBackToBaseline();
  // Waits until there are so many nodes.
  void AwaitNodes(uint64_t nodes);

 private:
  DaemonProcess& daemon_;
  ClientProcess process_;
  Figures baseline_;
  uint64_t resident_baseline_ = 0;
};

}  // namespace sysmem::testing
