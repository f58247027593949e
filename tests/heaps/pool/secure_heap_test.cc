// SPDX-License-Identifier: Apache-2.0
//
// Method: the real kernel for what a holder can do, simulated hardware for what is protected.
#include "heaps/pool/secure_heap.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "heaps/pool/simulated_protection.h"

namespace sysmem::heaps {
namespace {

using base::UniqueFd;
using testing::HasSubstr;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kUnit = 64 * 1024;  // of protection
constexpr uint64_t kBase = uint64_t{3} << 32;
constexpr uint64_t kPoolBytes = 64 * kUnit;
constexpr int64_t kSecond = 1'000'000'000;

class Hardware final : public SimulatedProtection {
 public:
  using SimulatedProtection::SimulatedProtection;
  absl::Status TakePages(Region) override {
    return has_pages ? absl::OkStatus() : absl::ResourceExhaustedError("no pages to protect");
  }
  bool has_pages = true;
};

class SecureHeapTest : public testing::Test {
 protected:
  SecureHeapTest() { Start(true); }

  void Start(bool is_dynamic) {
    heap_.reset();
    hardware_ = std::make_shared<Hardware>(SimulatedProtectionOptions{
        .space = {.begin = kBase, .end = kBase + kPoolBytes}, .is_dynamic = is_dynamic});
    absl::StatusOr<std::unique_ptr<SecureHeap>> made =
        SecureHeap::Create(gate_, Options(), hardware_);
    ASSERT_TRUE(made.ok()) << made.status();
    heap_ = *std::move(made);
    heap_->SetReady(true);
  }
  PoolOptions Options() {
    return {.name = "secure",
            .heap = {.type = "HEAP_TYPE.TEST_SECURE"},
            .size_bytes = kPoolBytes,
            .physical_base = kBase,
            .guards = kNoGuards,
            .ready = false,
            .clock = [this] { return now_; }};
  }
  std::unique_ptr<Buffer> Allocate(uint64_t bytes) {
    absl::StatusOr<std::unique_ptr<Buffer>> buffer = heap_->Allocate({.size_bytes = bytes});
    EXPECT_TRUE(buffer.ok()) << buffer.status();
    return buffer.ok() ? *std::move(buffer) : nullptr;
  }
  static HandedOut HandOut(const Buffer& buffer, Access access = Access::kReadWrite) {
    absl::StatusOr<HandedOut> made = buffer.HandOut(access);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *std::move(made) : HandedOut();
  }
  bool IsProtected(uint64_t address, uint64_t bytes) const {
    return hardware_->IsProtected({.begin = address, .end = address + bytes});
  }

  ReservationGate gate_{
      5, [] { return base::AvailableMemory{.bytes = kPage, .bounded_by = "the test"}; },
      &std::chrono::steady_clock::now};
  int64_t now_ = 1000 * kSecond;
  std::shared_ptr<Hardware> hardware_;
  std::unique_ptr<SecureHeap> heap_;
};

TEST_F(SecureHeapTest, ServesTheInaccessibleDomainOnly) {
  const core::HeapProperties& properties = heap_->properties();
  EXPECT_FALSE(properties.cpu_domain || properties.ram_domain);
  EXPECT_TRUE(properties.inaccessible_domain);
  EXPECT_FALSE(properties.need_clear);
}

TEST_F(SecureHeapTest, GivesNobodyAWayToReadWriteOrMap) {
  const std::unique_ptr<Buffer> buffer = Allocate(kUnit);
  for (const Access access : {Access::kReadOnly, Access::kReadWrite}) {
    const UniqueFd fd = HandOut(*buffer, access).fd;
    char byte = 0;
    EXPECT_EQ(::pread(fd.get(), &byte, 1, 0), -1);
    EXPECT_EQ(errno, EBADF);
    EXPECT_EQ(::pwrite(fd.get(), "x", 1, 0), -1);
    EXPECT_EQ(errno, EPERM);
    for (const int protection : {PROT_NONE, PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE}) {
      for (const int sharing : {MAP_SHARED, MAP_PRIVATE}) {
        EXPECT_EQ(::mmap(nullptr, kPage, protection, sharing, fd.get(), 0), MAP_FAILED);
        EXPECT_EQ(errno, EACCES);
      }
    }
    EXPECT_EQ(::ftruncate(fd.get(), 0), -1);
    EXPECT_NE(::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kPage), 0);
  }
}

TEST_F(SecureHeapTest, LooksLikeABufferOfItsSizeAndTakesNoMemory) {  // the machine has one page
  const std::unique_ptr<Buffer> buffer = Allocate(kUnit);
  EXPECT_EQ(buffer->size_bytes(), kUnit);
  const UniqueFd fd = HandOut(*buffer).fd;
  struct stat status {};
  ASSERT_EQ(::fstat(fd.get(), &status), 0);
  EXPECT_EQ(static_cast<uint64_t>(status.st_size), kUnit);
  EXPECT_EQ(status.st_blocks, 0);
  const absl::StatusOr<BufferIdentity> identity = IdentityOf(fd);
  ASSERT_TRUE(identity.ok());
  EXPECT_EQ(*identity, buffer->identity());
}

TEST_F(SecureHeapTest, TellsHoldersApartAndTheirEnds) {
  const std::unique_ptr<Buffer> buffer = Allocate(kPage);
  const UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  ASSERT_TRUE(buffer->WatchCloses(inotify).ok());
  HandedOut one = HandOut(*buffer);
  HandedOut other = HandOut(*buffer);
  EXPECT_NE(one.mark, 0U);
  EXPECT_TRUE(buffer->IsHandOut(one.fd, one.mark));
  EXPECT_FALSE(buffer->IsHandOut(other.fd, one.mark));
  one.fd.reset();
  pollfd announced{.fd = inotify.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&announced, 1, 0), 1);
  EXPECT_FALSE(buffer->MayLive(one.mark));
  EXPECT_TRUE(buffer->MayLive(other.mark));
  EXPECT_FALSE(buffer->IsOnlyOurs());
  other.fd.reset();
  EXPECT_TRUE(buffer->IsOnlyOurs());
}

TEST_F(SecureHeapTest, RefusesWhenSecureMemoryIsNotThere) {  // SEC-2, SEC-3
  const std::unique_ptr<Buffer> buffer = Allocate(kPage);
  heap_->SetReady(false);
  EXPECT_EQ(heap_->Allocate({.size_bytes = kPage}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(HandOut(*buffer).fd);
  EXPECT_TRUE(IsProtected(*buffer->physical_address(), kPage));
  heap_->SetReady(true);
  EXPECT_TRUE(Allocate(kPage));
}

TEST_F(SecureHeapTest, ProtectsABufferAsLongAsItLives) {
  std::unique_ptr<Buffer> buffer = Allocate(3 * kPage);
  const uint64_t address = *buffer->physical_address();
  EXPECT_GE(address, kBase);
  EXPECT_TRUE(IsProtected(address, 3 * kPage));
  const std::unique_ptr<Buffer> other = Allocate(2 * kUnit);
  EXPECT_TRUE(IsProtected(*other->physical_address(), 2 * kUnit));
  buffer.reset();
  EXPECT_TRUE(IsProtected(*other->physical_address(), 2 * kUnit));
}

TEST_F(SecureHeapTest, LetsGoOfWhatNobodyHas) {
  std::unique_ptr<Buffer> low = Allocate(kUnit);
  std::unique_ptr<Buffer> middle = Allocate(30 * kUnit);
  const std::unique_ptr<Buffer> high = Allocate(kUnit);
  const uint64_t hole = *middle->physical_address();
  middle.reset();
  EXPECT_FALSE(IsProtected(hole, kPage));
  EXPECT_TRUE(IsProtected(*low->physical_address(), kUnit));
  EXPECT_TRUE(IsProtected(*high->physical_address(), kUnit));
  const PoolFigures figures = heap_->ReadFigures();
  EXPECT_EQ(figures.used_size, 2 * kUnit);
  EXPECT_EQ(figures.loanable_bytes, 62 * kUnit);
  EXPECT_EQ(figures.loanable_efficiency_permille, 1000U);
}

TEST_F(SecureHeapTest, MakesNoBufferThatCannotBeProtected) {
  hardware_->has_pages = false;
  const absl::Status refused = heap_->Allocate({.size_bytes = kPage, .name = "film:0"}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("\"film:0\""));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("no pages to protect"));
  EXPECT_EQ(heap_->ReadFigures().commits_failed, 1U);
  EXPECT_EQ(heap_->ReadFigures().used_size, 0U);
  hardware_->has_pages = true;
  EXPECT_EQ(*Allocate(kPoolBytes)->physical_address(), kBase);
}

TEST_F(SecureHeapTest, ImprovesOneStepEachSecondOnceItIsQuiet) {  // PROT-4
  const std::unique_ptr<Buffer> low = Allocate(kUnit);
  // What is added extends the range below it, whatever the gap.
  absl::StatusOr<std::unique_ptr<Buffer>> high =
      heap_->Allocate({.size_bytes = kUnit, .physical_alignment = 1 << 20});
  ASSERT_TRUE(high.ok()) << high.status();
  const uint64_t gap = *low->physical_address() + kUnit;
  ASSERT_GT(*(*high)->physical_address(), gap);
  EXPECT_TRUE(IsProtected(gap, kPage));
  EXPECT_EQ(heap_->Maintain(now_ + kSecond / 2), now_ + kSecond);
  EXPECT_TRUE(IsProtected(gap, kPage));
  EXPECT_EQ(heap_->Maintain(now_ + kSecond), now_ + 2 * kSecond);
  EXPECT_FALSE(IsProtected(gap, kPage));
  EXPECT_TRUE(IsProtected(*low->physical_address(), kUnit));
  EXPECT_TRUE(IsProtected(*(*high)->physical_address(), kUnit));
}

TEST_F(SecureHeapTest, AsksForMaintenanceAgainWhenSomethingHasChanged) {
  int asked = 0;
  heap_->OnMaintenanceDue([&] { ++asked; });
  EXPECT_EQ(heap_->Maintain(now_), kNever);
  std::unique_ptr<Buffer> buffer = Allocate(kUnit);
  EXPECT_EQ(asked, 1);
  Allocate(kUnit).reset();  // it knows already
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(heap_->Maintain(now_), now_ + kSecond);
  EXPECT_EQ(heap_->Maintain(now_ + kSecond), kNever);
  buffer.reset();
  EXPECT_EQ(asked, 2);
}

TEST_F(SecureHeapTest, KeepsAllOfItProtectedWhereNothingIsDynamic) {
  Start(false);
  EXPECT_EQ(heap_->Maintain(now_), kNever);
  EXPECT_EQ(heap_->ReadFigures().loanable_efficiency_permille, 0U);
  Allocate(kPage).reset();
  EXPECT_TRUE(IsProtected(kBase, kPoolBytes));
  EXPECT_EQ(heap_->ReadFigures().loanable_bytes, kPoolBytes);
}

TEST_F(SecureHeapTest, RefusesGuardsAndHardwareOfAnotherPlace) {
  PoolOptions options = Options();
  options.guards = {};
  EXPECT_EQ(SecureHeap::Create(gate_, options, hardware_).status().code(),
            absl::StatusCode::kInvalidArgument);
  options = Options();
  options.physical_base *= 2;
  EXPECT_EQ(SecureHeap::Create(gate_, options, hardware_).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(SecureHeapTest, LetsABufferOutliveIt) {
  std::unique_ptr<Buffer> buffer = Allocate(kPage);
  const uint64_t address = *buffer->physical_address();
  heap_.reset();
  EXPECT_TRUE(IsProtected(address, kPage));
  EXPECT_TRUE(HandOut(*buffer).fd);
  buffer.reset();
  EXPECT_FALSE(IsProtected(address, kPage));
}

}  // namespace
}  // namespace sysmem::heaps
