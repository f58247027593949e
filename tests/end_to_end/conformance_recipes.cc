// SPDX-License-Identifier: Apache-2.0
#include "tests/end_to_end/conformance_recipes.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "tests/support/patience.h"

namespace sysmem::testing {
namespace {

// The value; without it the test cannot go on.
template <typename T>
T Must(sysmem::Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.failure().text);
  return *std::move(result);
}

::testing::AssertionResult Instead(const sysmem::Failure* failure) {
  if (failure == nullptr) return ::testing::AssertionFailure() << "it went well";
  return ::testing::AssertionFailure() << failure->text;
}

bool HasHungUp(const base::UniqueFd& fd, int timeout_ms) {
  pollfd poller{fd.get(), 0, 0};
  return ::poll(&poller, 1, timeout_ms) == 1 && (poller.revents & POLLHUP) != 0;
}

sysmem::Constraints WithImage(sysmem::ImageConstraints image, ForCpu cpu) {
  const sysmem::Usage usage = cpu == ForCpu::kYes ? sysmem::Usage{.cpu = kCpuReadWrite}
                                                  : sysmem::Usage{.none = SYSMEM_NONE_USAGE};
  return {.usage = usage,
          .min_buffer_count_for_camping = 1,
          .memory = CpuOnly(kPage),
          .image_formats = {std::move(image)}};
}

sysmem::ImageConstraints Srgb(std::optional<bool> alpha) {
  sysmem::ImageConstraints image{.color_spaces = {SYSMEM_COLOR_SPACE_SRGB}};
  image.min_size = sysmem::Size{256, 256};
  image.is_alpha_present = alpha;
  return image;
}

void AddToList(sysmem::ImageConstraints& image, const Format& format) {
  image.pixel_format_and_modifiers.push_back({format.pixel_format, format.modifier.value()});
}

}  // namespace

sysmem::MemoryConstraints CpuOnly(uint64_t min_bytes, std::optional<uint64_t> max_bytes) {
  return {.min_size_bytes = min_bytes,
          .max_size_bytes = max_bytes,
          .physically_contiguous_required = false,
          .secure_required = false,
          .cpu_domain_supported = true,
          .ram_domain_supported = false,
          .inaccessible_domain_supported = false};
}

sysmem::Constraints Picky(uint64_t bytes) {
  return {.usage = sysmem::Usage{.cpu = kCpuReadWrite},
          .min_buffer_count_for_camping = 1,
          .memory = CpuOnly(bytes, bytes)};
}

sysmem::Constraints Camp(uint32_t count, std::optional<uint32_t> max_count) {
  return {.usage = sysmem::Usage{.cpu = kCpuReadWrite},
          .min_buffer_count_for_camping = count,
          .max_buffer_count = max_count,
          .memory = CpuOnly(kPage, kPage)};
}

sysmem::Constraints Empty() { return {}; }

sysmem::Constraints Heaps(const std::vector<std::string>& heap_types, bool cpu_and_ram,
                          bool inaccessible) {
  sysmem::MemoryConstraints memory{.min_size_bytes = kPage,
                                   .max_size_bytes = kPage,
                                   .physically_contiguous_required = false,
                                   .secure_required = false,
                                   .cpu_domain_supported = cpu_and_ram,
                                   .ram_domain_supported = cpu_and_ram,
                                   .inaccessible_domain_supported = inaccessible};
  for (const std::string& type : heap_types) {
    if (!memory.permitted_heaps) memory.permitted_heaps.emplace();
    memory.permitted_heaps->push_back({.heap_type = type, .id = 0});
  }
  return {.usage = sysmem::Usage{.display = SYSMEM_DISPLAY_USAGE_LAYER},
          .min_buffer_count = 1,
          .memory = memory};
}

sysmem::Constraints Formats(const std::vector<Format>& formats, ForCpu cpu,
                            std::optional<bool> alpha) {
  sysmem::ImageConstraints image = Srgb(alpha);
  image.pixel_format = formats.at(0).pixel_format;
  image.pixel_format_modifier = formats.at(0).modifier;
  for (size_t i = 1; i < formats.size(); ++i) AddToList(image, formats[i]);
  return WithImage(std::move(image), cpu);
}

sysmem::Constraints ListedFormats(const std::vector<Format>& formats, ForCpu cpu,
                                  std::optional<bool> alpha) {
  sysmem::ImageConstraints image = Srgb(alpha);
  for (const Format& format : formats) AddToList(image, format);
  return WithImage(std::move(image), cpu);
}

void OpenTail(sysmem::ImageConstraints& image) {
  image.max_size = sysmem::Size{kMax32, kMax32};
  image.max_bytes_per_row = kMax32;
  image.max_width_times_height = kMax32;
}

sysmem::ImageConstraints Image(uint32_t format, uint32_t color_space) {
  return {.pixel_format = format, .color_spaces = {color_space}};
}

sysmem::Constraints Nv12() {
  sysmem::ImageConstraints image = Image(SYSMEM_PIXEL_FORMAT_NV12, SYSMEM_COLOR_SPACE_REC709);
  image.min_size = sysmem::Size{256, 256};
  image.min_bytes_per_row = 256;
  OpenTail(image);
  image.size_alignment = sysmem::Size{2, 2};
  image.bytes_per_row_divisor = 2;
  image.start_offset_divisor = 2;
  image.display_rect_alignment = sysmem::Size{1, 1};
  return {.usage = sysmem::Usage{.cpu = kCpuReadWrite},
          .min_buffer_count_for_camping = 3,
          .memory = CpuOnly(65536, 131072),
          .image_formats = {image}};
}

bool IsZero(const sysmem::Buffers& buffers, size_t index) {
  std::vector<uint8_t> bytes(buffers.settings().raw_size_bytes, 0xff);
  const ssize_t size = ::pread(buffers[index].fd, bytes.data(), bytes.size(), 0);
  EXPECT_EQ(static_cast<size_t>(size), bytes.size());
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

::testing::AssertionResult HasSize(const sysmem::Result<sysmem::Buffers>& outcome, uint64_t bytes) {
  if (!outcome.ok()) return Instead(&outcome.failure());
  if (outcome->settings().size_bytes == bytes) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "buffers of " << outcome->settings().size_bytes;
}

::testing::AssertionResult IsIntersectionEmpty(const sysmem::Failure* failure) {
  if (failure != nullptr && failure->status == sysmem::Status::kError &&
      failure->error == sysmem::Error::kConstraintsIntersectionEmpty) {
    return ::testing::AssertionSuccess();
  }
  return Instead(failure);
}

::testing::AssertionResult IsClosed(const sysmem::Failure* failure) {
  if (failure != nullptr && failure->status == sysmem::Status::kClosed) {
    return ::testing::AssertionSuccess();
  }
  return Instead(failure);
}

::testing::AssertionResult IsClosedOrIntersectionEmpty(const sysmem::Failure* failure) {
  return IsClosed(failure) ? ::testing::AssertionSuccess() : IsIntersectionEmpty(failure);
}

TrackedEnd::TrackedEnd() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  read_.reset(ends[0]);
  write_.reset(ends[1]);
}

bool TrackedEnd::HasSignalled() const { return HasHungUp(read_, 0); }

bool TrackedEnd::Signals() const {
  using std::chrono::milliseconds;
  return HasHungUp(read_, static_cast<int>(milliseconds(kPatience).count()));
}

sysmem::Token Conformance::Root() {
  sysmem::Token token = Must(client().CreateToken());
  SYSMEM_EXPECT_OK(token.Sync());
  return token;
}

sysmem::Token Conformance::Dup(sysmem::Token& parent) {
  sysmem::Token token = Must(parent.Duplicate());
  SYSMEM_EXPECT_OK(token.Sync());
  return token;
}

sysmem::Group Conformance::GroupBelow(sysmem::Token& parent) {
  sysmem::Group group = Must(parent.CreateGroup());
  SYSMEM_EXPECT_OK(group.Sync());
  return group;
}

sysmem::Token Conformance::ChildOf(sysmem::Group& group) {
  sysmem::Token token = Must(group.CreateChild());
  SYSMEM_EXPECT_OK(token.Sync());
  return token;
}

sysmem::Collection Conformance::Bind(sysmem::Token token) {
  return Must(other().BindToken(Must(std::move(token).Export())));
}

sysmem::Client& Conformance::other() {
  if (!other_) other_.emplace(Connect());
  return *other_;
}

// The daemon closes what clients sent in the order in which it is done with it: an end that signals
// now comes after all that had to signal before.
void Conformance::Settle() {
  SYSMEM_EXPECT_OK(client().Roundtrip());
  SYSMEM_EXPECT_OK(other().Roundtrip());
  TrackedEnd last;
  sysmem::Token token = Must(client().CreateToken());
  SYSMEM_EXPECT_OK(token.AttachNodeTracking(last.Give()));
  token.Close();
  SYSMEM_EXPECT_OK(client().Roundtrip());
  EXPECT_TRUE(last.Signals());
}

sysmem::Result<sysmem::Buffers> Conformance::Wait(sysmem::Collection& collection) {
  SYSMEM_EXPECT_OK(client().Flush());
  SYSMEM_EXPECT_OK(other().Flush());
  return collection.Wait(Patience());
}

Conformance::Outcomes Conformance::Pair(const sysmem::Constraints& parent,
                                        const sysmem::Constraints& child) {
  sysmem::Token root = Root();
  sysmem::Token duplicate = Dup(root);
  sysmem::Collection one = Bind(std::move(root));
  sysmem::Collection two = Bind(std::move(duplicate));
  SYSMEM_EXPECT_OK(one.SetConstraints(parent));
  SYSMEM_EXPECT_OK(two.SetConstraints(child));
  sysmem::Result<sysmem::Buffers> first = Wait(one);
  return {std::move(first), Wait(two)};
}

sysmem::Collection Conformance::Single() {
  auto token = client().CreateToken();
  auto collection = std::move(*token).Bind();
  EXPECT_TRUE(collection.ok());
  SYSMEM_EXPECT_OK(collection->SetName(1000000, "sysmem-test-v2"));
  return *std::move(collection);
}

sysmem::Result<sysmem::Buffers> Conformance::Allocate(const sysmem::Constraints& constraints) {
  sysmem::Collection collection = Single();
  SYSMEM_EXPECT_OK(collection.SetConstraints(constraints));
  return collection.Wait(Patience());
}

bool Conformance::Basic(const std::function<void(sysmem::Constraints&)>& change) {
  sysmem::Constraints constraints = Nv12();
  change(constraints);
  auto buffers = Allocate(constraints);
  return buffers.ok() && IsZero(*buffers, 0);
}

}  // namespace sysmem::testing
