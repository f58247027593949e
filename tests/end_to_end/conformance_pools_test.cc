// SPDX-License-Identifier: Apache-2.0
//
// Conformance: contiguous and secure memory (HEAP, POOL), of a daemon that has pools of both.
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/end_to_end/conformance_recipes.h"
#include "tests/support/programs.h"

namespace sysmem::testing {
namespace {

constexpr char kSecure[] = "fuchsia.amlogic.platform.sysmem.heap.HEAP_TYPE.SECURE";
constexpr char kSecureVdec[] = "fuchsia.amlogic.platform.sysmem.heap.HEAP_TYPE.SECURE_VDEC";
constexpr uint64_t kPoolBytes = 4 << 20;

class Pools : public Conformance {
 protected:
  explicit Pools(const std::string& guards = "")
      : Conformance(
            {.arguments = {"--contiguous-pool", std::to_string(kPoolBytes), "--pool-guards", guards,
                           "--protected-pool", "33554432", "--simulated-secure-heaps",
                           std::string(kSecure) + "," + kSecureVdec}}) {}

  // What `sysmemctl ARGUMENTS --json` prints.
  nlohmann::json Ctl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--socket", daemon().socket_path(), "--json"});
    const Ended ended = RunToEnd({.program = ProgramPath("sysmemctl"),
                                  .arguments = std::move(arguments),
                                  .environment = CleanEnvironment()});
    EXPECT_EQ(ended.exit_code, 0) << ended.output;
    return nlohmann::json::parse(ended.output, nullptr, false);
  }
  // Where the buffers lie; empty if the daemon does not say so of all of them.
  std::vector<uint64_t> Addresses(const sysmem::Buffers& buffers) {
    std::vector<uint64_t> addresses;
    const nlohmann::json shown = Ctl({"show", std::to_string(buffers.collection_id())});
    for (const auto& buffer : shown.at("buffers")) {
      if (!buffer.contains("physical_address")) return {};
      addresses.push_back(std::stoull(buffer.at("physical_address").get<std::string>()));
    }
    return addresses;
  }
  // What the heap counts; 0, with a test failure, if it does not count that.
  uint64_t Figure(bool contiguous, const std::string& heap_type, const std::string& name) {
    for (const auto& heap : Ctl({"heaps"})) {
      if (heap.at("heap").at("heap_type") != heap_type) continue;
      if (heap.value("physically_contiguous", false) != contiguous) continue;
      for (const auto& figure : heap.value("figures", nlohmann::json::array())) {
        if (figure.at("name") != name) continue;
        return std::stoull(figure.value("value", "0"));
      }
    }
    ADD_FAILURE() << heap_type << " does not count " << name;
    return 0;
  }
};

class HeapsOfPools : public Pools {};
class PoolsOfTheDaemon : public Pools {};

// A page of contiguous system RAM in this domain alone.
sysmem::Constraints ContiguousRam(const sysmem::Usage& usage, bool cpu,
                                  std::optional<uint64_t> heap_id) {
  sysmem::MemoryConstraints memory = CpuOnly(kPage, kPage);
  memory.physically_contiguous_required = true;
  memory.cpu_domain_supported = cpu;
  memory.inaccessible_domain_supported = !cpu;
  memory.permitted_heaps = {{{.heap_type = SYSMEM_HEAP_SYSTEM_RAM, .id = heap_id}}};
  return {.usage = usage, .min_buffer_count_for_camping = 1, .memory = memory};
}

constexpr sysmem::Usage kTransfer{.vulkan = SYSMEM_VULKAN_IMAGE_USAGE_TRANSFER_DST};

// Case HEAP-1
TEST_F(HeapsOfPools, ContiguousRamMayBeInaccessible) {
  for (const std::optional<uint64_t> id : {std::optional<uint64_t>(0), std::optional<uint64_t>()}) {
    auto buffers = Allocate(ContiguousRam(kTransfer, /*cpu=*/false, id));
    SYSMEM_ASSERT_OK(buffers);
    EXPECT_EQ(buffers->count(), 1u);
    EXPECT_EQ(buffers->settings().coherency_domain, SYSMEM_COHERENCY_DOMAIN_INACCESSIBLE);
    EXPECT_STREQ(buffers->settings().heap_type, SYSMEM_HEAP_SYSTEM_RAM);
    EXPECT_EQ(buffers->settings().heap_id, 0u);
    EXPECT_TRUE(buffers->settings().is_physically_contiguous);
  }
}

// Case HEAP-2
TEST_F(HeapsOfPools, CpuUsageCannotLiveInInaccessibleContiguousRam) {
  EXPECT_TRUE(IsClosedOrIntersectionEmpty(
      Why(Allocate(ContiguousRam({.cpu = kCpuReadWrite}, /*cpu=*/false, 0)))));
}

// Case HEAP-5
TEST_F(HeapsOfPools, ContiguousRamServesTheCpuDomain) {
  auto buffers = Allocate(ContiguousRam(kTransfer, /*cpu=*/true, 0));
  SYSMEM_ASSERT_OK(buffers);
  EXPECT_EQ(buffers->count(), 1u);
  EXPECT_EQ(buffers->settings().coherency_domain, SYSMEM_COHERENCY_DOMAIN_CPU);
  EXPECT_STREQ(buffers->settings().heap_type, SYSMEM_HEAP_SYSTEM_RAM);
  EXPECT_EQ(buffers->settings().heap_id, 0u);
  EXPECT_TRUE(buffers->settings().is_physically_contiguous);
  EXPECT_TRUE(IsZero(*buffers, 0));
}

// Four buffers of secure memory for the video decoder.
sysmem::Constraints SecureVideo(const char* heap, std::optional<uint64_t> heap_id,
                                uint32_t usage = SYSMEM_VIDEO_USAGE_HW_DECODER,
                                uint64_t min_bytes = 65536) {
  return {.usage = sysmem::Usage{.video = usage},
          .min_buffer_count_for_camping = 4,
          .memory =
              sysmem::MemoryConstraints{.min_size_bytes = min_bytes,
                                        .max_size_bytes = 131072,
                                        .physically_contiguous_required = true,
                                        .secure_required = true,
                                        .cpu_domain_supported = false,
                                        .ram_domain_supported = false,
                                        .inaccessible_domain_supported = true,
                                        .permitted_heaps = {{{.heap_type = heap, .id = heap_id}}}}};
}

void ExpectNobodyReaches(int fd) {
  char byte = 0;
  EXPECT_EQ(::pread(fd, &byte, 1, 0), -1);
  EXPECT_EQ(errno, EBADF);
  EXPECT_EQ(::pwrite(fd, "x", 1, 0), -1);
  EXPECT_EQ(errno, EPERM);
  for (const int protection : {PROT_NONE, PROT_READ, PROT_WRITE}) {
    EXPECT_EQ(::mmap(nullptr, kPage, protection, MAP_SHARED, fd, 0), MAP_FAILED);
    EXPECT_EQ(errno, EACCES);
  }
}

void ExpectSecureBuffers(const sysmem::Result<sysmem::Buffers>& buffers, const char* heap,
                         uint64_t bytes) {
  ASSERT_TRUE(HasSize(buffers, bytes));
  const sysmem::Settings& settings = buffers->settings();
  EXPECT_EQ(buffers->count(), 4u);
  EXPECT_TRUE(settings.is_physically_contiguous);
  EXPECT_TRUE(settings.is_secure);
  EXPECT_EQ(settings.coherency_domain, SYSMEM_COHERENCY_DOMAIN_INACCESSIBLE);
  EXPECT_STREQ(settings.heap_type, heap);
  EXPECT_EQ(settings.heap_id, 0u);
  EXPECT_EQ(settings.image, nullptr);
  for (size_t i = 0; i < buffers->count(); ++i) {
    const int fd = (*buffers)[i].fd;
    struct stat status {};
    ASSERT_EQ(::fstat(fd, &status), 0);
    EXPECT_EQ(status.st_size, 65536);
    ExpectNobodyReaches(fd);
  }
}

// Case HEAP-8
TEST_F(HeapsOfPools, SecureMemoryIsForNobodyToMapOrRead) {
  for (int round = 0; round < 64 && !HasFailure(); ++round) {
    ExpectSecureBuffers(Allocate(SecureVideo(kSecure, 0)), kSecure, 65536);
  }
}

// Case HEAP-10
TEST_F(HeapsOfPools, SecureMemorySupportsTheInaccessibleDomainOnly) {
  for (const std::optional<uint64_t> id : {std::optional<uint64_t>(0), std::optional<uint64_t>()}) {
    ExpectSecureBuffers(Allocate(SecureVideo(kSecure, id)), kSecure, 65536);
    for (const bool cpu : {true, false}) {
      sysmem::Constraints needs = SecureVideo(kSecure, id);
      needs.memory->cpu_domain_supported = cpu;
      needs.memory->ram_domain_supported = !cpu;
      needs.memory->inaccessible_domain_supported = false;
      EXPECT_TRUE(IsClosedOrIntersectionEmpty(Why(Allocate(needs))));
    }
  }
}

// Case HEAP-11
TEST_F(HeapsOfPools, AnotherSecureHeapServesBetweenDecryptorAndDecoder) {
  for (const std::optional<uint64_t> id : {std::optional<uint64_t>(0), std::optional<uint64_t>()}) {
    ExpectSecureBuffers(
        Allocate(SecureVideo(kSecureVdec, id,
                             SYSMEM_VIDEO_USAGE_DECRYPTOR_OUTPUT | SYSMEM_VIDEO_USAGE_HW_DECODER,
                             65535)),
        kSecureVdec, 65535);
  }
}

sysmem::Constraints Contiguous(uint32_t count, uint64_t bytes,
                               std::optional<uint64_t> alignment = {}) {
  sysmem::Constraints needs = Camp(count);
  needs.memory->min_size_bytes = bytes;
  needs.memory->max_size_bytes = bytes;
  needs.memory->physically_contiguous_required = true;
  needs.memory->min_physical_base_alignment = alignment;
  return needs;
}

// POOL-1, POOL-5, BUF-1
TEST_F(PoolsOfTheDaemon, WhoDemandsContiguousMemoryGetsItWithTheAlignment) {
  constexpr uint64_t kAlignment = 256 << 10;
  auto buffers = Allocate(Contiguous(3, 3 * kPage, kAlignment));
  SYSMEM_ASSERT_OK(buffers);
  EXPECT_TRUE(buffers->settings().is_physically_contiguous);
  const std::vector<uint64_t> addresses = Addresses(*buffers);
  ASSERT_EQ(addresses.size(), 3u);
  for (const uint64_t address : addresses) EXPECT_EQ(address % kAlignment, 0u);
  EXPECT_NE(addresses[0], addresses[1]);
  for (size_t i = 0; i < buffers->count(); ++i) EXPECT_TRUE(IsZero(*buffers, i));
}

// HEAP-4
TEST_F(PoolsOfTheDaemon, WhoDoesNotDemandItGetsOrdinaryMemory) {
  auto ordinary = Allocate(Camp(2));
  SYSMEM_ASSERT_OK(ordinary);
  EXPECT_FALSE(ordinary->settings().is_physically_contiguous);
  EXPECT_EQ(Addresses(*ordinary), std::vector<uint64_t>());
  EXPECT_EQ(Figure(true, SYSMEM_HEAP_SYSTEM_RAM, "used_size"), 0u);
  auto contiguous = Allocate(Contiguous(1, kPage));
  SYSMEM_ASSERT_OK(contiguous);
  EXPECT_EQ(Figure(true, SYSMEM_HEAP_SYSTEM_RAM, "used_size"), 3 * kPage);  // POOL-4
}

// POOL-5
TEST_F(PoolsOfTheDaemon, MoreThanThePoolPromisesIsRefused) {
  const sysmem::Result<sysmem::Buffers> refused = Allocate(Contiguous(1, kPage, 2 << 20));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.failure().error, sysmem::Error::kNoMemory);
}

// POOL-6
TEST_F(PoolsOfTheDaemon, AFullPoolRefusesWithItsFiguresAndServesAgainLater) {
  std::optional<sysmem::Collection> hoarder = Single();
  SYSMEM_EXPECT_OK(hoarder->SetConstraints(Contiguous(3, 1 << 20)));
  sysmem::Result<sysmem::Buffers> hoard = Wait(*hoarder);
  SYSMEM_ASSERT_OK(hoard);
  sysmem::Result<sysmem::Buffers> refused = Allocate(Contiguous(1, 1 << 20));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.failure().error, sysmem::Error::kNoMemory);
  EXPECT_NE(refused.failure().text.find("no region of"), std::string::npos)
      << refused.failure().text;
  EXPECT_EQ(Figure(true, SYSMEM_HEAP_SYSTEM_RAM, "allocations_failed"), 1u);
  daemon().AwaitLogLine("no region of");

  auto end = hoarder->TrackLifetime();
  SYSMEM_ASSERT_OK(end);
  SYSMEM_EXPECT_OK(hoarder->Release());
  hoarder.reset();
  hoard = sysmem::Failure{};
  SYSMEM_EXPECT_OK(end->Await(Patience()));
  SYSMEM_EXPECT_OK(Allocate(Contiguous(3, 1 << 20)));
}

// Case FUZZ-4
TEST_F(PoolsOfTheDaemon, RunOutHalfWayThroughACollectionWithoutHarm) {
  constexpr uint64_t kBytes = 75 * kPage;  // three collections, and one buffer more
  std::vector<Outcomes> kept;
  do {
    kept.push_back(Pair(Contiguous(4, kBytes), Contiguous(0, kBytes)));
  } while (kept.back().parent.ok() && kept.size() < 10);
  EXPECT_EQ(kept.size(), 4u);
  ASSERT_FALSE(kept.back().parent.ok());
  EXPECT_EQ(kept.back().parent.failure().error, sysmem::Error::kNoMemory);
  EXPECT_EQ(Figure(true, SYSMEM_HEAP_SYSTEM_RAM, "used_size"), 3 * 4 * (kBytes + 2 * kPage));
  sysmem::Token root = Root();
  SYSMEM_EXPECT_OK(root.Sync());
}

class GuardedPool : public Pools {
 protected:
  GuardedPool() : Pools("internal,pages=2") {}
};

// POOL-9, POOL-H2
TEST_F(GuardedPool, ServesCollectionsThoughItHasInternalGuards) {
  auto buffers = Allocate(Contiguous(2, kPage));
  SYSMEM_ASSERT_OK(buffers);
  const std::vector<uint64_t> addresses = Addresses(*buffers);
  ASSERT_EQ(addresses.size(), 2u);
  EXPECT_EQ(addresses[1] - addresses[0], 5 * kPage);
}

}  // namespace
}  // namespace sysmem::testing
