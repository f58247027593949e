// SPDX-License-Identifier: Apache-2.0
//
// A daemon, a client of it in the test's own process, and the sysmemctl that looks at both.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <sysmem/sysmem.hpp>
#include <utility>
#include <vector>

#include "tests/support/daemon_process.h"
#include "tests/tools/sysmemctl/sysmemctl.h"

namespace sysmem::ctl {

class ProgramTest : public ::testing::Test {
 protected:
  // `name`: the client's, for debugging.
  explicit ProgramTest(std::string name) : name_(std::move(name)) {}

  void SetUp() override {
    ASSERT_TRUE(daemon_.ready());
    auto client = Client::Connect({.path = daemon_.socket_path(), .debug_name = name_});
    ASSERT_TRUE(client.ok()) << client.failure().text;
    client_.emplace(*std::move(client));
  }
  testing::Ended Try(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--socket", daemon_.socket_path()});
    return Sysmemctl(std::move(arguments));
  }
  // What it prints; it must end with 0.
  std::string Run(std::vector<std::string> arguments) const {
    testing::Ended ended = Try(std::move(arguments));
    EXPECT_EQ(ended.exit_code, 0) << ended.output;
    return ended.output;
  }
  // This process as sysmemctl names it, behind its command.
  static std::string Me() {
    return "(pid " + std::to_string(::getpid()) + ", uid " + std::to_string(::getuid()) + ")";
  }
  Client& client() { return *client_; }
  const std::string& socket_path() const { return daemon_.socket_path(); }

 private:
  const std::string name_;
  testing::DaemonProcess daemon_;
  std::optional<Client> client_;
};

}  // namespace sysmem::ctl
