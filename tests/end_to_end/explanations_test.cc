// SPDX-License-Identifier: Apache-2.0
//
// Why there are no buffers, or these: what a program is told through the library, and what the
// inspector shows, by a real daemon.
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "tests/end_to_end/library_fixture.h"
#include "tests/support/eventually.h"

namespace sysmem::testing {
namespace {

using Json = nlohmann::json;

class Explanations : public LibraryTest {
 protected:
  // A camera and a display with a collection in common.
  void SetUp() override {
    LibraryTest::SetUp();
    auto root = client().CreateToken();
    SYSMEM_ASSERT_OK(root);
    auto second = root->Duplicate();
    SYSMEM_ASSERT_OK(second);
    auto camera = std::move(*root).Bind();
    SYSMEM_ASSERT_OK(camera);
    camera_.emplace(*std::move(camera));
    auto display = std::move(*second).Bind();
    SYSMEM_ASSERT_OK(display);
    display_.emplace(*std::move(display));
    SYSMEM_EXPECT_OK(camera_->SetDebugClientInfo("camera", 1));
    SYSMEM_EXPECT_OK(display_->SetDebugClientInfo("display", 2));
    auto id = camera_->GetBufferCollectionId();
    SYSMEM_ASSERT_OK(id);
    id_ = *id;
  }

  Json Show() {
    auto shown = client().Inspect("ShowCollection",
                                  Json{{"buffer_collection_id", std::to_string(id_)}}.dump());
    EXPECT_TRUE(shown.ok()) << shown.failure().text;
    return shown.ok() ? Json::parse(*shown) : Json::object();
  }

  sysmem::Collection& camera() { return *camera_; }
  sysmem::Collection& display() { return *display_; }

 private:
  std::optional<sysmem::Collection> camera_;
  std::optional<sysmem::Collection> display_;
  uint64_t id_ = 0;
};

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(Explanations, TellAProgramWhoIsInTheWay) {
  sysmem::Constraints large = WriterNeeds(1, 9000);
  sysmem::Constraints small = ReaderNeeds();
  small.memory = sysmem::MemoryConstraints{.max_size_bytes = 8000};
  SYSMEM_EXPECT_OK(camera().SetConstraints(large));
  auto wait = camera().StartWait(Patience());
  SYSMEM_ASSERT_OK(wait);
  SYSMEM_EXPECT_OK(display().SetConstraints(small));
  SYSMEM_EXPECT_OK(client().Flush());
  const auto outcome = wait->Finish(Patience());
  ASSERT_FALSE(outcome.ok());
  const sysmem::Failure& failure = outcome.failure();
  EXPECT_EQ(failure.error, sysmem::Error::kConstraintsIntersectionEmpty);
  EXPECT_EQ(failure.field, "buffer_memory_constraints.min_size_bytes");
  EXPECT_EQ(
      failure.message,
      "min_size_bytes 9000 is greater than max_size_bytes 8000: \"camera (was library_test)\" has "
      "min_size_bytes 9000; \"display (was library_test)\" has max_size_bytes 8000");
  EXPECT_TRUE(Contains(
      failure.report,
      "The smallest conflict is between 2 of 2 participants: \"camera (was library_test)\": "
      "min_size_bytes 9000; \"display (was library_test)\": max_size_bytes 8000."))
      << failure.report;
  EXPECT_TRUE(Contains(failure.text, failure.report)) << failure.text;

  const Json shown = Show();
  EXPECT_EQ(shown["summary"]["state"], "COLLECTION_STATE_FAILED");
  EXPECT_EQ(shown["nodes"].size(), 2u);
  EXPECT_EQ(shown["explanation"], failure.message + "\n" + failure.report);
}

// The display's constraints decide, so its wait finds the collection gone already.
TEST_F(Explanations, ReachWhoWaitsBehindTheConstraintsThatDecide) {
  SYSMEM_EXPECT_OK(camera().SetConstraints(WriterNeeds(1, 9000)));
  SYSMEM_EXPECT_OK(client().Flush());
  sysmem::Constraints small = ReaderNeeds();
  small.memory = sysmem::MemoryConstraints{.max_size_bytes = 8000};
  SYSMEM_EXPECT_OK(display().SetConstraints(small));
  const auto outcome = display().Wait(Patience());
  ASSERT_FALSE(outcome.ok());
  const sysmem::Failure& failure = outcome.failure();
  EXPECT_EQ(failure.status, sysmem::Status::kClosed);
  EXPECT_EQ(failure.field, "buffer_memory_constraints.min_size_bytes");
  EXPECT_EQ(failure.participants.size(), 2u);
  EXPECT_TRUE(Contains(failure.message, "min_size_bytes 9000 is greater than max_size_bytes 8000"))
      << failure.message;
  EXPECT_TRUE(Contains(failure.report, "The smallest conflict is between 2 of 2 participants"))
      << failure.report;
}

TEST_F(Explanations, ReachWhoWaitsAfterTheDaemonHasClosedItsCollection) {
  SYSMEM_EXPECT_OK(camera().SetConstraints(WriterNeeds(1, 9000)));
  sysmem::Constraints small = ReaderNeeds();
  small.memory = sysmem::MemoryConstraints{.max_size_bytes = 8000};
  SYSMEM_EXPECT_OK(display().SetConstraints(small));
  SYSMEM_EXPECT_OK(client().Flush());
  ASSERT_TRUE(Eventually([&] {
    SYSMEM_EXPECT_OK(client().Roundtrip());
    return display().is_closed();
  }));
  const auto outcome = display().Wait(Patience());
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.failure().status, sysmem::Status::kClosed);
  EXPECT_EQ(outcome.failure().error, sysmem::Error::kConstraintsIntersectionEmpty);
  EXPECT_EQ(outcome.failure().participants.size(), 2u);
  const auto checked = display().Check();
  ASSERT_FALSE(checked.ok());
  EXPECT_EQ(checked.failure().error, sysmem::Error::kConstraintsIntersectionEmpty);
}

TEST_F(Explanations, TellWhyThereAreTheseBuffers) {
  SYSMEM_EXPECT_OK(camera().SetConstraints(WriterNeeds(3, 9000)));
  SYSMEM_EXPECT_OK(display().SetConstraints(ReaderNeeds(2)));
  auto buffers = camera().Wait(Patience());
  SYSMEM_ASSERT_OK(buffers);
  EXPECT_EQ(buffers->count(), 5u);
  const std::string explanation = Show()["explanation"];
  EXPECT_TRUE(Contains(
      explanation,
      "\nBuffer count 5: camping 5 + dedicated slack 0 + shared slack 0 "
      "(\"camera (was library_test)\": camping 3; \"display (was library_test)\": camping 2)."))
      << explanation;
  EXPECT_TRUE(Contains(explanation,
                       "\nBuffer size 9000 bytes: the largest min_size_bytes (\"camera (was "
                       "library_test)\": 9000)."))
      << explanation;
}

}  // namespace
}  // namespace sysmem::testing
