// SPDX-License-Identifier: Apache-2.0
//
// Conformance cases CON, COL, HEAP, CNT, PAD and FUZZ that are decided by the negotiation alone;
// the suite's name is the case's id. And the rows of server-behaviour.md section 9 that need no
// tree.
#include <gtest/gtest.h>

#include "tests/core/recipes.h"

namespace sysmem::core {
namespace {

using namespace recipes;  // NOLINT(google-build-using-namespace): the vocabulary of these tests
namespace pf = pixel_format;
namespace cs = color_space;

// K-NV12 with a change.
template <typename Change>
Constraints Basic(Change change) {
  Constraints c = KNv12();
  change(c);
  return c;
}

Constraints NoneOnly() {
  Constraints c;
  c.usage = BufferUsage{.none = kNoneUsage};
  c.min_buffer_count_for_camping = 3;
  c.min_buffer_count = 5;
  c.memory = CpuOnly(65536, 131072);
  return c;
}

TEST(CON1, OnlyNoneUsageFails) { EXPECT_TRUE(Fails({NoneOnly()})); }

TEST(CON2, NoneBesideAnotherUsageOfOneParticipantFails) {
  Constraints c = NoneOnly();
  c.usage->cpu = kCpuUsageReadOften;
  EXPECT_TRUE(Fails({c}));
}

TEST(CON7, AZeroRequiredMinimumWidthFails) {
  EXPECT_TRUE(Fails({Basic([](Constraints& c) {
    c.image_formats[0].required_min_size = {0, 1};
  })}));
}

TEST(CON8, AZeroRequiredMinimumHeightFails) {
  EXPECT_TRUE(Fails({Basic([](Constraints& c) {
    c.image_formats[0].required_min_size = {1, 0};
  })}));
}

TEST(CON13, AllOtherImageFieldsHaveWorkableDefaults) {
  ImageFormatConstraints image = Nv12();
  image.required_max_size = {512, 1024};
  const Plan plan = Agreed({CpuImages({image})});
  EXPECT_EQ(plan.settings.buffer.size_bytes, 786432u);
  EXPECT_GE(plan.settings.buffer.raw_vmo_size, 786432u);
}

TEST(CON14, ABufferAboveTheAllocationLimitFails) {
  Settings settings = Machine();
  settings.limits.allocation_bytes = kPage;
  Constraints c;
  c.usage = BufferUsage{.cpu = kCpuUsageRead};
  c.min_buffer_count = 1;
  c.memory = MemoryConstraints{.min_size_bytes = 2 * kPage, .cpu_domain_supported = true};
  EXPECT_EQ(RuleOf(Ask({c}, settings)), "4.9");
  c.memory->min_size_bytes = kPage;
  EXPECT_EQ(RuleOf(Ask({c}, settings)), "");
}

TEST(CON16, SizeAlignmentFlowsIntoMinSizeAndMinBytesPerRow) {
  ImageFormatConstraints image = Rgba();
  image.size_alignment = {16, 8};
  image.required_max_size_list = {{32, 32}};
  Constraints c;
  c.usage = BufferUsage{.cpu = kCpuUsageRead};
  c.min_buffer_count = 1;
  c.image_formats = {image};
  const Plan plan = Agreed({c});
  EXPECT_EQ(ImageOf(plan).min_size, (SizeU{16, 8}));
  EXPECT_EQ(ImageOf(plan).min_bytes_per_row, 64u);
}

TEST(CON17, TheSmallestRowIsAMultipleOfItsDivisor) {
  ImageFormatConstraints image = Rgba();
  image.min_size = {254, 256};
  image.min_bytes_per_row = 256;
  image.bytes_per_row_divisor = 64;
  EXPECT_EQ(ImageOf(Agreed({CpuImages({image})})).min_bytes_per_row, 1024u);
}

ImageFormatConstraints Sized() {
  ImageFormatConstraints image = Nv12();
  image.min_size = {256, 256};
  image.min_bytes_per_row = 256;
  image.bytes_per_row_divisor = 1;
  return image;
}

TEST(CON19, TheDeprecatedRequiredSizeIsAppendedToTheList) {
  ImageFormatConstraints image = Sized();
  image.required_max_size = {512, 1024};
  const Plan plan = Agreed({CpuImages({image})});
  EXPECT_EQ(ImageOf(plan).required_max_size_list, (std::vector<SizeU>{{512, 1024}}));
  EXPECT_GE(plan.settings.buffer.size_bytes, 786432u);
}

TEST(CON20, ListEntriesDoNotFlowBackIntoTheDeprecatedField) {
  ImageFormatConstraints image = Sized();
  image.required_max_size_list = {{512, 1024}};
  const Plan plan = Agreed({CpuImages({image})});
  EXPECT_EQ(ImageOf(plan).required_max_size_list, (std::vector<SizeU>{{512, 1024}}));
  EXPECT_EQ(ImageOf(plan).required_max_size, (SizeU{0, 0}));
  EXPECT_GE(plan.settings.buffer.size_bytes, 786432u);
}

TEST(CON22, CoveredSizesAreDroppedAcrossParticipants) {
  ImageFormatConstraints parent = Sized();
  parent.required_max_size_list = {{500, 1000}, {1000, 500}};
  ImageFormatConstraints child = Sized();
  child.required_max_size_list = {{502, 1002}, {1002, 502}};
  const Plan plan = Agreed({CpuImages({parent}), CpuImages({child})});
  EXPECT_EQ(ImageOf(plan).required_max_size_list, (std::vector<SizeU>{{1002, 502}, {502, 1002}}));
  EXPECT_EQ(ImageOf(plan).required_max_size, (SizeU{0, 0}));
  EXPECT_GE(plan.settings.buffer.size_bytes, 754506u);
  EXPECT_LT(plan.settings.buffer.size_bytes, 1506006u);
}

TEST(CON23, OneParticipantGetsExactlyItsImage) {
  const Plan plan = Agreed({KNv12()});
  EXPECT_EQ(plan.buffer_count, 3u);
  EXPECT_EQ(plan.settings.buffer.size_bytes, 98304u);
  EXPECT_EQ(plan.settings.buffer.raw_vmo_size, 98304u);
  EXPECT_FALSE(plan.settings.buffer.is_physically_contiguous);
  EXPECT_FALSE(plan.settings.buffer.is_secure);
  EXPECT_EQ(plan.settings.buffer.coherency_domain, CoherencyDomain::kCpu);
  EXPECT_EQ(plan.settings.buffer.heap, (Heap{kHeapSystemRam, 0}));
  EXPECT_EQ(ImageOf(plan).pixel_format, pf::kNv12);
  EXPECT_EQ(ImageOf(plan).pixel_format_modifier, modifier::kLinear);
}

TEST(COL4, CampingAddsUpAndAnEmptyParticipantAddsNothing) {
  Constraints first = KNv12();
  first.memory->max_size_bytes = 393216;
  Constraints second = first;
  second.image_formats[0].min_size = {512, 512};
  const Plan plan = Agreed({first, second, Constraints{}});
  EXPECT_EQ(plan.buffer_count, 6u);
  EXPECT_EQ(plan.settings.buffer.size_bytes, 393216u);
}

Constraints InaccessibleOnly(BufferUsage usage, std::optional<uint64_t> heap_id) {
  Constraints c;
  c.usage = usage;
  c.min_buffer_count_for_camping = 1;
  c.memory = MemoryConstraints{.min_size_bytes = kPage,
                               .max_size_bytes = kPage,
                               .cpu_domain_supported = false,
                               .ram_domain_supported = false,
                               .inaccessible_domain_supported = true};
  c.memory->permitted_heaps = {{{.type = kHeapSystemRam, .id = heap_id}}};
  return c;
}

TEST(HEAP1, TheHeapIdIsFilledInAndTheInaccessibleDomainIsKept) {
  for (const std::optional<uint64_t> id : {std::optional<uint64_t>(0), std::optional<uint64_t>()}) {
    const Plan plan = Agreed({InaccessibleOnly({.vulkan = 2}, id)});
    EXPECT_EQ(plan.settings.buffer.coherency_domain, CoherencyDomain::kInaccessible);
    EXPECT_EQ(plan.settings.buffer.heap, (Heap{kHeapSystemRam, 0}));
  }
}

TEST(HEAP2, CpuUsageInTheInaccessibleDomainFails) {
  EXPECT_TRUE(Fails({InaccessibleOnly(CpuReadWrite(), 0)}));
}

TEST(HEAP4, ACpuUserWithoutMemoryConstraintsImpliesTheCpuDomain) {
  Constraints cpu;
  cpu.usage = CpuReadWrite();
  cpu.min_buffer_count_for_camping = 1;
  Constraints display;
  display.usage = BufferUsage{.display = 1};
  display.min_buffer_count_for_camping = 1;
  display.memory = MemoryConstraints{.min_size_bytes = 1,
                                     .max_size_bytes = 0xffffffff,
                                     .cpu_domain_supported = true,
                                     .ram_domain_supported = true,
                                     .inaccessible_domain_supported = true};
  const Plan plan = Agreed({cpu, display});
  EXPECT_EQ(plan.settings.buffer.coherency_domain, CoherencyDomain::kCpu);
  EXPECT_EQ(plan.buffer_count, 2u);
}

TEST(HEAP7, CpuUsageMayTolerateTheInaccessibleDomain) {
  Constraints c = CpuBytes(65536);
  c.min_buffer_count_for_camping = 3;
  c.memory = CpuOnly(65536, 131072);
  c.memory->inaccessible_domain_supported = true;
  const Plan plan = Agreed({c});
  EXPECT_EQ(plan.buffer_count, 3u);
  EXPECT_EQ(plan.settings.buffer.size_bytes, 65536u);
  EXPECT_EQ(plan.settings.buffer.raw_vmo_size, 65536u);
  EXPECT_EQ(plan.settings.buffer.coherency_domain, CoherencyDomain::kCpu);
  EXPECT_FALSE(plan.settings.image_format.has_value());
}

TEST(CNT1, TheCountIsTheLargerOfCampingAndMinimum) {
  Constraints c = CpuBytes(65536);
  c.memory = CpuOnly(65536, 131072);
  c.min_buffer_count_for_camping = 3;
  c.min_buffer_count = 5;
  EXPECT_EQ(Agreed({c}).buffer_count, 5u);
}

TEST(CNT2, AMaximumOfNoBuffersFails) {
  EXPECT_TRUE(Fails({Basic([](Constraints& c) { c.max_buffer_count = 0; })}));
}

TEST(CNT4, FarTooManyBuffersFail) {
  Constraints c;
  c.usage = BufferUsage{.cpu = kCpuUsageRead};
  c.min_buffer_count = (1u << 30) / kPage;
  c.memory = MemoryConstraints{.min_size_bytes = kPage, .cpu_domain_supported = true};
  EXPECT_TRUE(Fails({c}));
}

Constraints Pad() {
  ImageFormatConstraints image = Image(pf::kR8G8B8A8, {cs::kPassthrough});
  image.min_size = {450, 450};
  image.max_size = {450, 450};
  image.bytes_per_row_divisor = 64;
  image.size_alignment = {1, 1};
  image.max_bytes_per_row = kAllOnes;
  Constraints c;
  c.usage = BufferUsage{.cpu = kCpuUsageRead};
  c.min_buffer_count = 1;
  c.image_formats = {image};
  return c;
}

TEST(PAD1, APageForBlocksIsProvidedBehindTheSize) {
  Constraints c = Pad();
  c.image_formats[0].pad_for_block_size = {4, 4};
  const Plan plan = Agreed({c});
  EXPECT_EQ(plan.settings.buffer.size_bytes, 835200u);
  EXPECT_EQ(plan.settings.buffer.raw_vmo_size, 205 * kPage);
}

TEST(PAD2, APageBeyondTheImageIsProvidedBehindTheSize) {
  Constraints c = Pad();
  c.image_formats[0].pad_beyond_image_size_bytes = kPage;
  const Plan plan = Agreed({c, c});
  EXPECT_EQ(plan.settings.buffer.size_bytes, 835200u);
  EXPECT_EQ(plan.settings.buffer.raw_vmo_size, 205 * kPage);
}

TEST(FUZZ1, OneFormatTwiceFailsHoweverItsColorSpacesCouldBeReconciled) {
  Constraints twice = CpuImages({Image(pf::kNv12, {cs::kRec601Ntsc}), Nv12()});
  twice.memory = MemoryConstraints{.min_size_bytes = kPage, .cpu_domain_supported = true};
  Constraints once = CpuImages({Nv12()});
  once.memory = twice.memory;
  EXPECT_TRUE(Fails({twice, once}));
  EXPECT_TRUE(Fails({once, twice}));
}

TEST(WorkedConsequence20, ATooLargeBufferIsAnEmptyIntersectionNotAMemoryShortage) {
  EXPECT_TRUE(Fails({CpuBytes(300 * kMiB)}));
}

TEST(WorkedConsequence21, NoneUsageAllocatesOnlyWherePermitted) {
  Constraints none = CpuBytes(kPage);
  none.usage = BufferUsage{.none = kNoneUsage};
  EXPECT_TRUE(Fails({none, none}));
  Constraints permits = none;
  permits.usage->none |= kNoneUsagePermitAllocation;
  EXPECT_FALSE(Fails({none, permits}));
}

TEST(WorkedConsequence33, AContradictionInOneCommonFormatFailsEverything) {
  ImageFormatConstraints wide = Rgba();
  wide.min_size = {100, 100};
  ImageFormatConstraints narrow = Rgba();
  narrow.max_size = {50, 50};
  ImageFormatConstraints fine = Nv12();
  fine.min_size = {8, 8};
  EXPECT_TRUE(Fails({CpuImages({wide, fine}), CpuImages({narrow, fine})}));
  EXPECT_FALSE(Fails({CpuImages({fine}), CpuImages({narrow, fine})}));
}

TEST(WorkedConsequence36, ADisplayGetsRamWhereEverybodySupportsIt) {
  Constraints c = CpuBytes(kPage);
  c.usage = BufferUsage{.display = 1};
  EXPECT_EQ(Agreed({c}).settings.buffer.coherency_domain, CoherencyDomain::kRam);
}

TEST(WorkedConsequence37, TwoCpuUsersWhoSayNothingElseGetTheCpuDomain) {
  Constraints c;
  c.usage = CpuReadWrite();
  c.min_buffer_count = 1;
  c.memory = MemoryConstraints{.min_size_bytes = kPage};
  Constraints silent;
  silent.usage = CpuReadWrite();
  EXPECT_EQ(Agreed({c, silent}).settings.buffer.coherency_domain, CoherencyDomain::kCpu);
}

TEST(WorkedConsequence38, ACpuUserAndARamOnlyOneHaveNoDomainInCommon) {
  Constraints ram = CpuBytes(kPage);
  ram.usage = BufferUsage{.display = 1};
  ram.memory->cpu_domain_supported = false;
  ram.memory->inaccessible_domain_supported = false;
  EXPECT_TRUE(Fails({CpuBytes(kPage), ram}));
}

TEST(WorkedConsequence39, DivisorsOf6And8Make24) {
  ImageFormatConstraints six = Image(pf::kR8, {cs::kSrgb});
  six.min_size = {1, 1};
  six.bytes_per_row_divisor = 6;
  ImageFormatConstraints eight = six;
  eight.bytes_per_row_divisor = 8;
  EXPECT_EQ(ImageOf(Agreed({CpuImages({six}), CpuImages({eight})})).bytes_per_row_divisor, 24u);
}

TEST(WorkedConsequences40And41, TheDeprecatedSizeIsABoxAndTheListIsNot) {
  ImageFormatConstraints flat = Image(pf::kR8, {cs::kSrgb});
  ImageFormatConstraints tall = flat;
  flat.required_max_size = {100, 10};
  tall.required_max_size = {10, 100};
  EXPECT_EQ(Agreed({CpuImages({flat}), CpuImages({tall})}).settings.buffer.size_bytes, 10000u);
  flat.required_max_size_list = {*flat.required_max_size};
  tall.required_max_size_list = {*tall.required_max_size};
  flat.required_max_size.reset();
  tall.required_max_size.reset();
  EXPECT_EQ(Agreed({CpuImages({flat}), CpuImages({tall})}).settings.buffer.size_bytes, 1000u);
}

}  // namespace
}  // namespace sysmem::core
