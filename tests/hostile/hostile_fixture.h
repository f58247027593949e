// SPDX-License-Identifier: Apache-2.0
//
// A daemon, somebody who misbehaves, a bystander who must not notice, and an inspector who sees
// everything.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "sysmem2/constraints.pb.h"
#include "sysmem2/failure.pb.h"
#include "sysmem2/inspect.pb.h"
#include "sysmem2/session.pb.h"
#include "tests/hostile/raw_client.h"
#include "tests/support/daemon_process.h"
#include "tests/support/figures.h"

namespace sysmem::testing {

// ---- Operations, in the words of the tests ----

sysmem2::Operation CreateToken(uint64_t handle);
sysmem2::Operation CreateAlone(uint64_t handle);  // AllocateNonSharedCollection
sysmem2::Operation Duplicate(uint64_t handle, uint64_t child);
sysmem2::Operation Bind(uint64_t token, uint64_t collection);
sysmem2::Operation BindDescriptor(uint64_t descriptor_number, uint64_t collection);
// `count` buffers of one page for the CPU to read and write.
sysmem2::BufferCollectionConstraints CpuConstraints(uint32_t count = 1);
sysmem2::Operation SetConstraints(uint64_t handle, uint32_t count = 1);
sysmem2::Operation Wait(uint64_t handle);
sysmem2::Operation Sync(uint64_t handle);
sysmem2::Operation Release(uint64_t handle);
sysmem2::Operation Close(uint64_t handle);

// Some descriptor a client may send: the read end of a pipe.
base::UniqueFd AnyPipe();

// Checks that a failure says what it must: outcome, error, field.
void ExpectFailure(const sysmem2::Failure& failure, sysmem2::Outcome outcome, sysmem2::Error error,
                   const std::string& field);

class HostileTest : public ::testing::Test {
 protected:
  explicit HostileTest(const DaemonOptions& options = {}) : daemon_(options) {}
  void SetUp() override;
  // The bystander still has what it had, and gets something new; nothing of the guilty is left.
  void TearDown() override;

  const std::string& path() const { return daemon_.socket_path(); }
  DaemonProcess& daemon() { return daemon_; }
  RawClient& bystander() { return *bystander_; }
  RawClient& inspector() { return *inspector_; }
  std::unique_ptr<RawClient> Connect(uid_t uid = kClientUid);

  // A whole life of a collection in one session.
  static void ExpectServed(RawClient& client);
  // The bystander, who holds a token and a waiting collection, is as well as before.
  void ExpectBystanderUnharmed();

  // The daemon is asked to stop, and has stopped in order. The test ends with it.
  void StopDaemon();

  sysmem2::GetStatusResult Status();
  // As the inspector shows it; awaited until it shows the end.
  sysmem2::SessionInfo AwaitEnded(uint64_t session_id);
  // The session's client hears this reason, and so does everybody who looks at it.
  void ExpectEnded(RawClient& guilty, sysmem2::SessionEndReason reason, const std::string& says);
  // Remembers how it is now, once nothing moves any more; SetUp does so too.
  void TakeBaseline();
  // Sessions, nodes, buffers and descriptors are as many as then, and memory is not much more.
  void ExpectBackToBaseline();

 private:
  Figures Take();

  DaemonProcess daemon_;
  std::unique_ptr<RawClient> inspector_;
  std::unique_ptr<RawClient> bystander_;
  uint64_t bystander_root_ = 0;
  uint64_t bystander_collection_ = 0;
  Figures baseline_;
  uint64_t resident_baseline_ = 0;
};

}  // namespace sysmem::testing
