// SPDX-License-Identifier: Apache-2.0
//
// Conformance: constraints as chance will have them (FUZZ), through the library, a daemon and back.
#include <gmock/gmock.h>

#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <ostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/end_to_end/conformance_recipes.h"
#include "tests/end_to_end/random_constraints.h"
#include "tests/support/eventually.h"

namespace sysmem::testing {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;

// A failure names its seed; with SYSMEM_FUZZ_SEED=<seed> it comes again.
uint64_t Seed() {
  const char* given = std::getenv("SYSMEM_FUZZ_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
}

// A failed negotiation says that it failed and why; nothing but the constraints may be the reason.
::testing::AssertionResult NamesItsReason(const sysmem::Failure& failure) {
  const bool is_known = failure.error == sysmem::Error::kConstraintsIntersectionEmpty ||
                        failure.error == sysmem::Error::kNoMemory;
  if (failure.status == sysmem::Status::kError && is_known && !failure.rule.empty() &&
      !failure.field.empty() && !failure.message.empty()) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << failure.text;
}

class RandomConstraints : public Conformance {
 protected:
  // Enough rounds to meet most rules; fewer where everything takes its time.
  static constexpr int kRounds = 400;
  static constexpr std::chrono::seconds kLongEnough{4};

  // So that no round waits for a gigabyte.
  RandomConstraints() : Conformance({.arguments = {"--max-buffer-size", "262144"}}) {}

  void SetUp() override {
    Conformance::SetUp();
    other();
    Play({Camp(1), Camp(1)});  // brings whatever is made once and kept
    ASSERT_TRUE(Eventually([this] {
      baseline_ = Take();
      return baseline_.IsNothing();
    }));
  }
  void TearDown() override {
    // Fewer descriptors too: what the first round left may not have been closed yet.
    EXPECT_TRUE(Eventually([this] {
      const Holdings now = Take();
      return now.IsNothing() && now.descriptors <= baseline_.descriptors;
    })) << "first "
        << baseline_ << "; now " << Take();
    Conformance::TearDown();
  }

  // Lets one participant after the other say what it needs, the second in the other session, and
  // holds what they get against it. Whether there were buffers.
  bool Play(const std::vector<sysmem::Constraints>& needs) {
    // As long as the root is not bound, everybody who waits is told the reason of a failure.
    sysmem::Token root = Root();
    std::vector<sysmem::Collection> collections;
    std::vector<sysmem::PendingWait> waits;
    for (const sysmem::Constraints& its_needs : needs) {
      sysmem::Token token = Dup(root);
      if (collections.empty()) {
        collections.push_back(*std::move(token).Bind());
      } else {
        collections.push_back(Bind(std::move(token)));
      }
      SYSMEM_EXPECT_OK(collections.back().SetConstraints(its_needs));
      waits.push_back(*collections.back().StartWait(Patience()));
    }
    SYSMEM_EXPECT_OK(other().Roundtrip());
    root.Reset();
    std::vector<sysmem::Result<sysmem::Buffers>> outcomes;
    for (sysmem::PendingWait& wait : waits) outcomes.push_back(wait.Finish(Patience()));
    return Judge(needs, outcomes);
  }

  // Plays until there were enough rounds, or it takes too long.
  template <typename Round>
  void Repeat(Round round) {
    const uint64_t seed = Seed();
    Chance chance(seed);
    const auto end = std::chrono::steady_clock::now() + kLongEnough;
    int allocated = 0;
    int rounds = 0;
    for (; rounds < kRounds && std::chrono::steady_clock::now() < end; ++rounds) {
      SCOPED_TRACE("SYSMEM_FUZZ_SEED=" + std::to_string(seed) + ", round " +
                   std::to_string(rounds));
      if (Play(round(chance))) ++allocated;
      if (HasFailure()) return;
    }
    // Otherwise these rounds tell less than it seems.
    EXPECT_GT(allocated, rounds / 40);
    EXPECT_LT(allocated, rounds - rounds / 40);
  }

 private:
  // What the daemon has.
  struct Holdings {
    uint64_t collections = 0;
    uint64_t nodes = 0;
    uint64_t buffers = 0;
    uint64_t descriptors = 0;
    // But for the sessions.
    bool IsNothing() const { return collections + nodes + buffers == 0; }
    friend std::ostream& operator<<(std::ostream& out, const Holdings& holdings) {
      return out << holdings.collections << " collections, " << holdings.nodes << " nodes, "
                 << holdings.buffers << " buffers, " << holdings.descriptors << " descriptors";
    }
  };

  static bool Judge(const std::vector<sysmem::Constraints>& needs,
                    const std::vector<sysmem::Result<sysmem::Buffers>>& outcomes) {
    const sysmem::Result<sysmem::Buffers>& first = outcomes.front();
    for (size_t i = 0; i < outcomes.size(); ++i) {
      SCOPED_TRACE("participant " + std::to_string(i));
      const sysmem::Result<sysmem::Buffers>& outcome = outcomes[i];
      EXPECT_EQ(outcome.ok(), first.ok());
      if (!outcome.ok()) {
        EXPECT_TRUE(NamesItsReason(outcome.failure()));
        if (!first.ok()) {
          EXPECT_EQ(outcome.failure().rule, first.failure().rule);
        }
        continue;
      }
      EXPECT_THAT(Complaints(needs[i], *outcome), IsEmpty());
      if (first.ok()) ExpectTheSame(*outcome, *first);
    }
    return first.ok();
  }

  static void ExpectTheSame(const sysmem::Buffers& one, const sysmem::Buffers& two) {
    EXPECT_EQ(one.collection_id(), two.collection_id());
    EXPECT_EQ(one.settings().raw_size_bytes, two.settings().raw_size_bytes);
    ASSERT_EQ(one.count(), two.count());
    for (size_t i = 0; i < one.count(); ++i) {
      if (one[i].fd < 0 || two[i].fd < 0) continue;  // of NONE usage
      EXPECT_EQ(one[i].inode, two[i].inode);
    }
  }

  Holdings Take() {
    auto answer = client().Inspect("GetStatus", "{}", Patience());
    EXPECT_TRUE(answer.ok());
    const nlohmann::json status = nlohmann::json::parse(answer.ok() ? *answer : "{}");
    const auto number = [](const nlohmann::json& object, const char* field) -> uint64_t {
      return object.contains(field) ? std::stoull(object[field].get<std::string>()) : 0;
    };
    // Descriptors open for what nobody has asked for yet come and go by themselves.
    uint64_t spare = 0;
    for (const nlohmann::json& limit : status["limits"]) {
      if (limit["name"] == "spare_descriptors") spare = number(limit, "used");
    }
    return {number(status, "collections"), number(status, "nodes"), number(status, "live_buffers"),
            number(status, "descriptors_open") - spare};
  }

  Holdings baseline_;
};

// Case FUZZ-2
TEST_F(RandomConstraints, OfOneParticipantBringWhatItAsksForOrAReason) {
  Repeat([](Chance& chance) { return std::vector{Changed(Reasonable(chance), chance)}; });
}

// Case FUZZ-2, with a second participant, who asks for much the same.
TEST_F(RandomConstraints, OfTwoParticipantsBringBothWhatTheyAskForOrTheSameReason) {
  Repeat([](Chance& chance) {
    const sysmem::Constraints both = Reasonable(chance);
    sysmem::Constraints first = Changed(both, chance);
    return std::vector{std::move(first), Changed(both, chance)};
  });
}

// That nothing was found wrong above means something.
TEST_F(RandomConstraints, AreNotTakenForMetByBuffersThatOthersAskedFor) {
  auto pages = Allocate(Camp(3));
  SYSMEM_ASSERT_OK(pages);
  EXPECT_THAT(Complaints(Camp(3), *pages), IsEmpty());
  EXPECT_THAT(Complaints(Camp(4), *pages),
              Contains("the buffers are fewer than camping and slack"));
  EXPECT_THAT(Complaints(Picky(2 * kPage), *pages), Contains("min_size_bytes"));
  EXPECT_THAT(Complaints(Heaps({"no such"}, true, true), *pages), Contains("permitted_heaps"));
  EXPECT_THAT(Complaints(Nv12(), *pages), Contains("there is no image"));
  auto images = Allocate(Nv12());
  SYSMEM_ASSERT_OK(images);
  EXPECT_THAT(Complaints(Nv12(), *images), IsEmpty());
  sysmem::Constraints other_rows = Nv12();
  other_rows.image_formats[0].bytes_per_row_divisor = 7;
  EXPECT_THAT(Complaints(other_rows, *images), Contains("bytes_per_row_divisor"));
  sysmem::Constraints other_format = Nv12();
  other_format.image_formats[0].pixel_format = SYSMEM_PIXEL_FORMAT_R8;
  EXPECT_THAT(Complaints(other_format, *images), Contains("nobody offered this format"));
}

}  // namespace
}  // namespace sysmem::testing
