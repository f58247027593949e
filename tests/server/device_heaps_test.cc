// SPDX-License-Identifier: Apache-2.0
//
// Heaps of the kernel that come and go while the daemon runs.
//
// Method: a folder stands for /dev, and each file in it for a heap.
#include "server/device_heaps.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "heaps/dma_heap.h"
#include "server/heap_registry.h"
#include "tests/server/loop_runner.h"
#include "tests/support/temp_dir.h"

namespace sysmem::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A dma-heap as far as its name goes.
class NamedHeap : public heaps::Heap {
 public:
  explicit NamedHeap(const std::string& name)
      : properties_{.heap = {.type = heaps::DmaHeapType(name)}, .cpu_domain = true} {}
  const core::HeapProperties& properties() const override { return properties_; }
  absl::StatusOr<std::unique_ptr<heaps::Buffer>> Allocate(const heaps::AllocateRequest&) override {
    return absl::UnimplementedError("never asked");
  }

 private:
  const core::HeapProperties properties_;
};

class DeviceHeapsTest : public ::testing::Test {
 protected:
  DeviceHeapsTest() {
    places_.dma_heaps = dir_.path() + "/dma_heap";
    places_.udmabuf = dir_.path() + "/udmabuf";
    std::filesystem::create_directory(places_.dma_heaps);
    registry_.SetOnChange([this](const std::vector<core::Heap>& lost) {
      EXPECT_THAT(lost, IsEmpty()) << "buffers of the kernel outlive a node";
      ++announced_;
    });
  }

  std::string NodeOf(const std::string& name) const { return places_.dma_heaps + "/" + name; }
  void Make(const std::string& name) const { std::ofstream(NodeOf(name)) << "node"; }
  void Allow(const std::string& name, mode_t mode) const {
    ASSERT_EQ(::chmod(NodeOf(name).c_str(), mode), 0);
  }

  // A node that nobody may read stands for a heap that cannot be used.
  std::vector<heaps::FoundHeap> Discover() const {
    std::vector<heaps::FoundHeap> found;
    for (const auto& entry : std::filesystem::directory_iterator(places_.dma_heaps)) {
      struct stat status {};
      if (::stat(entry.path().c_str(), &status) != 0) continue;
      heaps::FoundHeap one;
      auto heap = std::make_shared<NamedHeap>(entry.path().filename().string());
      one.properties = heap->properties();
      one.node = {entry.path().string(), status.st_dev, status.st_ino, status.st_rdev};
      if ((status.st_mode & S_IRUSR) == 0) {
        one.why_unusable = "nobody may read it";
      } else {
        one.heap = std::move(heap);
      }
      found.push_back(std::move(one));
    }
    return found;
  }

  void Start() {
    DeviceHeaps::Options options;
    options.places = places_;
    options.discover = [this] { return Discover(); };
    options.found = [this](std::vector<heaps::FoundHeap> found) {
      ++looks_;
      registry_.SetDevices(std::move(found));
    };
    options.run_aside = [this](std::function<void()> look) {
      if (keep_) return kept_.push_back(std::move(look));
      look();
    };
    auto started = DeviceHeaps::Start(runner_.loop(), std::move(options));
    ASSERT_TRUE(started.ok()) << started.status();
    watching_ = *std::move(started);
    registry_.SetDevices(Discover());
    announced_ = 0;
  }
  std::vector<std::string> Types() const {
    std::vector<std::string> types;
    for (const auto& heap : registry_.settings()->heaps) types.push_back(heap.heap.type);
    return types;
  }

  testing::TempDir dir_;
  heaps::DevicePlaces places_;
  HeapRegistry registry_{core::Settings{}, {std::make_shared<NamedHeap>("own")}};
  const core::Heap system_{.type = heaps::DmaHeapType("system")};
  LoopRunner runner_;
  bool keep_ = false;
  std::vector<std::function<void()>> kept_;
  int looks_ = 0;
  int announced_ = 0;
  std::unique_ptr<DeviceHeaps> watching_;
};

TEST_F(DeviceHeapsTest, ComeAndGoWithTheirNodes) {
  Start();
  Make("system");
  runner_.RunUntil([&] { return Types().size() == 2; });
  EXPECT_THAT(Types(), ElementsAre(heaps::DmaHeapType("own"), system_.type));
  EXPECT_TRUE(registry_.Find(system_));
  EXPECT_TRUE(registry_.IsOwn(system_));
  EXPECT_EQ(registry_.Entries().at(1).backing, NodeOf("system"));
  std::filesystem::remove(NodeOf("system"));
  runner_.RunUntil([&] { return Types().size() == 1; });
  EXPECT_FALSE(registry_.Find(system_));
  EXPECT_EQ(announced_, 2);
}

TEST_F(DeviceHeapsTest, AreToldOfWithTheReasonOnceTheyCannotBeUsed) {
  Make("system");
  Start();
  Allow("system", 0000);
  runner_.RunUntil([&] { return Types().size() == 1; });
  ASSERT_EQ(registry_.Unusable().size(), 1u);
  EXPECT_EQ(registry_.Unusable()[0].why_unusable, "nobody may read it");
  Allow("system", 0600);
  runner_.RunUntil([&] { return Types().size() == 2; });
  EXPECT_THAT(registry_.Unusable(), IsEmpty());
}

TEST_F(DeviceHeapsTest, StayTheHeapsTheyWereWhenNothingBecameOfThem) {
  Make("system");
  Start();
  const auto before = registry_.Find(system_);
  Allow("system", 0640);
  runner_.RunUntil([&] { return looks_ > 0; });
  EXPECT_EQ(registry_.Find(system_), before);
  EXPECT_EQ(announced_, 0) << "there is nothing to tell collections";
}

TEST_F(DeviceHeapsTest, AreOtherHeapsWhenAnotherNodeTakesTheirPlace) {
  Make("system");
  Start();
  const auto before = registry_.Find(system_);
  Make("other");
  std::filesystem::rename(NodeOf("other"), NodeOf("system"));
  runner_.RunUntil([&] { return registry_.Find(system_) != before; });
  EXPECT_TRUE(registry_.Find(system_));
}

TEST_F(DeviceHeapsTest, DoNotDisplaceAProviderOfTheSameName) {
  Start();
  const auto provided = std::make_shared<NamedHeap>("system");
  ASSERT_TRUE(registry_.Add({provided, "provider pid 4711"}));
  Make("system");
  runner_.RunUntil([&] { return !registry_.Unusable().empty(); });
  EXPECT_EQ(registry_.Find(system_), provided);
  EXPECT_THAT(registry_.Unusable()[0].why_unusable, HasSubstr("provider pid 4711"));
}

TEST_F(DeviceHeapsTest, AreLookedForByOneAtATimeAndOnceMoreAfterAChangeMeanwhile) {
  keep_ = true;
  Start();
  Make("one");
  runner_.RunUntil([&] { return !kept_.empty(); });
  Make("two");
  runner_.RunRounds(3);
  ASSERT_EQ(kept_.size(), 1u) << "a look is under way";
  kept_[0]();
  EXPECT_EQ(Types().size(), 3u);
  Make("three");
  runner_.RunUntil([&] { return kept_.size() == 2; });
}

}  // namespace
}  // namespace sysmem::server
