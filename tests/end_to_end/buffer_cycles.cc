// SPDX-License-Identifier: Apache-2.0
#include "tests/end_to_end/buffer_cycles.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <deque>
#include <filesystem>
#include <string>
#include <utility>

#include "base/seqpacket.h"
#include "base/unix_socket.h"
#include "tests/end_to_end/buffer_owner.h"
#include "tests/end_to_end/observer.h"
#include "tests/end_to_end/participants.h"
#include "tests/support/holding.h"

namespace sysmem::testing {
namespace {

constexpr size_t kOnTheWay = 32;
constexpr int kFirstCycles = 500;  // what is made on first use is there then
constexpr size_t kBytes = 4096;
// What allocators may keep more of; one forgotten KiB a cycle is twice as much after 100,000.
constexpr uint64_t kGrowthTolerance = 48 << 20;

// The first or the last processor that this process may use.
enum class Processor { kFirst, kLast };
cpu_set_t Only(Processor which) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  EXPECT_EQ(::sched_getaffinity(0, sizeof(allowed), &allowed), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  for (size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (which == Processor::kFirst) break;
  }
  return one;
}

// Every thread of it; those that they start later stay there, too.
void KeepOn(Processor which, const Process& process) {
  const cpu_set_t one = Only(which);
  const std::string tasks = "/proc/" + std::to_string(process.pid()) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    const pid_t thread = std::stoi(task.path().filename());
    EXPECT_EQ(::sched_setaffinity(thread, sizeof(one), &one), 0) << std::strerror(errno);
  }
}

// Gives each buffer away and lets go of it; the tracking ends tell when the other has, too.
void Make(ControlChannel& test, const std::string& path, int cycles) {
  const base::UniqueFd to_user = test.Expect("socket").TakeDescriptor();
  sysmem::Client client = ConnectOrDie(path);
  std::deque<base::UniqueFd> ends;
  const auto await_oldest = [&](int cycle) {
    ASSERT_TRUE(HangsUp(ends.front())) << "up to " << ends.size() << " before cycle " << cycle;
    ends.pop_front();
  };
  for (int cycle = 0; cycle < cycles; ++cycle) {
    if (cycle % 100 == 0) test.Send("going on");
    std::array<int, 2> pipe{-1, -1};
    ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    ends.emplace_back(pipe[0]);
    auto collection = client.CreateNonSharedCollection();
    SYSMEM_ASSERT_OK(collection);
    SYSMEM_EXPECT_OK(collection->AttachLifetimeTracking(sysmem::UniqueFd(pipe[1]), 0));
    SYSMEM_EXPECT_OK(collection->SetConstraints(WriterNeeds(1, kBytes)));
    {
      auto buffers = collection->Wait(Patience());
      SYSMEM_ASSERT_OK(buffers);
      SendAway(base::Dup(base::BorrowedFd((*buffers)[0].fd)), to_user);
    }
    collection->Close();
    SYSMEM_EXPECT_OK(client.Flush());
    if (ends.size() == kOnTheWay) await_oldest(cycle);
    if (::testing::Test::HasFailure()) return;
  }
  while (!ends.empty() && !::testing::Test::HasFailure()) await_oldest(cycles);
  test.Send("done");
}

// Writes to each; every other one is let go by its descriptor first, and by its mapping then.
void Use(const base::UniqueFd& from_maker) {
  const cpu_set_t one = Only(Processor::kLast);
  EXPECT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0) << std::strerror(errno);
  const sched_param none{};
  EXPECT_EQ(::sched_setscheduler(0, SCHED_IDLE, &none), 0) << std::strerror(errno);
  for (bool descriptor_first = false;; descriptor_first = !descriptor_first) {
    ASSERT_TRUE(AwaitReadable(from_maker.get()));
    std::array<std::byte, 1> body;
    auto received = base::Receive(from_maker, body);
    ASSERT_TRUE(received.ok()) << received.status();
    if (received->outcome != base::ReceiveOutcome::kMessage) return;
    ASSERT_EQ(received->descriptors.size(), 1u);
    base::UniqueFd buffer = std::move(received->descriptors[0]);
    void* const memory = ::mmap(nullptr, kBytes, PROT_WRITE, MAP_SHARED, buffer.get(), 0);
    ASSERT_NE(memory, MAP_FAILED);
    std::memset(memory, 1, kBytes);
    if (descriptor_first) buffer.reset();
    ::munmap(memory, kBytes);
  }
}

void Live(DaemonProcess& daemon, int cycles) {
  auto [makers, users] = SocketPair();
  ClientProcess maker(kClientUid,
                      [&](ControlChannel& test) { Make(test, daemon.socket_path(), cycles); });
  ClientProcess user(kOtherClientUid,
                     [](ControlChannel& test) { Use(test.Expect("socket").TakeDescriptor()); });
  user.control().Send("socket", std::move(users));
  maker.control().Send("socket", std::move(makers));
  while (maker.control().Receive().text == "going on") continue;
  maker.ExpectSuccess();
  user.ExpectSuccess();
}

}  // namespace

void ExpectNoEndMissed(int cycles) {
  DaemonProcess daemon;
  ASSERT_TRUE(daemon.ready());
  KeepOn(Processor::kFirst, daemon.process());
  Observer observer(daemon);
  Live(daemon, kFirstCycles);
  observer.TakeBaseline();
  const uint64_t watches = daemon.process().InotifyWatchCount();
  const uint64_t resident = daemon.process().ResidentBytes();
  Live(daemon, cycles);
  observer.ExpectBackToBaseline();
  EXPECT_EQ(daemon.process().InotifyWatchCount(), watches);
  EXPECT_LT(daemon.process().ResidentBytes(), resident + kGrowthTolerance);
}

}  // namespace sysmem::testing
