// SPDX-License-Identifier: Apache-2.0
//
// A daemon, and a client of it in the test's own process.
#pragma once

#include <optional>

#include "tests/end_to_end/participants.h"
#include "tests/support/daemon_process.h"

namespace sysmem::testing {

class LibraryTest : public ::testing::Test {
 protected:
  explicit LibraryTest(const DaemonOptions& options = {}) : daemon_(options) {}
  void SetUp() override {
    ASSERT_TRUE(daemon_.ready());
    client_.emplace(Connect());
  }
  // The session is as good as before, whatever happened.
  void TearDown() override {
    if (client_ && client_->is_connected()) ExpectServed(*client_);
  }

  DaemonProcess& daemon() { return daemon_; }
  sysmem::Client& client() { return *client_; }
  sysmem::Client Connect() { return ConnectOrDie(daemon_.socket_path()); }

 private:
  DaemonProcess daemon_;
  std::optional<sysmem::Client> client_;
};

}  // namespace sysmem::testing
