// SPDX-License-Identifier: Apache-2.0
//
// Dma-bufs of a real daemon, shared by real processes. Needs the kernel's makers of dma-bufs, which
// few machines that build have: skipped there, by name, and run in the virtual machine.
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tests/end_to_end/device_nodes.h"
#include "tests/end_to_end/participants.h"
#include "tests/support/client_process.h"
#include "tests/support/daemon_process.h"
#include "tests/support/programs.h"

namespace sysmem::testing {
namespace {

constexpr uint64_t kBytes = 64 << 10;

sysmem::Constraints WriterOn(const char* heap) {
  sysmem::Constraints needs = WriterNeeds(2, kBytes);
  needs.memory->permitted_heaps = {{sysmem::HeapChoice{.heap_type = heap, .id = std::nullopt}}};
  return needs;
}

std::string HeapsAsTold(const DaemonProcess& daemon) {
  Ended ended = RunToEnd({.program = ProgramPath("sysmemctl"),
                          .arguments = {"--socket", daemon.socket_path(), "heaps"},
                          .environment = CleanEnvironment(),
                          .uid = As(kClientUid)});
  EXPECT_EQ(ended.exit_code, 0) << ended.output;
  return ended.output;
}

// One daemon for all tests: starting one is dear in the virtual machine.
class DeviceHeaps : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (world_) return;
    auto world = std::make_unique<World>();
    SYSMEM_OPEN_NODE(world->nodes, kDmaHeapNode);
    SYSMEM_OPEN_NODE(world->nodes, kUdmabufNode);
    world->daemon = std::make_unique<DaemonProcess>();
    ASSERT_TRUE(world->daemon->ready());
    world_ = std::move(world);
  }
  static void TearDownTestSuite() { world_.reset(); }

  static const char* heap() { return GetParam(); }
  static const DaemonProcess& daemon() { return *world_->daemon; }

 private:
  struct World {
    NodesForEverybody nodes;
    std::unique_ptr<DaemonProcess> daemon;
  };
  inline static std::unique_ptr<World> world_;
};

INSTANTIATE_TEST_SUITE_P(, DeviceHeaps, ::testing::Values(kDmaHeapSystem, kUdmabuf),
                         [](const auto& tried) {
                           return std::string(tried.param == kUdmabuf ? "Udmabuf" : "DmaHeap");
                         });

TEST_P(DeviceHeaps, AreListedAsUsable) {
  const std::string told = HeapsAsTold(daemon());
  const size_t at = told.find(heap());
  ASSERT_NE(at, std::string::npos) << told;
  const std::string line = told.substr(told.rfind('\n', at) + 1, at - told.rfind('\n', at) - 1);
  EXPECT_NE(line.find(" yes "), std::string::npos) << told;
  EXPECT_NE(line.find("cpu,ram,inaccessible"), std::string::npos) << told;
}

TEST_P(DeviceHeaps, LetTwoProcessesSeeEachOthersBytes) {
  ClientProcess writer(kClientUid, [&](ControlChannel& test) {
    sysmem::Client client = ConnectOrDie(daemon().socket_path());
    auto token = client.CreateToken();
    SYSMEM_ASSERT_OK(token);
    auto child = token->DuplicateExported();
    SYSMEM_ASSERT_OK(child);
    test.Send("token", FromLibrary(*std::move(child)));
    auto joined = std::move(*token).Join(WriterOn(heap()), Patience());
    SYSMEM_ASSERT_OK(joined);
    EXPECT_STREQ(joined->buffers.settings().heap_type, heap());
    EXPECT_TRUE(joined->buffers[0].is_dma_buf);
    WritePattern(joined->buffers, 0, 17);
    test.Send(NameMemory(joined->buffers));
    test.Expect("answered");
    EXPECT_TRUE(HasPattern(joined->buffers, 1, 71));
  });
  ClientProcess reader(kOtherClientUid, [&](ControlChannel& test) {
    sysmem::Client client = ConnectOrDie(daemon().socket_path());
    auto joined = client.Join(ForLibrary(test.Expect("token").TakeDescriptor()),
                              WriterNeeds(1, kBytes), Patience());
    SYSMEM_ASSERT_OK(joined);
    test.Send(NameMemory(joined->buffers));
    test.Expect("written");
    EXPECT_TRUE(HasPattern(joined->buffers, 0, 17));
    WritePattern(joined->buffers, 1, 71);
    test.Send("answered");
    test.Expect("leave");
  });
  reader.control().Send("token", writer.control().Expect("token").TakeDescriptor());
  EXPECT_EQ(reader.control().Receive().text, writer.control().Receive().text);
  reader.control().Send("written");
  reader.control().Expect("answered");
  writer.control().Send("answered");
  writer.ExpectSuccess();
  reader.control().Send("leave");
  reader.ExpectSuccess();
}

// Method: of two collections that their owner left at the same time, one is mapped by somebody. The
// daemon, who has to ask, sees the other one's end; then this one's, when the mapping goes.
TEST_P(DeviceHeaps, SeeTheEndOfABufferWhenItsLastHolderGoes) {
  ClientProcess holder(kOtherClientUid, [&](ControlChannel& test) {
    base::UniqueFd fd = test.Expect("buffer").TakeDescriptor();
    void* const memory = ::mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, fd.get(), 0);
    ASSERT_NE(memory, MAP_FAILED);
    fd.reset();
    test.Send("mapped");
    test.Expect("leave");
    ::munmap(memory, kBytes);
  });
  ClientProcess owner(kClientUid, [&](ControlChannel& test) {
    sysmem::Client client = ConnectOrDie(daemon().socket_path());
    std::optional<sysmem::Tracking> ends[2];
    for (int which = 0; which < 2; ++which) {
      auto collection = client.CreateNonSharedCollection();
      SYSMEM_ASSERT_OK(collection);
      SYSMEM_EXPECT_OK(collection->SetConstraints(WriterOn(heap())));
      auto buffers = collection->Wait(Patience());
      SYSMEM_ASSERT_OK(buffers);
      auto tracking = collection->TrackLifetime();
      SYSMEM_ASSERT_OK(tracking);
      ends[which] = *std::move(tracking);
      if (which == 0) {
        test.Send("buffer", FromLibrary(*buffers->DupFd(0)));
        test.Expect("mapped");
      }
      SYSMEM_EXPECT_OK(collection->Release());
    }
    SYSMEM_EXPECT_OK(ends[1]->Await(Patience()));
    EXPECT_FALSE(ends[0]->IsOver());
    test.Send("one is over");
    SYSMEM_EXPECT_OK(ends[0]->Await(Patience()));
  });
  holder.control().Send("buffer", owner.control().Expect("buffer").TakeDescriptor());
  holder.control().Expect("mapped");
  owner.control().Send("mapped");
  owner.control().Expect("one is over");
  holder.control().Send("leave");
  owner.ExpectSuccess();
  holder.ExpectSuccess();
}

TEST_P(DeviceHeaps, KnowADescriptorThatIsShownToThem) {
  ClientProcess owner(kClientUid, [&](ControlChannel&) {
    sysmem::Client client = ConnectOrDie(daemon().socket_path());
    auto collection = client.CreateNonSharedCollection();
    SYSMEM_ASSERT_OK(collection);
    SYSMEM_EXPECT_OK(collection->SetConstraints(WriterOn(heap())));
    auto buffers = collection->Wait(Patience());
    SYSMEM_ASSERT_OK(buffers);
    auto info = client.GetVmoInfo((*buffers)[1].fd, {.need_weak = true}, Patience());
    SYSMEM_ASSERT_OK(info);
    EXPECT_EQ(info->collection_id(), buffers->collection_id());
    EXPECT_EQ(info->buffer_index(), 1u);
    ASSERT_GE(info->weak_fd(), 0);
    auto of_weak = client.GetVmoInfo(info->weak_fd(), {}, Patience());
    SYSMEM_ASSERT_OK(of_weak);
    EXPECT_EQ(of_weak->collection_id(), buffers->collection_id());
    EXPECT_EQ(of_weak->buffer_index(), 1u);
    // Of a strong one there is nothing to say when it must be closed.
    auto of_strong = client.GetVmoInfo((*buffers)[0].fd, {}, Patience());
    SYSMEM_ASSERT_OK(of_strong);
    EXPECT_EQ(of_strong->close_weak_asap_fd(), -1);
  });
  owner.ExpectSuccess();
}

class UdmabufHolders : public DeviceHeaps {};
INSTANTIATE_TEST_SUITE_P(, UdmabufHolders, ::testing::Values(kUdmabuf),
                         [](const auto&) { return std::string("Udmabuf"); });

TEST_P(UdmabufHolders, WeakOnesAreToldWhenTheLastStrongOneHasGone) {
  ClientProcess participants(kClientUid, [&](ControlChannel&) {
    sysmem::Client client = ConnectOrDie(daemon().socket_path());
    auto token = client.CreateToken();
    SYSMEM_ASSERT_OK(token);
    auto weak_token = token->Duplicate();
    SYSMEM_ASSERT_OK(weak_token);
    SYSMEM_EXPECT_OK(weak_token->SetWeak());
    SYSMEM_EXPECT_OK(weak_token->SetWeakOk());
    auto strong = std::move(*token).Bind();
    auto weak = std::move(*weak_token).Bind();
    SYSMEM_ASSERT_OK(strong);
    SYSMEM_ASSERT_OK(weak);
    SYSMEM_EXPECT_OK(strong->SetConstraints(WriterOn(heap())));
    SYSMEM_EXPECT_OK(weak->SetConstraints(WriterNeeds(1, kBytes)));
    auto strong_buffers = strong->Wait(Patience());
    auto weak_buffers = weak->Wait(Patience());
    SYSMEM_ASSERT_OK(strong_buffers);
    SYSMEM_ASSERT_OK(weak_buffers);
    WritePattern(*strong_buffers, 0, 5);
    EXPECT_TRUE(HasPattern(*weak_buffers, 0, 5));
    auto gone = weak->TrackLifetime();
    SYSMEM_ASSERT_OK(gone);
    EXPECT_FALSE(weak_buffers->MustClose(0));
    SYSMEM_EXPECT_OK(strong->Release());
    strong->Close();
    strong_buffers = sysmem::Failure{};
    for (size_t i = 0; i < weak_buffers->count(); ++i) {
      SYSMEM_EXPECT_OK(sysmem::AwaitHangup((*weak_buffers)[i].close_weak_asap_fd, Patience()));
      EXPECT_TRUE(HasPattern(*weak_buffers, 0, 5)) << "it is there until it is closed";
    }
    EXPECT_FALSE(gone->IsOver());
    for (size_t i = 0; i < weak_buffers->count(); ++i) weak_buffers->Close(i);
    SYSMEM_EXPECT_OK(gone->Await(Patience()));
  });
  participants.ExpectSuccess();
}

// --- Without permission ---

TEST(DeviceHeapsWithoutPermission, AreListedWithTheGroupThatTheNodeBelongsTo) {
  SYSMEM_NEEDS_SEVERAL_UIDS();
  NodesForEverybody restored;  // with their modes, at the end
  SYSMEM_OPEN_NODE(restored, kUdmabufNode);
  ASSERT_EQ(::chmod(kUdmabufNode, 0660), 0);
  const DaemonProcess daemon;
  const std::string told = HeapsAsTold(daemon);
  EXPECT_NE(told.find("/dev/udmabuf belongs to user root and group root with mode 0660"),
            std::string::npos)
      << told;
  EXPECT_NE(told.find("add the user of the daemon to the group root"), std::string::npos) << told;
}

}  // namespace
}  // namespace sysmem::testing
