// SPDX-License-Identifier: Apache-2.0
//
// `sysmemctl why` names who is in the way, of a real daemon.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <sysmem/sysmem.hpp>

#include "tests/support/eventually.h"
#include "tests/tools/sysmemctl/program_fixture.h"

namespace sysmem::ctl {
namespace {

using nlohmann::json;
using testing::Eventually;
using ::testing::HasSubstr;
using testing::kPatience;
using ::testing::Not;

class WhyProgram : public ProgramTest {
 protected:
  WhyProgram() : ProgramTest("camera") {}
  void SetUp() override {
    ProgramTest::SetUp();
    root_.emplace(*client().CreateToken());
    id_ = *root_->GetBufferCollectionId();
  }
  static Constraints Needs(uint64_t min_size, std::optional<uint64_t> max_size = std::nullopt) {
    return {.usage = Usage{.cpu = SYSMEM_CPU_USAGE_WRITE},
            .min_buffer_count_for_camping = 1,
            .memory = MemoryConstraints{.min_size_bytes = min_size, .max_size_bytes = max_size}};
  }
  std::string Why() {
    EXPECT_TRUE(client().Roundtrip().ok());
    return Run({"why", std::to_string(id_)});
  }
  json WhyJson() {
    EXPECT_TRUE(client().Roundtrip().ok());
    return json::parse(Run({"--json", "why", std::to_string(id_)}));
  }

  std::optional<Token> root_;
  uint64_t id_ = 0;
};

TEST_F(WhyProgram, NamesTheTokenThatNobodyBound) {
  Token second = *root_->Duplicate();
  auto camera = std::move(*root_).Bind();
  ASSERT_TRUE(camera->SetConstraints(Needs(4096)).ok());
  const std::string text = Why();
  EXPECT_THAT(text, HasSubstr("Allocation waits for 1 of 2 nodes:\n"));
  EXPECT_THAT(text, HasSubstr(Me()));
  EXPECT_THAT(text, HasSubstr("it has not been bound (BindSharedCollection), released or closed"));
  const json reasons = WhyJson();
  ASSERT_EQ(reasons["waits_for"].size(), 1u) << reasons.dump(2);
  EXPECT_EQ(reasons["waits_for"][0]["missing"], "bind");
  EXPECT_EQ(reasons["waits_for"][0]["holder"]["pid"], ::getpid());
}

TEST_F(WhyProgram, DoesNotAccuseAttachedTokensThatNobodyWaitsFor) {
  const Token other = *root_->Duplicate();
  auto camera = std::move(*root_).Bind();
  ASSERT_TRUE(camera->SetConstraints(Needs(4096)).ok());
  Token late = *camera->AttachToken();
  ASSERT_TRUE(late.SetDebugClientInfo("late", 1).ok());
  Token below = *late.Duplicate();
  ASSERT_TRUE(below.SetDebugClientInfo("below", 2).ok());
  const std::string text = Why();
  EXPECT_THAT(text, HasSubstr("Allocation waits for 1 of 4 nodes:\n"));
  EXPECT_THAT(text, Not(HasSubstr("\"late")));
  EXPECT_THAT(text, Not(HasSubstr("\"below")));
  EXPECT_EQ(WhyJson()["waits_for"].size(), 1u);
  // And nobody is painted red in the tree but the one.
  const std::string dot = Run({"tree", "--dot", std::to_string(id_)});
  const size_t red = dot.find("fontcolor=red");
  EXPECT_NE(red, std::string::npos) << dot;
  EXPECT_EQ(dot.rfind("fontcolor=red"), red) << dot;
}

TEST_F(WhyProgram, NamesTheCollectionThatHasNotSaidItsConstraintsAndWhoWaitsForIt) {
  auto display = std::move(*root_->Duplicate()).Bind();
  ASSERT_TRUE(display->SetDebugClientInfo("display", 1).ok());
  auto camera = std::move(*root_).Bind();
  ASSERT_TRUE(camera->SetConstraints(Needs(4096)).ok());
  auto wait = camera->StartWait(kPatience);
  ASSERT_TRUE(wait.ok());
  ASSERT_TRUE(
      Eventually([&] { return Why().find("Waiting for their buffers") != std::string::npos; }));
  const std::string text = Why();
  EXPECT_THAT(text, HasSubstr("\"display"));
  EXPECT_THAT(text, HasSubstr("it has not said what it needs (SetConstraints)"));
  EXPECT_THAT(text, HasSubstr("Waiting for their buffers meanwhile:\n"));
  EXPECT_EQ(WhyJson()["waits_for"][0]["missing"], "constraints");
}

TEST_F(WhyProgram, NamesATokenThatIsOnItsWayToSomebody) {
  Token second = *root_->Duplicate();
  auto end = std::move(second).Export();
  ASSERT_TRUE(end.ok()) << end.failure().text;
  EXPECT_THAT(Why(), HasSubstr("travelling since "));
  const json reasons = WhyJson();
  EXPECT_EQ(reasons["waits_for"].size(), 2u) << "and the root";
  EXPECT_THAT(reasons.dump(), HasSubstr("\"missing\":\"import\""));
}

TEST_F(WhyProgram, TellsARefusalWithItsCulprits) {
  auto display = std::move(*root_->Duplicate()).Bind();
  auto camera = std::move(*root_).Bind();
  ASSERT_TRUE(camera->SetDebugClientInfo("camera", 1).ok());
  ASSERT_TRUE(display->SetDebugClientInfo("display", 2).ok());
  ASSERT_TRUE(camera->SetConstraints(Needs(9000)).ok());
  ASSERT_TRUE(display->SetConstraints(Needs(1, 8000)).ok());
  const std::string text = Why();
  EXPECT_THAT(text, HasSubstr("failure: constraints intersection empty: "));
  EXPECT_THAT(text, HasSubstr("The smallest conflict is between 2 of 2 participants"));
  EXPECT_EQ(WhyJson()["failure"]["field"], "buffer_memory_constraints.min_size_bytes");
}

TEST_F(WhyProgram, TellsWhyTheResultWon) {
  auto camera = std::move(*root_).Bind();
  ASSERT_TRUE(camera->SetConstraints(Needs(9000)).ok());
  ASSERT_TRUE(camera->Wait(kPatience).ok());
  const std::string text = Why();
  EXPECT_THAT(text, HasSubstr("\nWhy:\n"));
  EXPECT_THAT(text, HasSubstr("Buffer size 9000 bytes: the largest min_size_bytes"));
  EXPECT_THAT(text, Not(HasSubstr("Allocation waits")));
}

TEST_F(WhyProgram, NamesWhoKeepsBuffersThatOutlivedTheirCollection) {
  auto camera = std::move(*root_).Bind();
  ASSERT_TRUE(camera->SetConstraints(Needs(4096)).ok());
  auto buffers = camera->Wait(kPatience);
  ASSERT_TRUE(buffers.ok());
  ASSERT_TRUE(camera->Release().ok());
  { const auto gone = *std::move(camera); }
  ASSERT_TRUE(Eventually([&] { return Why().find(", outlived, ") != std::string::npos; }));
  const std::string text = Why();
  EXPECT_THAT(text, HasSubstr("HELD BY"));
  EXPECT_THAT(text, HasSubstr(Me()));
}

TEST_F(WhyProgram, OfNothingSaysThatThereIsNothing) {
  const testing::Ended ended = Try({"why", "18446744073709551615"});
  EXPECT_EQ(ended.exit_code, 4);
  EXPECT_THAT(ended.output, HasSubstr("no collection and no session"));
}

}  // namespace
}  // namespace sysmem::ctl
