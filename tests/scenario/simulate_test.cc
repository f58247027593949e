// SPDX-License-Identifier: Apache-2.0
#include "scenario/simulate.h"

#include <gtest/gtest.h>

#include <variant>

#include "scenario/image_facts.h"

namespace sysmem::scenario {
namespace {

// A scenario and what came of it, by name.
class Played {
 public:
  explicit Played(const std::string& text) : scenario_(Read(text)), outcome_(Simulate(scenario_)) {}

  const Outcome& outcome() const { return outcome_; }
  const NodeOutcome& Of(const std::string& name) const {
    for (size_t i = 0; i < scenario_.nodes.size(); ++i) {
      if (scenario_.nodes[i].name == name) return outcome_.nodes[i];
    }
    ADD_FAILURE() << "nobody is called " << name;
    return outcome_.nodes[0];
  }
  Fate FateOf(const std::string& name) const { return Of(name).fate; }
  std::string RuleFor(const std::string& name) const {
    return Of(name).failure ? Of(name).failure->rule : "";
  }

 private:
  static Scenario Read(const std::string& text) {
    Mistakes mistakes("f");
    std::optional<Scenario> scenario = ReadScenario(text, mistakes);
    EXPECT_TRUE(scenario) << mistakes.ToString();
    return scenario.value_or(Scenario{.nodes = {Node{}}});
  }

  Scenario scenario_;
  Outcome outcome_;
};

// A participant that reads or writes buffers of at least this size with the CPU.
std::string Participant(const std::string& name, const std::string& more = "",
                        const std::string& bytes = "4096") {
  return "[[participants]]\nname = \"" + name + "\"\n" + more +
         "\nusage = { cpu = [\"READ\", \"WRITE\"] }\nmin_buffer_count_for_camping = 1\n"
         "buffer_memory_constraints = { min_size_bytes = " +
         bytes + ", max_size_bytes = " + bytes + " }\n";
}

TEST(Simulate, GivesEverybodyTheBuffersTheyAgreeOn) {
  const Played played(Participant("a") + Participant("b", "read_only = true"));
  ASSERT_TRUE(played.outcome().plan);
  EXPECT_EQ(played.outcome().plan->buffer_count, 2u);
  ASSERT_TRUE(played.Of("a").grant && played.Of("b").grant);
  EXPECT_TRUE(played.Of("a").grant->writable);
  EXPECT_FALSE(played.Of("b").grant->writable);
  EXPECT_TRUE(played.Of("b").grant->with_buffers);
}

TEST(Simulate, NamesThoseWhoDisagree) {
  const Played played(Participant("a") + Participant("b", "", "8192"));
  EXPECT_FALSE(played.outcome().plan);
  ASSERT_TRUE(played.outcome().failure);
  EXPECT_EQ(played.outcome().failure->error, core::Error::kConstraintsIntersectionEmpty);
  ASSERT_EQ(played.outcome().failure->participants.size(), 2u);
  EXPECT_EQ(played.outcome().failure->participants[1].name, "b");
  EXPECT_EQ(played.FateOf("a"), Fate::kFailed);
  EXPECT_EQ(played.RuleFor("b"), played.outcome().failure->rule);
}

TEST(Simulate, LetsAGroupFallBackToWhatWorks) {
  const Played played(Participant("a") + Participant("large", "", "8192") +
                      Participant("small", "", "4096") +
                      "[[groups]]\nname = \"g\"\nchildren = [\"large\", \"small\"]\n");
  ASSERT_TRUE(played.outcome().plan);
  EXPECT_EQ(played.FateOf("large"), Fate::kUnfit);
  EXPECT_EQ(played.FateOf("small"), Fate::kTakesPart);
  EXPECT_EQ(played.FateOf("g"), Fate::kTakesPart);
}

TEST(Simulate, TakesTheFirstAlternativeThatWorksInGroupsOfGroups) {
  const Played played(
      Participant("a") + Participant("large", "", "8192") + Participant("huge", "", "16384") +
      Participant("small") + Participant("last") +
      "[[groups]]\nname = \"outer\"\nchildren = [\"inner\", \"last\"]\n"
      "[[groups]]\nname = \"inner\"\nchildren = [\"large\", \"huge\", \"small\"]\n");
  ASSERT_TRUE(played.outcome().plan);
  EXPECT_EQ(played.FateOf("small"), Fate::kTakesPart);
  EXPECT_EQ(played.FateOf("huge"), Fate::kUnfit);
  EXPECT_EQ(played.FateOf("last"), Fate::kNotNeeded);
}

TEST(Simulate, ServesALateComerWhoFits) {
  const Played played(Participant("a", "min_buffer_count = 2") +
                      Participant("late", "attached = true"));
  ASSERT_TRUE(played.outcome().plan);
  EXPECT_EQ(played.outcome().plan->buffer_count, 2u);
  EXPECT_EQ(played.FateOf("late"), Fate::kTakesPart);
  EXPECT_TRUE(played.Of("late").grant);
}

TEST(Simulate, FailsOnlyTheLateComerWhoDoesNotFit) {
  const Played played(Participant("a") + Participant("late", "attached = true") +
                      Participant("with him", "parent = \"late\"") +
                      Participant("later still", "parent = \"late\"\nattached = true"));
  ASSERT_TRUE(played.outcome().plan);
  EXPECT_EQ(played.FateOf("a"), Fate::kTakesPart);
  EXPECT_EQ(played.FateOf("late"), Fate::kFailed);
  EXPECT_EQ(played.FateOf("with him"), Fate::kFailed);
  EXPECT_EQ(played.FateOf("later still"), Fate::kNeverCame);
  EXPECT_NE(played.RuleFor("late"), "");
}

TEST(Simulate, CountsWhoWasReleasedAndGivesHimNothing) {
  const Played played(Participant("a") + Participant("gone", "released = true") +
                      "[[participants]]\nname = \"silent\"\nreleased = true\n");
  ASSERT_TRUE(played.outcome().plan);
  EXPECT_EQ(played.outcome().plan->buffer_count, 2u);
  EXPECT_EQ(played.FateOf("gone"), Fate::kTakesPart);
  EXPECT_FALSE(played.Of("gone").grant);
  EXPECT_EQ(played.FateOf("silent"), Fate::kTakesPart);
}

TEST(Simulate, ServesAWeakParticipantAndWhoIsBelowIt) {
  const Played played(Participant("a") + Participant("weak", "weak = true") +
                      Participant("child", "parent = \"weak\""));
  ASSERT_TRUE(played.outcome().plan);
  EXPECT_TRUE(played.Of("weak").grant);
  EXPECT_TRUE(played.Of("child").grant);
}

TEST(Simulate, FailsWhereOnlyWeakOnesAreLeft) {
  const Played played(Participant("a", "weak = true") + Participant("b", "weak = true"));
  ASSERT_TRUE(played.outcome().failure);
  EXPECT_EQ(played.outcome().failure->rule, "WEAK-3");
}

TEST(Simulate, TellsAllThatWasSaidAndAnswered) {
  const Played played(Participant("a"));
  const auto& steps = played.outcome().steps;
  ASSERT_FALSE(steps.empty());
  EXPECT_TRUE(std::holds_alternative<core::event::CreateRoot>(steps.front().event));
  const auto answers = [](const Step& step) {
    size_t count = 0;
    for (const core::Effect& effect : step.effects) {
      count += std::holds_alternative<core::effect::Answer>(effect);
    }
    return count;
  };
  size_t answered = 0;
  for (const Step& step : steps) answered += answers(step);
  EXPECT_EQ(answered, steps.size() - 1) << "all but AllocationFinished";
}

TEST(ImageFacts, AreThoseOfTheLargestRequiredImage) {
  core::ImageFormatConstraints image;
  image.pixel_format = 104;
  image.pixel_format_modifier = 0;
  image.min_size = {64, 64};
  image.size_alignment = {16, 16};
  image.bytes_per_row_divisor = 256;
  image.required_max_size_list = {{1920, 1080}, {1080, 1920}};
  const auto facts = FactsOf(image);
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->size, (core::SizeU{1088, 1920}));
  EXPECT_EQ(facts->bytes_per_row, 1280u);
  EXPECT_EQ(facts->bytes, 1280u * 1920 * 3 / 2);
  ASSERT_EQ(facts->planes.size(), 2u);
  EXPECT_EQ(facts->planes[1].offset, 1280u * 1920);
}

}  // namespace
}  // namespace sysmem::scenario
