// SPDX-License-Identifier: Apache-2.0
//
// A process of its own that runs a part of the test: a forked child, under another uid if the test
// run is root's, talking with the test over a ControlChannel.
//
//   ClientProcess reader(kClientUid, [&](ControlChannel& test) {
//     auto client = sysmem::Client::Connect({.path = daemon.socket_path()});
//     ASSERT_TRUE(client.ok()) << client.failure().text;
//     base::UniqueFd token = test.Expect("token").TakeDescriptor();
//     ...
//   });
//   reader.test().Send("token", std::move(token));
//   reader.ExpectSuccess();
//
// The child has the test's memory but none of its descriptors (besides the standard ones), so what
// the test holds is not held twice. Failed expectations in the child are printed there and make
// ExpectSuccess() fail. The test itself must have no threads and never have used libsysmem before:
// libraries do not survive a fork. Not thread-safe.
#pragma once

#include <functional>
#include <vector>

#include "tests/support/control_channel.h"
#include "tests/support/process.h"
#include "tests/support/users.h"

namespace sysmem::testing {

class ClientProcess {
 public:
  using Body = std::function<void(ControlChannel& test)>;
  // `groups`: the user's, besides the one of the uid's number.
  ClientProcess(uid_t uid, const Body& body, const std::vector<gid_t>& groups = {});

  // The test's end of the channel to this process.
  ControlChannel& control() { return control_; }
  Process& process() { return process_; }

  void Kill() { process_.Kill(); }
  // Waits until the body has run to its end, and expects that nothing in it failed.
  void ExpectSuccess();

 private:
  ControlChannel control_;
  Process process_;
};

}  // namespace sysmem::testing
