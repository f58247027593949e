// SPDX-License-Identifier: Apache-2.0
#include "tests/end_to_end/idle_daemon.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "tests/end_to_end/participants.h"
#include "tests/support/client_process.h"
#include "tests/support/daemon_process.h"
#include "tests/support/eventually.h"
#include "tests/support/sanitizers.h"
#include "tests/support/users.h"

namespace sysmem::testing {
namespace {

constexpr uint64_t kBuffers = 10'000;
constexpr uint32_t kBuffersOfACollection = 125;
constexpr uint64_t kBytes = 4096;
constexpr uint64_t kMoreSwitches = 10;

// Half of a daemon's descriptors are for buffers, and one user gets half of those.
rlim_t DescriptorsNeeded() { return kBuffers * (IsRoot() ? 2 : 4); }

rlim_t DescriptorsToBeHad() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : 0;
}

uint64_t ReadNumber(const std::string& path) {
  uint64_t number = 0;
  std::ifstream(path) >> number;
  return number;
}

// Context switches of a process so far.
struct Switches {
  uint64_t all = 0;
  uint64_t own = 0;  // of threads that are not gRPC's
};
std::ostream& operator<<(std::ostream& out, const Switches& switches) {
  return out << switches.all << " switches, " << switches.own << " of own threads";
}
Switches operator-(const Switches& a, const Switches& b) {
  return {.all = a.all - b.all, .own = a.own - b.own};
}

Switches Count(const Process& process) {
  Switches sum;
  const std::string tasks = "/proc/" + std::to_string(process.pid()) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    std::ifstream status(task.path() / "status");
    bool own = false;
    for (std::string word; status >> word;) {
      std::string value;
      if (word == "Name:") {
        status >> value;
        own = value.starts_with("sysmemd");
      } else if (word.ends_with("voluntary_ctxt_switches:")) {
        status >> value;
        sum.all += std::stoull(value);
        if (own) sum.own += std::stoull(value);
      }
    }
  }
  return sum;
}

Switches Over(std::chrono::seconds time, const Process& process) {
  const Switches before = Count(process);
  std::this_thread::sleep_for(time);  // nothing is to happen
  return Count(process) - before;
}

// Half of them. Keeps them as mappings, for which a process needs no descriptors.
void KeepMany(ControlChannel& test, const std::string& path) {
  sysmem::Client client = ConnectOrDie(path);
  test.Send("here");
  test.ReceiveOneDay();
  for (uint64_t made = 0; made < kBuffers / 2; made += kBuffersOfACollection) {
    auto collection = client.CreateNonSharedCollection();
    SYSMEM_ASSERT_OK(collection);
    SYSMEM_EXPECT_OK(collection->SetConstraints(WriterNeeds(kBuffersOfACollection, kBytes)));
    auto buffers = collection->Wait(Patience());
    SYSMEM_ASSERT_OK(buffers);
    ASSERT_EQ(buffers->count(), kBuffersOfACollection);
    for (size_t i = 0; i < buffers->count(); ++i) {
      ASSERT_NE(::mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, (*buffers)[i].fd, 0), MAP_FAILED);
    }
  }
  SYSMEM_EXPECT_OK(client.Roundtrip(Patience()));
  test.Send("allocated");
  test.ReceiveOneDay();
}

}  // namespace

void ExpectIdleWithManyBuffers(std::chrono::seconds time, int tries) {
  if (DescriptorsToBeHad() < DescriptorsNeeded()) {
    GTEST_SKIP() << "RLIMIT_NOFILE cannot be raised to " << DescriptorsNeeded();
  }
  const char kWatches[] = "/proc/sys/fs/inotify/max_user_watches";
  if (ReadNumber(kWatches) < kBuffers) GTEST_SKIP() << kWatches << " is below " << kBuffers;
  DaemonProcess daemon({.max_descriptors = DescriptorsNeeded()});
  ASSERT_TRUE(daemon.ready());
  std::vector<ClientProcess> keepers;
  for (const uid_t uid : {kClientUid, kOtherClientUid}) {
    keepers.emplace_back(uid, [&](ControlChannel& test) { KeepMany(test, daemon.socket_path()); });
    keepers.back().control().Expect("here");
  }
  // Of the folder in which the kernel's heaps come and go, where it is there.
  const uint64_t others = daemon.process().InotifyWatchCount();
  const Switches without = Over(time, daemon.process());
  for (ClientProcess& keeper : keepers) {
    keeper.control().Send("allocate");
    keeper.control().Expect("allocated");
  }
  EXPECT_TRUE(Eventually([&] { return daemon.process().InotifyWatchCount() == others + kBuffers; }))
      << daemon.process().InotifyWatchCount() << " watches, " << others << " of no buffer";
  Switches with;
  for (int i = 0; i < tries; ++i) {
    with = Over(time, daemon.process());
    if ((with.own == 0 || kThreadSanitizer) && with.all <= without.all + kMoreSwitches) break;
  }
  // ThreadSanitizer has a thread of its own, under our name.
  if (!kThreadSanitizer) {
    EXPECT_EQ(with.own, 0u);
  }
  EXPECT_LE(with.all, without.all + kMoreSwitches);
  std::cout << "idle: " << time.count() << " s with " << kBuffers << " buffers: " << with
            << "; without: " << without << "\n";
  for (ClientProcess& keeper : keepers) {
    keeper.control().Send("end");
    keeper.ExpectSuccess();
  }
}

}  // namespace sysmem::testing
