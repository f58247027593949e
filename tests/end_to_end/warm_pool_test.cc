// SPDX-License-Identifier: Apache-2.0
//
// The warm pool, as clients and the inspector see it. A pipe stands in for the kernel's word that
// memory is short.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/end_to_end/library_fixture.h"
#include "tests/support/eventually.h"
#include "tests/support/temp_dir.h"

namespace sysmem::testing {
namespace {

using Json = nlohmann::json;

constexpr uint32_t kBuffers = 5;
constexpr uint64_t kBytes = 256 << 10;  // worth keeping all five

class PressurePipe {
 public:
  PressurePipe() : path_(dir_.path() + "/pressure") {
    EXPECT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    EXPECT_EQ(::chmod(path_.c_str(), 0666), 0);  // the daemon has a uid of its own
  }
  std::string variable() const { return "MEMORY_PRESSURE_WATCH=" + path_; }
  void Tell() const {
    const base::UniqueFd fd(::open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    EXPECT_EQ(::write(fd.get(), "stalled\n", 8), 8);
  }

 private:
  TempDir dir_;
  std::string path_;
};

class WarmPool : public PressurePipe, public LibraryTest {
 protected:
  WarmPool() : LibraryTest({.environment = {variable()}}) {}

  struct Counter {
    uint64_t value = 0;
    std::string description;
  };
  Counter Ask(const std::string& name) {
    auto status = client().Inspect("GetStatus");
    EXPECT_TRUE(status.ok());
    if (!status.ok()) return {};
    const Json parsed = Json::parse(*status);
    for (const Json& counter : parsed["counters"]) {
      if (counter.value("name", "") != name) continue;
      return {std::stoull(counter.value("value", "0")), counter.value("description", "")};
    }
    ADD_FAILURE() << "no counter " << name;
    return {};
  }
  bool AwaitASet() {
    return Eventually([&] { return Ask("warm_pool_buffers").value >= kBuffers; });
  }

  static sysmem::Buffers Allocate(sysmem::Client& client) {
    auto collection = client.CreateNonSharedCollection();
    EXPECT_TRUE(collection.ok());
    EXPECT_TRUE(collection->SetConstraints(WriterNeeds(kBuffers, kBytes)).ok());
    auto buffers = collection->Wait(Patience());
    EXPECT_TRUE(buffers.ok()) << buffers.failure().text;
    EXPECT_TRUE(collection->Release().ok());
    return *std::move(buffers);
  }
};

TEST_F(WarmPool, KeepsWhatWasWantedGivesItBackUnderPressureAndSaysSo) {
  { const sysmem::Buffers first = Allocate(client()); }
  ASSERT_TRUE(AwaitASet());
  EXPECT_EQ(Ask("warm_pool_hits").value, 0u);
  EXPECT_EQ(Ask("warm_pool_misses").value, kBuffers);
  { const sysmem::Buffers second = Allocate(client()); }
  EXPECT_GT(Ask("warm_pool_hits").value, 0u);
  ASSERT_TRUE(AwaitASet()) << "made again";
  EXPECT_EQ(Ask("warm_pool_resting").value, 0u);

  Tell();
  ASSERT_TRUE(Eventually([&] { return Ask("warm_pool_buffers").value == 0; }));
  const Counter resting = Ask("warm_pool_resting");
  EXPECT_EQ(resting.value, 1u);
  EXPECT_EQ(resting.description, "now; 1: it makes none, because of memory pressure");
  EXPECT_GE(Ask("warm_pool_given_back").value, kBuffers);
  { const sysmem::Buffers cold = Allocate(client()); }
  EXPECT_EQ(Ask("warm_pool_buffers").value, 0u);
}

// Every byte of a buffer, mapped for writing: what is there, then `canary`.
bool WasZero(const sysmem::Buffers& buffers, size_t index, std::byte canary) {
  auto mapping = buffers.Map(index, SYSMEM_ACCESS_READ | SYSMEM_ACCESS_WRITE);
  if (!mapping.ok()) return false;
  auto access = mapping->Access(SYSMEM_ACCESS_READ | SYSMEM_ACCESS_WRITE);
  if (!access.ok()) return false;
  const std::span<std::byte> bytes = mapping->bytes();
  const bool was_zero =
      std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
  std::fill(bytes.begin(), bytes.end(), canary);
  return was_zero;
}

TEST_F(WarmPool, NoByteOfOneClientReachesAnother) {
  constexpr int kRounds = 40;
  sysmem::Client other = Connect();
  std::set<std::string> seen;
  std::vector<sysmem::Buffers> kept;  // one of the two clients lets go of nothing for a while
  for (int round = 0; round < kRounds; ++round) {
    for (sysmem::Client* one : {&client(), &other}) {
      sysmem::Buffers buffers = Allocate(*one);
      ASSERT_EQ(buffers.count(), kBuffers);
      EXPECT_TRUE(seen.insert(NameMemory(buffers)).second) << "handed out before";
      const std::byte canary{static_cast<uint8_t>(1 + round % 255)};
      for (size_t i = 0; i < kBuffers; ++i) ASSERT_TRUE(WasZero(buffers, i, canary));
      if (one == &other) kept.push_back(std::move(buffers));
      if (kept.size() > 4) kept.erase(kept.begin());
    }
    if (round % 4 != 0) continue;
    ASSERT_TRUE(AwaitASet());
  }
  EXPECT_GT(Ask("warm_pool_hits").value, uint64_t{kRounds});
}

}  // namespace
}  // namespace sysmem::testing
