// SPDX-License-Identifier: Apache-2.0
//
// A camera for real: the kernel's virtual one (module vivid) puts its pictures straight into
// dma-bufs that the daemon negotiated between the camera, a program that analyses the pictures on
// the CPU, and one that shows them. Three processes; not one of them copies a pixel.
//
//   camera    takes stride and size from VIDIOC_S_FMT, never maps a buffer
//   analyser  maps them, for reading
//   display   never maps them; holds the picture that is shown until the next one is there
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/end_to_end/device_nodes.h"
#include "tests/end_to_end/participants.h"
#include "tests/end_to_end/v4l2_camera.h"
#include "tests/support/client_process.h"
#include "tests/support/daemon_process.h"
#include "tests/support/holding.h"
#include "tests/support/patience.h"

namespace sysmem::testing {
namespace {

constexpr uint32_t kWidth = 320;
constexpr uint32_t kHeight = 180;
constexpr uint32_t kFrames = 8;
// Two that the camera fills while one is analysed and one is shown.
constexpr uint32_t kBuffers = 4;

sysmem::ImageConstraints Nv12() {
  return {.pixel_format = SYSMEM_PIXEL_FORMAT_NV12,
          .color_spaces = {SYSMEM_COLOR_SPACE_REC601_NTSC}};
}

sysmem::Constraints CameraNeeds(const V4l2Camera::Format& format, const char* heap) {
  sysmem::ImageConstraints image = Nv12();
  image.min_size = sysmem::Size{format.width, format.height};
  image.max_size = image.min_size;
  image.min_bytes_per_row = format.bytes_per_row;
  image.max_bytes_per_row = format.bytes_per_row;
  sysmem::MemoryConstraints memory{.min_size_bytes = format.size_bytes,
                                   .cpu_domain_supported = true,
                                   .ram_domain_supported = true};
  memory.permitted_heaps = {{sysmem::HeapChoice{.heap_type = heap, .id = std::nullopt}}};
  return {.usage = sysmem::Usage{.video = SYSMEM_VIDEO_USAGE_CAPTURE},
          .min_buffer_count_for_camping = kBuffers - 2,
          .memory = std::move(memory),
          .image_formats = {std::move(image)}};
}

sysmem::Constraints AnalyserNeeds() {
  return {.usage = sysmem::Usage{.cpu = SYSMEM_CPU_USAGE_READ},
          .min_buffer_count_for_camping = 1,
          .memory =
              sysmem::MemoryConstraints{.cpu_domain_supported = true, .ram_domain_supported = true},
          .image_formats = {Nv12()}};
}

sysmem::Constraints DisplayNeeds() {
  return {.usage = sysmem::Usage{.display = SYSMEM_DISPLAY_USAGE_LAYER},
          .min_buffer_count_for_camping = 1,
          .image_formats = {Nv12()}};
}

// Whether this process has a dma-buf in its address space.
bool MapsADmaBuf() {
  std::ifstream maps("/proc/self/maps");
  std::stringstream text;
  text << maps.rdbuf();
  return text.str().find("/dmabuf:") != std::string::npos;
}

uint64_t HashOf(const uint8_t* bytes, size_t count) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (size_t i = 0; i < count; ++i) hash = (hash ^ bytes[i]) * 1099511628211u;
  return hash;
}

// A word between the processes: what it is, and the number of a buffer.
std::pair<std::string, uint32_t> Receive(ControlChannel& link) {
  std::istringstream text(link.Receive().text);
  std::pair<std::string, uint32_t> word;
  text >> word.first >> word.second;
  return word;
}
void Send(ControlChannel& link, const std::string& what, uint32_t buffer) {
  link.Send(what + " " + std::to_string(buffer));
}

// Takes part with the token that comes over the link, in a process that `test` talks to.
std::optional<sysmem::Joined> Join(sysmem::Client& client, ControlChannel& link,
                                   const sysmem::Constraints& needs) {
  auto joined = client.Join(ForLibrary(link.Expect("token").TakeDescriptor()), needs, Patience());
  EXPECT_TRUE(joined.ok()) << joined.failure().text;
  if (!joined.ok()) return std::nullopt;
  return *std::move(joined);
}

void ExpectWhatTheCameraSaid(const sysmem::Buffers& buffers, const V4l2Camera::Format& format,
                             const char* heap) {
  ASSERT_EQ(buffers.count(), kBuffers);
  const sysmem::Settings& settings = buffers.settings();
  EXPECT_STREQ(settings.heap_type, heap);
  EXPECT_EQ(settings.coherency_domain, SYSMEM_COHERENCY_DOMAIN_RAM);
  EXPECT_GE(settings.size_bytes, format.size_bytes);
  auto layout = buffers.Layout(format.width, format.height);
  SYSMEM_ASSERT_OK(layout);
  EXPECT_EQ(layout->planes[0].bytes_per_row, format.bytes_per_row);
  EXPECT_EQ(layout->planes[1].offset, uint64_t{format.bytes_per_row} * format.height);
}

std::vector<int> DescriptorsOf(const sysmem::Buffers& buffers) {
  std::vector<int> descriptors;
  for (size_t i = 0; i < buffers.count(); ++i) descriptors.push_back(buffers[i].fd);
  return descriptors;
}

// The process of the camera.
void Capture(ControlChannel& test, const std::string& daemon, const std::string& node,
             const char* heap) {
  ControlChannel analyser(test.Expect("analyser").TakeDescriptor(), ControlChannel::Side::kChild);
  ControlChannel display(test.Expect("display").TakeDescriptor(), ControlChannel::Side::kChild);
  V4l2Camera camera(node);
  const V4l2Camera::Format format = camera.SetNv12(kWidth, kHeight);
  sysmem::Client client = ConnectOrDie(daemon);
  auto token = client.CreateToken();
  SYSMEM_ASSERT_OK(token);
  for (ControlChannel* link : {&analyser, &display}) {
    auto child = token->DuplicateExported();
    SYSMEM_ASSERT_OK(child);
    link->Send("token", FromLibrary(*std::move(child)));
  }
  auto joined = std::move(*token).Join(CameraNeeds(format, heap), Patience());
  SYSMEM_ASSERT_OK(joined);
  ExpectWhatTheCameraSaid(joined->buffers, format, heap);
  test.Send(NameMemory(joined->buffers));
  camera.Start(DescriptorsOf(joined->buffers));
  std::optional<uint32_t> last_sequence;
  for (uint32_t i = 0; i < kFrames; ++i) {
    const V4l2Camera::Frame frame = camera.Next();
    EXPECT_EQ(frame.bytes_used, format.size_bytes);
    EXPECT_TRUE(!last_sequence || frame.sequence > *last_sequence);
    last_sequence = frame.sequence;
    Send(analyser, "frame", frame.index);
    Send(display, "frame", frame.index);
    EXPECT_EQ(Receive(analyser), std::pair(std::string("seen"), frame.index));
    const auto [word, released] = Receive(display);
    if (word == "released") camera.Queue(released);
  }
  EXPECT_FALSE(MapsADmaBuf());
  Send(analyser, "end", 0);
  Send(display, "end", 0);
  test.Expect("leave");
}

// The process that looks at the pictures.
void Analyse(ControlChannel& test, const std::string& daemon) {
  ControlChannel camera(test.Expect("camera").TakeDescriptor(), ControlChannel::Side::kChild);
  sysmem::Client client = ConnectOrDie(daemon);
  auto joined = Join(client, camera, AnalyserNeeds());
  ASSERT_TRUE(joined);
  const sysmem::Buffers& buffers = joined->buffers;
  EXPECT_TRUE(buffers.settings().read_only);
  test.Send(NameMemory(buffers));
  auto layout = buffers.Layout(kWidth, kHeight);
  SYSMEM_ASSERT_OK(layout);
  std::vector<sysmem::Mapping> mappings;
  for (size_t i = 0; i < buffers.count(); ++i) {
    auto mapping = buffers.Map(i, SYSMEM_ACCESS_READ);
    SYSMEM_ASSERT_OK(mapping);
    mappings.push_back(*std::move(mapping));
  }
  std::vector<uint64_t> hashes;
  while (true) {
    const auto [word, index] = Receive(camera);
    if (word != "frame") break;
    {
      auto access = mappings[index].Access(SYSMEM_ACCESS_READ);
      SYSMEM_ASSERT_OK(access);
      const uint8_t* const luma = mappings[index].data();
      const size_t luma_bytes = size_t{layout->planes[0].bytes_per_row} * kHeight;
      hashes.push_back(HashOf(luma, luma_bytes));
      EXPECT_GT(std::set<uint8_t>(luma, luma + luma_bytes).size(), 4u) << "a picture has contrast";
      SYSMEM_EXPECT_OK(access->End());
    }
    Send(camera, "seen", index);
  }
  ASSERT_EQ(hashes.size(), kFrames);
  for (size_t i = 1; i < hashes.size(); ++i) EXPECT_NE(hashes[i], hashes[i - 1]) << "frame " << i;
  test.Expect("leave");
}

// The process that shows them. Nobody sees them: it does what a display does with their memory.
void Show(ControlChannel& test, const std::string& daemon) {
  ControlChannel camera(test.Expect("camera").TakeDescriptor(), ControlChannel::Side::kChild);
  sysmem::Client client = ConnectOrDie(daemon);
  auto joined = Join(client, camera, DisplayNeeds());
  ASSERT_TRUE(joined);
  test.Send(NameMemory(joined->buffers));
  std::optional<uint32_t> shown;
  while (true) {
    const auto [word, index] = Receive(camera);
    if (word != "frame") break;
    // Whoever writes into it by a device has finished: the fences of the dma-buf have signalled.
    pollfd written{.fd = joined->buffers[index].fd, .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&written, 1, std::chrono::milliseconds(kPatience).count()), 1);
    EXPECT_EQ(written.revents, POLLIN);
    const std::optional<uint32_t> before = std::exchange(shown, index);
    Send(camera, before ? "released" : "nothing", before.value_or(0));
  }
  EXPECT_FALSE(MapsADmaBuf());
  test.Expect("leave");
}

// One daemon for all tests: starting one is dear in the virtual machine.
class Camera : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (world_) return;
    auto world = std::make_unique<World>();
    SYSMEM_OPEN_NODE(world->nodes, kDmaHeapNode);
    SYSMEM_OPEN_NODE(world->nodes, kUdmabufNode);
    const std::optional<std::string> found = V4l2Camera::Find("vivid");
    if (!found) {
      GTEST_SKIP() << ::testing::UnitTest::GetInstance()->current_test_info()->name()
                   << ": the kernel's module vivid is not loaded";
    }
    SYSMEM_OPEN_NODE(world->nodes, *found);
    world->camera = *found;
    world->daemon = std::make_unique<DaemonProcess>();
    ASSERT_TRUE(world->daemon->ready());
    world_ = std::move(world);
  }
  static void TearDownTestSuite() { world_.reset(); }

  static const char* heap() { return GetParam(); }
  static const std::string& node() { return world_->camera; }
  static const std::string& socket_path() { return world_->daemon->socket_path(); }

 private:
  struct World {
    NodesForEverybody nodes;
    std::string camera;
    std::unique_ptr<DaemonProcess> daemon;
  };
  inline static std::unique_ptr<World> world_;
};

INSTANTIATE_TEST_SUITE_P(, Camera, ::testing::Values(kDmaHeapSystem, kUdmabuf),
                         [](const auto& tried) {
                           return std::string(tried.param == kUdmabuf ? "Udmabuf" : "DmaHeap");
                         });

TEST_P(Camera, FillsNegotiatedBuffersThatOthersLookAtWithoutACopy) {
  ClientProcess camera(kClientUid,
                       [&](ControlChannel& test) { Capture(test, socket_path(), node(), heap()); });
  ClientProcess analyser(kOtherClientUid,
                         [&](ControlChannel& test) { Analyse(test, socket_path()); });
  ClientProcess display(kOtherClientUid, [&](ControlChannel& test) { Show(test, socket_path()); });
  for (const auto& [name, process] :
       {std::pair<const char*, ClientProcess*>("analyser", &analyser), {"display", &display}}) {
    auto [ours, theirs] = SocketPair();
    camera.control().Send(name, std::move(ours));
    process->control().Send("camera", std::move(theirs));
  }
  const std::string memory = camera.control().Receive().text;
  EXPECT_EQ(analyser.control().Receive().text, memory);
  EXPECT_EQ(display.control().Receive().text, memory);
  for (ClientProcess* process : {&camera, &analyser, &display}) {
    process->control().Send("leave");
    process->ExpectSuccess();
  }
}

// Method: two collections lose all their descriptors at the same time; one is in the camera's
// queue.
TEST_P(Camera, HoldsWhatItHasImported) {
  ClientProcess process(kClientUid, [&](ControlChannel&) {
    V4l2Camera camera(node());
    const V4l2Camera::Format format = camera.SetNv12(kWidth, kHeight);
    sysmem::Client client = ConnectOrDie(socket_path());
    std::optional<sysmem::Tracking> queued;
    std::optional<sysmem::Tracking> free;
    for (std::optional<sysmem::Tracking>* end : {&queued, &free}) {
      auto collection = client.CreateNonSharedCollection();
      SYSMEM_ASSERT_OK(collection);
      sysmem::Constraints needs = CameraNeeds(format, heap());
      needs.min_buffer_count = kBuffers;
      SYSMEM_EXPECT_OK(collection->SetConstraints(needs));
      auto buffers = collection->Wait(Patience());
      SYSMEM_ASSERT_OK(buffers);
      auto tracking = collection->TrackLifetime();
      SYSMEM_ASSERT_OK(tracking);
      *end = *std::move(tracking);
      if (end == &queued) camera.Start(DescriptorsOf(*buffers));
      SYSMEM_EXPECT_OK(collection->Release());
    }
    SYSMEM_EXPECT_OK(free->Await(Patience()));
    EXPECT_FALSE(queued->IsOver());
    camera.Stop();
    SYSMEM_EXPECT_OK(queued->Await(Patience()));
  });
  process.ExpectSuccess();
}

}  // namespace
}  // namespace sysmem::testing
