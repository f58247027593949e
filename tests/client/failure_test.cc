// SPDX-License-Identifier: Apache-2.0
#include "client/failure.h"

#include <gmock/gmock.h>

#include <sysmem/result.hpp>

namespace sysmem::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

sysmem2::Failure Conflict() {
  sysmem2::Failure failure;
  failure.set_outcome(sysmem2::OUTCOME_ERROR);
  failure.set_error(sysmem2::ERROR_CONSTRAINTS_INTERSECTION_EMPTY);
  failure.set_rule("C16");
  failure.set_field("image_format_constraints[0].pixel_format");
  failure.set_message("no format suits everybody");
  sysmem2::ParticipantValue* seen = failure.add_participants();
  seen->set_name("decoder");
  seen->set_value("NV12 LINEAR");
  seen->set_command("demo");
  seen->set_pid(4711);
  seen->set_uid(1000);
  seen->set_node_id(12);
  failure.add_participants()->set_value("I420 LINEAR");
  failure.set_report("first line\nsecond line");
  return failure;
}

// The wire's failure, through the C interface, as a C++ program sees it.
sysmem::Failure Seen(const sysmem2::Failure& wire) {
  return detail::ToFailure(FailureView(FromWire(wire)).get());
}

TEST(Failure, ReachesTheProgramWithEverythingTheDaemonSaid) {
  const sysmem::Failure failure = Seen(Conflict());
  EXPECT_EQ(failure.status, Status::kError);
  EXPECT_EQ(failure.error, Error::kConstraintsIntersectionEmpty);
  EXPECT_EQ(failure.rule, "C16");
  EXPECT_EQ(failure.field, "image_format_constraints[0].pixel_format");
  EXPECT_EQ(failure.message, "no format suits everybody");
  EXPECT_EQ(failure.report, "first line\nsecond line");
  ASSERT_EQ(failure.participants.size(), 2u);
  EXPECT_EQ(failure.participants[0].name, "decoder");
  EXPECT_EQ(failure.participants[0].value, "NV12 LINEAR");
  EXPECT_EQ(failure.participants[0].command, "demo");
  EXPECT_EQ(failure.participants[0].pid, 4711);
  EXPECT_EQ(failure.participants[0].uid, 1000);
  EXPECT_EQ(failure.participants[0].node_id, 12u);
}

TEST(Failure, DoesNotInventWhatTheProgramMayNotSee) {
  const sysmem::Failure failure = Seen(Conflict());
  EXPECT_FALSE(failure.participants[1].pid);
  EXPECT_FALSE(failure.participants[1].uid);
  EXPECT_FALSE(failure.participants[1].node_id);
}

TEST(Failure, TellsOutcomesApart) {
  const std::pair<sysmem2::Outcome, Status> pairs[] = {
      {sysmem2::OUTCOME_ERROR, Status::kError},
      {sysmem2::OUTCOME_CLOSED, Status::kClosed},
      {sysmem2::OUTCOME_REFUSED, Status::kRefused},
      {sysmem2::OUTCOME_CANCELLED, Status::kCancelled},
      {sysmem2::OUTCOME_UNIMPLEMENTED, Status::kUnimplemented},
      {static_cast<sysmem2::Outcome>(77), Status::kError}};
  for (const auto& [outcome, status] : pairs) {
    sysmem2::Failure wire;
    wire.set_outcome(outcome);
    EXPECT_EQ(Seen(wire).status, status) << outcome;
    EXPECT_EQ(Seen(wire).error, Error::kNone) << "none was sent";
  }
}

TEST(Failure, DescribesItselfForAPerson) {
  const std::string text = Seen(Conflict()).ToString();
  EXPECT_THAT(text, HasSubstr("CONSTRAINTS_INTERSECTION_EMPTY: no format suits everybody"));
  EXPECT_THAT(text, HasSubstr("rule C16"));
  EXPECT_THAT(text, HasSubstr("decoder [pid 4711]: NV12 LINEAR"));
  EXPECT_THAT(text, HasSubstr("(unnamed): I420 LINEAR"));
  EXPECT_THAT(text, HasSubstr("\nsecond line"));
}

TEST(Failure, LetsNoControlCharacterOfAnotherProgramReachTheTerminal) {
  sysmem2::Failure wire;
  wire.set_outcome(sysmem2::OUTCOME_ERROR);
  wire.set_message(
      "a\x1b[31mb\xc2\x9b"
      "c");
  wire.add_participants()->set_name("x\ny");
  const std::string text = Seen(wire).ToString();
  EXPECT_THAT(text, HasSubstr("a\\x1b[31mb\\x9bc"));
  EXPECT_THAT(text, HasSubstr("x\\x0ay"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(Failure, KeepsTextThatIsNotAscii) {
  sysmem2::Failure wire;
  wire.set_message("größer");
  EXPECT_THAT(Seen(wire).ToString(), HasSubstr("größer"));
}

TEST(Failure, ThatIsNoneReadsAsOk) {
  EXPECT_EQ(sysmem_failure_status(nullptr), SYSMEM_OK);
  EXPECT_STREQ(sysmem_failure_message(nullptr), "");
  EXPECT_EQ(sysmem_failure_participant_count(nullptr), 0u);
  sysmem_failure_free(nullptr);
}

TEST(Failure, ACopyOutlivesTheOriginal) {
  sysmem_failure* copy = nullptr;
  {
    const FailureView original(FromWire(Conflict()));
    copy = sysmem_failure_copy(original.get());
  }
  EXPECT_STREQ(sysmem_failure_participant(copy, 0)->name, "decoder");
  sysmem_failure_free(copy);
}

TEST(Failure, NamesEveryStatus) {
  for (int status = SYSMEM_OK; status <= SYSMEM_SYSTEM; ++status) {
    EXPECT_STRNE(sysmem_status_name(static_cast<sysmem_status>(status)), "UNKNOWN") << status;
  }
  EXPECT_STREQ(sysmem_status_name(static_cast<sysmem_status>(15)), "UNKNOWN");
  for (uint32_t error = 0; error <= SYSMEM_ERROR_NO_MORE_STRONG_VMO_HANDLES; ++error) {
    EXPECT_STRNE(sysmem_error_name(error), "UNKNOWN") << error;
  }
  EXPECT_STREQ(sysmem_error_name(10), "UNKNOWN");
}

}  // namespace
}  // namespace sysmem::client
