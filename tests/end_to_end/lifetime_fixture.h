// SPDX-License-Identifier: Apache-2.0
//
// A daemon, an owner who shares buffers with holders, and an observer, for all tests of a suite:
// starting a daemon is dear in the virtual machine. After a failure the next test gets new ones.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "tests/end_to_end/buffer_owner.h"
#include "tests/end_to_end/observer.h"
#include "tests/support/daemon_process.h"

namespace sysmem::testing {

class LifetimeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!world_) world_ = std::make_unique<World>();
    ASSERT_TRUE(world_->daemon.ready());
  }
  void TearDown() override {
    if (HasFailure()) world_.reset();
  }
  static void TearDownTestSuite() { world_.reset(); }

  static DaemonProcess& daemon() { return world_->daemon; }
  static Observer& observer() { return world_->observer; }
  static BufferOwner& owner() { return world_->owner; }

  // What the daemon says of a buffer, which must be there and the only one of its collection.
  static nlohmann::json Look(const SharedBuffer& buffer) {
    const nlohmann::json shown = observer().Ask(
        "ShowCollection", R"({"buffer_collection_id": ")" + buffer.collection_id + "\"}");
    EXPECT_EQ(shown["buffers"].size(), 1u) << shown;
    return shown["buffers"].empty() ? nlohmann::json() : shown["buffers"][0];
  }

 private:
  struct World {
    World() : observer(daemon), owner(daemon) { observer.TakeBaseline(/*sessions=*/2); }
    DaemonProcess daemon;
    Observer observer;
    BufferOwner owner;
  };
  inline static std::unique_ptr<World> world_;
};

}  // namespace sysmem::testing
