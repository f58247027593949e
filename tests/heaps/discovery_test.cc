// SPDX-License-Identifier: Apache-2.0
//
// Method: machines that lack this or that are folders of ordinary files, in which a node is a link
// to a real one or a file that is none. What another user may do is tried in a child. The machine
// itself is asked last, where it has such heaps.
#include "heaps/discovery.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "heaps/dma_buf.h"
#include "heaps/dma_heap.h"
#include "tests/heaps/dma_nodes.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/users.h"

namespace sysmem::heaps {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DiscoveryTest : public ::testing::Test {
 protected:
  DiscoveryTest() {
    places_.dma_heaps = dir_.path() + "/dev/dma_heap";
    places_.dma_heap_class = dir_.path() + "/class/dma_heap";
    places_.udmabuf = dir_.path() + "/dev/udmabuf";
    places_.udmabuf_class = dir_.path() + "/class/misc/udmabuf";
    std::filesystem::create_directories(dir_.path() + "/dev");
    // Others of this test go in and look.
    for (const char* folder : {"", "/dev"}) {
      EXPECT_EQ(::chmod((dir_.path() + folder).c_str(), 0755), 0);
    }
  }
  std::vector<FoundHeap> Discover() { return DiscoverDeviceHeaps(gate_, places_); }
  static std::vector<std::string> TypesOf(const std::vector<FoundHeap>& found) {
    std::vector<std::string> types;
    for (const FoundHeap& one : found) types.push_back(one.properties.heap.type);
    return types;
  }
  static const FoundHeap& Find(const std::vector<FoundHeap>& found, const std::string& type) {
    const auto at = std::find_if(found.begin(), found.end(), [&](const FoundHeap& one) {
      return one.properties.heap.type == type;
    });
    if (at != found.end()) return *at;
    ADD_FAILURE() << "nothing is said of " << type;
    static const FoundHeap kNone;
    return kNone;
  }
  static void MakeFile(const std::string& path, mode_t mode, gid_t group) {
    std::ofstream(path) << "no device";
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    EXPECT_EQ(::chown(path.c_str(), 0, group), 0);
  }
  // What `sysmemd` under a user of its own would find, of one heap: why, and the remedy.
  std::string AsAnotherUser(const std::string& type) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      if (!sysmem::testing::BecomeUser(sysmem::testing::kDaemonUid)) ::_exit(1);
      const std::vector<FoundHeap> found = Discover();
      const FoundHeap& one = Find(found, type);
      const std::string text = (one.heap ? "usable" : one.why_unusable) + "; " + one.remedy;
      ::_exit(::write(ends[1], text.data(), text.size()) > 0 ? 0 : 1);
    }
    ::close(ends[1]);
    const std::string text = sysmem::testing::ReadAll(base::UniqueFd(ends[0]));
    EXPECT_EQ(::waitpid(child, nullptr, 0), child);
    return text;
  }

  sysmem::testing::TempDir dir_;
  DevicePlaces places_;
  ReservationGate gate_;
};

TEST_F(DiscoveryTest, SaysWhichKernelOptionIsMissing) {
  const std::vector<FoundHeap> found = Discover();
  ASSERT_THAT(TypesOf(found), ElementsAre(DmaHeapType("system"), kHeapUdmabuf));
  EXPECT_FALSE(found[0].heap || found[1].heap);
  EXPECT_THAT(found[0].why_unusable, HasSubstr("CONFIG_DMABUF_HEAPS_SYSTEM"));
  EXPECT_THAT(found[1].why_unusable, HasSubstr("CONFIG_UDMABUF"));
  EXPECT_EQ(found[1].remedy, "modprobe udmabuf");
}

TEST_F(DiscoveryTest, SaysWhenOnlyTheNodeIsMissing) {
  std::filesystem::create_directories(places_.dma_heap_class + "/reserved");
  std::filesystem::create_directories(places_.udmabuf_class);
  const std::vector<FoundHeap> found = Discover();
  ASSERT_THAT(TypesOf(found),
              ElementsAre(DmaHeapType("system"), DmaHeapType("reserved"), kHeapUdmabuf));
  EXPECT_EQ(found[1].why_unusable,
            "the kernel has this heap, but there is no " + places_.dma_heaps + "/reserved");
  EXPECT_EQ(found[2].why_unusable, "the kernel has udmabuf, but there is no " + places_.udmabuf);
  EXPECT_THAT(found[2].remedy, HasSubstr("container"));
}

TEST_F(DiscoveryTest, NamesTheGroupThatWouldHelp) {
  SYSMEM_NEEDS_SEVERAL_UIDS();
  MakeFile(places_.udmabuf, 0640, 54321);
  EXPECT_EQ(AsAnotherUser(kHeapUdmabuf),
            places_.udmabuf +
                " belongs to user root and group 54321 with mode 0640, which does not let this "
                "process read it; add the user of the daemon to the group 54321");
}

TEST_F(DiscoveryTest, NamesNoGroupWhereNoneHelps) {
  SYSMEM_NEEDS_SEVERAL_UIDS();
  std::filesystem::create_directories(places_.dma_heaps);
  MakeFile(places_.dma_heaps + "/system", 0600, 0);
  EXPECT_THAT(AsAnotherUser(DmaHeapType("system")),
              ::testing::AllOf(HasSubstr("mode 0600"), HasSubstr("udev rule")));
}

TEST_F(DiscoveryTest, TakesNothingForAHeapThatIsNone) {
  std::filesystem::create_directories(places_.dma_heaps);
  std::ofstream(places_.dma_heaps + "/system") << "no device";
  std::ofstream(places_.udmabuf) << "no device";
  for (const FoundHeap& one : Discover()) {
    EXPECT_FALSE(one.heap);
    EXPECT_THAT(one.why_unusable, HasSubstr("gives not even one page")) << one.why_unusable;
    EXPECT_THAT(one.why_unusable, HasSubstr("ENOTTY"));
  }
}

TEST_F(DiscoveryTest, SaysWhichHeapsTypeIsTaken) {
  SYSMEM_NEEDS_NODE(kDmaHeapSystem);
  std::filesystem::create_directories(places_.dma_heaps);
  for (const char* name : {"system", "a-b", "a_b"}) {
    std::filesystem::create_symlink(kDmaHeapSystem, places_.dma_heaps + "/" + name);
  }
  const std::vector<FoundHeap> found = Discover();
  ASSERT_THAT(TypesOf(found), ElementsAre(DmaHeapType("a_b"), DmaHeapType("a_b"),
                                          DmaHeapType("system"), kHeapUdmabuf));
  EXPECT_TRUE(found[0].heap);
  EXPECT_FALSE(found[1].heap);
  EXPECT_THAT(found[1].why_unusable, HasSubstr("another heap has the same name"));
}

TEST_F(DiscoveryTest, NamesTheLimitThatForbidsEveryUdmabuf) {
  SYSMEM_NEEDS_NODE(kUdmabuf);
  std::ofstream(dir_.path() + "/size_limit_mb") << "0\n";
  const std::vector<FoundHeap> found = DiscoverDeviceHeaps(gate_, {}, {.parameters = dir_.path()});
  EXPECT_THAT(Find(found, kHeapUdmabuf).why_unusable,
              HasSubstr("0 MiB (limit " + dir_.path() + "/size_limit_mb)"));
}

// --- This machine ---

TEST_F(DiscoveryTest, FindsTheHeapsOfTheKernel) {
  SYSMEM_NEEDS_NODE(kDmaHeapSystem);
  SYSMEM_NEEDS_NODE(kUdmabuf);
  const std::vector<FoundHeap> found = DiscoverDeviceHeaps(gate_);
  for (const std::string& type : {DmaHeapType("system"), std::string(kHeapUdmabuf)}) {
    const FoundHeap& one = Find(found, type);
    ASSERT_TRUE(one.heap) << one.why_unusable;
    EXPECT_EQ(one.properties, one.heap->properties());
    EXPECT_THAT(one.why_unusable, IsEmpty());
    auto buffer = one.heap->Allocate({.size_bytes = 4096, .name = "test:0"});
    ASSERT_TRUE(buffer.ok()) << buffer.status();
    EXPECT_TRUE(DmaBufReferences((*buffer)->HandOut(Access::kReadOnly)->fd));
  }
}

TEST_F(DiscoveryTest, MayUseANodeThatItMayOnlyRead) {
  SYSMEM_NEEDS_SEVERAL_UIDS();
  SYSMEM_NEEDS_NODE(kDmaHeapSystem);
  SYSMEM_NEEDS_NODE(kUdmabuf);
  places_ = {};
  for (const auto& [node, type] : {std::pair<const char*, std::string>(kUdmabuf, kHeapUdmabuf),
                                   {kDmaHeapSystem, DmaHeapType("system")}}) {
    struct stat before {};
    ASSERT_EQ(::stat(node, &before), 0);
    ASSERT_EQ(::chmod(node, 0640), 0);
    EXPECT_THAT(AsAnotherUser(type), HasSubstr("add the user of the daemon to the group root"));
    ASSERT_EQ(::chmod(node, 0644), 0);
    EXPECT_EQ(AsAnotherUser(type), "usable; ");
    ASSERT_EQ(::chmod(node, before.st_mode & 07777), 0);
  }
}

}  // namespace
}  // namespace sysmem::heaps
