// SPDX-License-Identifier: Apache-2.0
#include "tests/end_to_end/buffer_holder.h"

#include <string>
#include <utility>

#include "tests/end_to_end/participants.h"

namespace sysmem::testing {
namespace {

constexpr uint64_t kBytes = 4096;

base::UniqueFd JoinFor(base::UniqueFd token, sysmem::Client& client, Access access) {
  auto joined = client.Join(ForLibrary(std::move(token)),
                            access == Access::kReadOnly ? ReaderNeeds(0) : WriterNeeds(0, kBytes),
                            Patience());
  if (!joined.ok()) {
    ADD_FAILURE() << joined.failure().text;
    return {};
  }
  return base::Dup(base::BorrowedFd(joined->buffers[0].fd));
}

}  // namespace

BufferHolder::BufferHolder(DaemonProcess& daemon, uid_t uid, Access access,
                           std::function<sysmem::testing::LetGo(base::UniqueFd hand_out)> hold)
    : process_(uid, [&](ControlChannel& test) {
        sysmem::Client client = ConnectOrDie(daemon.socket_path());
        const sysmem::testing::LetGo let_go =
            hold(JoinFor(test.Expect("token").TakeDescriptor(), client, access));
        test.Send(let_go ? "holding" : "refused");
        if (!let_go) return;
        test.Expect("let go");
        let_go();
        test.Expect("end");
      }) {}

void BufferHolder::End() {
  if (!process_.process().running()) return;
  process_.control().Send("end");
  process_.ExpectSuccess();
}

}  // namespace sysmem::testing
