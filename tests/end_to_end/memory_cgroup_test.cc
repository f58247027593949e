// SPDX-License-Identifier: Apache-2.0
//
// A daemon with little memory: the kernel would not refuse it a page, it would kill it.
#include "tests/support/memory_cgroup.h"

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/end_to_end/participants.h"
#include "tests/support/client_process.h"
#include "tests/support/daemon_process.h"
#include "tests/support/eventually.h"
#include "tests/support/sanitizers.h"

namespace sysmem::testing {
namespace {

constexpr uint64_t kLimit = 256 << 20;
constexpr uint64_t kBytes = 32 << 20;

sysmem::Result<sysmem::Buffers> Allocate(sysmem::Client& client) {
  auto collection = client.CreateNonSharedCollection();
  if (!collection.ok()) return collection.failure();
  SYSMEM_EXPECT_OK(collection->SetConstraints(WriterNeeds(1, kBytes)));
  return collection->Wait(Patience());
}

// Takes all that there is, is told why it gets no more, and gives it back.
void TakeAll(ControlChannel& test, const std::string& path) {
  sysmem::Client client = ConnectOrDie(path);
  // Whoever was here before has gone, but his memory may be on its way back.
  EXPECT_TRUE(Eventually([&] { return Allocate(client).ok() && Allocate(client).ok(); }));
  std::vector<sysmem::Buffers> taken;
  while (taken.size() * kBytes < kLimit) {
    auto buffers = Allocate(client);
    if (!buffers.ok()) {
      EXPECT_TRUE(buffers.failure().error == sysmem::Error::kNoMemory)
          << "status " << static_cast<int>(buffers.failure().status) << ": "
          << buffers.failure().text;
      test.Send(buffers.failure().message);
      break;
    }
    auto mapping = buffers->Map(0, SYSMEM_ACCESS_WRITE);
    SYSMEM_ASSERT_OK(mapping);
    std::memset(mapping->data(), 1, mapping->size());
    taken.push_back(*std::move(buffers));
  }
  EXPECT_GE(taken.size(), 2u);
  EXPECT_LT(taken.size() * kBytes, kLimit);
  ExpectServed(client);
  const size_t count = taken.size();
  taken.clear();
  // Once the memory of the others is back; but for one, since the daemon's own memory has grown by
  // a part of a buffer meanwhile, with a sanitizer above all.
  EXPECT_TRUE(Eventually([&] {
    if (auto buffers = Allocate(client); buffers.ok()) taken.push_back(*std::move(buffers));
    return taken.size() >= count - 1;
  }));
}

TEST(SmallCgroup, RefusesWhatDoesNotFitWithTheFiguresAndTheDaemonLives) {
  if (kThreadSanitizer) {
    GTEST_SKIP() << "SmallCgroup: what ThreadSanitizer remembers would fill the group";
  }
  const auto group = MemoryCgroup::Create(kLimit);
  if (group == nullptr) {
    GTEST_SKIP() << "SmallCgroup: no control group for memory can be made here";
  }
  std::optional<DaemonProcess> daemon;
  {
    const MemoryCgroup::Visit inside = group->Enter();
    daemon.emplace();
  }
  ASSERT_TRUE(daemon->ready());
  for (const uid_t uid : {kClientUid, kOtherClientUid}) {
    ClientProcess client(uid, [&](ControlChannel& test) { TakeAll(test, daemon->socket_path()); });
    const std::string why = client.control().Receive().text;
    EXPECT_NE(why.find(std::to_string(kBytes)), std::string::npos) << why;
    EXPECT_NE(why.find(group->limit_file()), std::string::npos) << why;
    client.ExpectSuccess();
  }
  EXPECT_EQ(group->Killed(), 0u);
  daemon->Stop();
}

}  // namespace
}  // namespace sysmem::testing
