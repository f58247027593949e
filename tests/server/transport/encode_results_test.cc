// SPDX-License-Identifier: Apache-2.0
//
// Every kind of result in the reply of its method, and failures.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/report.h"
#include "server/transport/results.h"
#include "tests/server/transport/wire.h"

namespace sysmem::server::transport {
namespace {

constexpr uint64_t kOrder = 31;

template <typename ReplyMessage>
ReplyMessage Answer(OperationResult result) {
  auto reply = Decode<ReplyMessage>(
      EncodeReply<ReplyMessage>({.order = kOrder, .results = {std::move(result)}}));
  EXPECT_EQ(reply.order(), kOrder);
  return reply;
}

TEST(Replies, AcknowledgeOneWayMethods) {
  EXPECT_TRUE(Answer<sysmem2::Ack>(core::Nothing{}).has_result());
  EXPECT_TRUE(Answer<sysmem2::SyncReply>(core::Nothing{}).has_result());
  EXPECT_TRUE(Answer<sysmem2::CheckAllBuffersAllocatedReply>(core::Nothing{}).has_result());
}

TEST(Replies, NameExportedNodesByDescriptor) {
  const auto plain = Answer<sysmem2::CreateReply>(core::Nothing{});
  EXPECT_TRUE(plain.has_result());
  EXPECT_FALSE(plain.result().has_descriptor_number());
  EXPECT_EQ(
      Answer<sysmem2::CreateReply>(ExportedNodes{.descriptors = {5}}).result().descriptor_number(),
      5u);
  EXPECT_EQ(
      Answer<sysmem2::ExportReply>(ExportedNodes{.descriptors = {6}}).result().descriptor_number(),
      6u);
  const auto many = Answer<sysmem2::DuplicateSyncReply>(ExportedNodes{.descriptors = {7, 8}});
  EXPECT_EQ(many.result().descriptor_numbers(0), 7u);
  EXPECT_EQ(many.result().descriptor_numbers(1), 8u);
  EXPECT_TRUE(Answer<sysmem2::DuplicateSyncReply>(core::Nothing{}).has_result());
}

TEST(Replies, SayWhetherATokenIsKnownAndWhichCollectionItIs) {
  using Known = sysmem2::ValidateBufferCollectionTokenReply;
  EXPECT_TRUE(Answer<Known>(TokenKnown{true}).result().is_known());
  EXPECT_TRUE(Answer<Known>(TokenKnown{false}).has_result());
  EXPECT_FALSE(Answer<Known>(TokenKnown{false}).result().is_known());
  EXPECT_EQ(
      Answer<sysmem2::GetBufferCollectionIdReply>(uint64_t{12}).result().buffer_collection_id(),
      12u);
}

GrantedBuffers ThreeBuffers() {
  GrantedBuffers granted;
  granted.plan.buffer_count = 3;
  granted.plan.settings.buffer = {.size_bytes = 1000,
                                  .coherency_domain = core::CoherencyDomain::kRam,
                                  .heap = {core::kHeapSystemRam, 0},
                                  .raw_vmo_size = 4096};
  granted.plan.settings.image_format = core::ImageFormatConstraints{
      .pixel_format = 104, .pixel_format_modifier = 0, .color_spaces = {6}};
  granted.buffer_collection_id = 17;
  granted.descriptors = {21, 22, 23};
  granted.hand_out.read_only = true;
  granted.hand_out.read_only_enforced = true;
  granted.hand_out.heap.reduces_rights = true;
  return granted;
}

TEST(Replies, CarryBuffersWithTheirSettings) {
  const auto reply = Answer<sysmem2::WaitForAllBuffersAllocatedReply>(ThreeBuffers());
  const sysmem2::BufferCollectionInfo& info = reply.result().buffer_collection_info();
  EXPECT_EQ(info.buffer_collection_id(), 17u);
  ASSERT_EQ(info.buffers_size(), 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(info.buffers(i).vmo(), 21u + static_cast<uint64_t>(i));
    EXPECT_TRUE(info.buffers(i).has_vmo_usable_start());
    EXPECT_FALSE(info.buffers(i).has_close_weak_asap());
  }
  const sysmem2::BufferMemorySettings& memory = info.settings().buffer_settings();
  EXPECT_EQ(memory.size_bytes(), 1000u);
  EXPECT_EQ(memory.raw_vmo_size(), 4096u);
  EXPECT_EQ(memory.coherency_domain(), sysmem2::COHERENCY_DOMAIN_RAM);
  EXPECT_EQ(memory.heap().heap_type(), core::kHeapSystemRam);
  EXPECT_TRUE(memory.heap().has_id());
  EXPECT_TRUE(memory.has_is_secure());
  EXPECT_TRUE(memory.has_is_physically_contiguous());
  EXPECT_EQ(info.settings().image_format_constraints().pixel_format(), 104u);
  EXPECT_TRUE(info.settings().image_format_constraints().has_pixel_format_modifier());
  EXPECT_TRUE(info.hand_out().read_only());
  EXPECT_TRUE(info.hand_out().read_only_enforced());
  EXPECT_TRUE(info.hand_out().heap_abilities().reduces_rights());
  EXPECT_FALSE(info.hand_out().heap_abilities().reports_end());
}

TEST(Replies, CountBuffersForAParticipantThatGetsNone) {
  GrantedBuffers granted = ThreeBuffers();
  granted.descriptors.clear();
  granted.plan.settings.image_format.reset();
  const auto reply = Answer<sysmem2::WaitForAllBuffersAllocatedReply>(granted);
  const sysmem2::BufferCollectionInfo& info = reply.result().buffer_collection_info();
  ASSERT_EQ(info.buffers_size(), 3);
  EXPECT_FALSE(info.buffers(0).has_vmo());
  EXPECT_FALSE(info.settings().has_image_format_constraints());
}

TEST(Replies, CarryFailuresWithEverythingKnown) {
  const core::Failure failure{
      .outcome = core::Outcome::kError,
      .error = core::Error::kConstraintsIntersectionEmpty,
      .rule = "C11",
      .field = "min_buffer_count",
      .message = "nobody can have that many",
      .participants = {{.node = 4, .name = "camera", .value = "64"}, {.value = "3"}}};
  const auto reply = Answer<sysmem2::WaitForAllBuffersAllocatedReply>(failure);
  EXPECT_FALSE(reply.has_result());
  EXPECT_EQ(reply.failure().outcome(), sysmem2::OUTCOME_ERROR);
  EXPECT_EQ(reply.failure().error(), sysmem2::ERROR_CONSTRAINTS_INTERSECTION_EMPTY);
  EXPECT_EQ(reply.failure().rule(), "C11");
  EXPECT_EQ(reply.failure().field(), "min_buffer_count");
  EXPECT_EQ(reply.failure().message(), "nobody can have that many");
  ASSERT_EQ(reply.failure().participants_size(), 2);
  EXPECT_EQ(reply.failure().participants(0).name(), "camera");
  EXPECT_EQ(reply.failure().participants(0).value(), "64");
}

TEST(Replies, CarryReportsWithTheCountOfWhatWasLeftOut) {
  core::Failure failure{.error = core::Error::kConstraintsIntersectionEmpty};
  EXPECT_FALSE(Answer<sysmem2::Ack>(failure).failure().has_report());
  failure.report_text = std::make_shared<core::ReportText>(core::ReportText{"One.\nTwo.", 7});
  const auto reply = Answer<sysmem2::Ack>(failure);
  EXPECT_EQ(reply.failure().report(), "One.\nTwo.");
  EXPECT_EQ(reply.failure().report_sentences_left_out(), 7u);
}

TEST(Replies, HaveAnErrorOnlyWhereTheServiceSaysOne) {
  const struct {
    core::Outcome outcome;
    sysmem2::Outcome wire;
    bool has_error;
  } rows[] = {
      {core::Outcome::kError, sysmem2::OUTCOME_ERROR, true},
      {core::Outcome::kRefused, sysmem2::OUTCOME_REFUSED, true},
      {core::Outcome::kClosed, sysmem2::OUTCOME_CLOSED, false},
      {core::Outcome::kCancelled, sysmem2::OUTCOME_CANCELLED, false},
      {core::Outcome::kUnimplemented, sysmem2::OUTCOME_UNIMPLEMENTED, false},
  };
  for (const auto& row : rows) {
    const auto reply = Answer<sysmem2::Ack>(core::Failure{.outcome = row.outcome});
    EXPECT_EQ(reply.failure().outcome(), row.wire);
    EXPECT_EQ(reply.failure().has_error(), row.has_error);
  }
}

TEST(Replies, TellThoseWhoComeAfterAFailedAllocationWhichErrorItWas) {
  const auto reply = Answer<sysmem2::Ack>(
      core::Failure{.outcome = core::Outcome::kClosed, .error = core::Error::kNoMemory});
  EXPECT_EQ(reply.failure().outcome(), sysmem2::OUTCOME_CLOSED);
  EXPECT_EQ(reply.failure().error(), sysmem2::ERROR_NO_MEMORY);
}

TEST(Replies, SpellErrorsAsTheCoreDoes) {
  for (uint32_t i = 1; i <= 9; ++i) {
    const auto error = static_cast<core::Error>(i);
    const auto reply = Answer<sysmem2::Ack>(core::Failure{.error = error});
    EXPECT_EQ(sysmem2::Error_Name(reply.failure().error()),
              std::string("ERROR_") + core::ErrorName(error));
  }
}

TEST(Replies, CanBeParsedWhateverStandsInNames) {
  const auto reply = Answer<sysmem2::Ack>(
      core::Failure{.message = std::string(5000, '\xe6'),
                    .participants = {{.name = "cut \xe6\x97", .value = "\xff"}}});
  EXPECT_EQ(reply.failure().participants(0).name(), "cut \ufffd\ufffd");
  EXPECT_LT(reply.failure().message().size(), 1024u);
}

TEST(Replies, AreAFailureWhenTheResultIsNotTheMethods) {
  EXPECT_EQ(Answer<sysmem2::GetBufferCollectionIdReply>(core::Nothing{}).failure().error(),
            sysmem2::ERROR_UNSPECIFIED);
  EXPECT_TRUE(Answer<sysmem2::Ack>(uint64_t{1}).has_failure());
  const auto none = Decode<sysmem2::Ack>(EncodeReply<sysmem2::Ack>({.order = 1}));
  EXPECT_TRUE(none.has_failure());
}

}  // namespace
}  // namespace sysmem::server::transport
