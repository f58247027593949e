// SPDX-License-Identifier: Apache-2.0
//
// Method: folders of ordinary files, which inotify does not tell from devices.
#include "heaps/device_watch.h"

#include <poll.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace sysmem::heaps {
namespace {

class DeviceWatchTest : public ::testing::Test {
 protected:
  DeviceWatchTest() {
    places_.dma_heaps = dir_.path() + "/dma_heap";
    places_.udmabuf = dir_.path() + "/udmabuf";
  }
  void Start() {
    auto watch = DeviceWatch::Start(places_);
    ASSERT_TRUE(watch.ok()) << watch.status();
    watch_ = *std::move(watch);
  }
  bool IsReadable() const {
    pollfd asked{.fd = watch_->fd().get(), .events = POLLIN, .revents = 0};
    return ::poll(&asked, 1, 0) == 1;
  }
  static void Make(const std::string& path) { std::ofstream(path) << "node"; }

  sysmem::testing::TempDir dir_;
  DevicePlaces places_;
  std::unique_ptr<DeviceWatch> watch_;
};

TEST_F(DeviceWatchTest, IsSilentUntilSomethingHappens) {
  Start();
  EXPECT_FALSE(IsReadable());
  EXPECT_FALSE(watch_->Changed());
}

TEST_F(DeviceWatchTest, TellsThatUdmabufHasComeChangedAndGone) {
  Start();
  Make(places_.udmabuf);
  EXPECT_TRUE(IsReadable());
  EXPECT_TRUE(watch_->Changed());
  EXPECT_FALSE(IsReadable());
  ASSERT_EQ(::chmod(places_.udmabuf.c_str(), 0600), 0);
  EXPECT_TRUE(watch_->Changed());
  std::filesystem::remove(places_.udmabuf);
  EXPECT_TRUE(watch_->Changed());
}

TEST_F(DeviceWatchTest, TellsThatADmaHeapHasComeChangedAndGone) {
  std::filesystem::create_directory(places_.dma_heaps);
  Start();
  Make(places_.dma_heaps + "/system");
  EXPECT_TRUE(watch_->Changed());
  ASSERT_EQ(::chmod((places_.dma_heaps + "/system").c_str(), 0600), 0);
  EXPECT_TRUE(watch_->Changed());
  std::filesystem::remove(places_.dma_heaps + "/system");
  EXPECT_TRUE(watch_->Changed());
}

TEST_F(DeviceWatchTest, WatchesTheFolderOfHeapsFromWhenItComes) {
  Start();
  for (int turn = 0; turn < 2; ++turn) {
    std::filesystem::create_directory(places_.dma_heaps);
    EXPECT_TRUE(watch_->Changed());
    Make(places_.dma_heaps + "/system");
    EXPECT_TRUE(watch_->Changed());
    std::filesystem::remove_all(places_.dma_heaps);
    EXPECT_TRUE(watch_->Changed());
  }
}

TEST_F(DeviceWatchTest, IsNotMovedByOtherDevices) {
  Start();
  Make(dir_.path() + "/ttyS0");
  EXPECT_TRUE(IsReadable());
  EXPECT_FALSE(watch_->Changed());
  EXPECT_FALSE(IsReadable());
}

TEST_F(DeviceWatchTest, SaysWhichFolderIsNotThere) {
  places_.udmabuf = dir_.path() + "/nowhere/udmabuf";
  const absl::Status refused = DeviceWatch::Start(places_).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(refused.message().find(dir_.path() + "/nowhere"), absl::string_view::npos);
}

}  // namespace
}  // namespace sysmem::heaps
