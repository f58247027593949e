// SPDX-License-Identifier: Apache-2.0
//
// The negotiation against trying everything: over tiny domains each possible outcome is held
// against the constraints of each participant, in words of the test's own, and both must agree on
// whether there is one (and for formats, which). Bounds that clash inside one of several common
// formats are left out: there the rules give up although another format would do (IMG-1, FMT-3).
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "tests/core/random_constraints.h"

namespace sysmem::core::recipes {

// Compares both answers on many random sets of one to three participants.
template <typename Draw, typename Exists>
void Compare(Draw draw, Exists exists, int rounds = 20000, const Settings& settings = Machine()) {
  const uint32_t seed = Seed();
  SCOPED_TRACE("SYSMEM_TEST_SEED=" + std::to_string(seed));
  RandomConstraints random(seed);
  int satisfiable = 0;
  for (int round = 0; round < rounds; ++round) {
    std::vector<Constraints> all(random.Pick(1, 3));
    for (Constraints& one : all) one = draw(random);
    const Result<Plan> plan = Ask(all, settings);
    const bool expected = exists(all, plan);
    satisfiable += expected;
    ASSERT_EQ(plan.ok(), expected) << "round " << round << " " << RuleOf(plan) << " "
                                   << (plan.ok() ? "" : plan.failure().message);
    ASSERT_FALSE(testing::Test::HasFailure()) << "round " << round;
  }
  // Else the law was tried on nothing.
  EXPECT_GT(satisfiable, rounds / 20);
  EXPECT_LT(satisfiable, rounds - rounds / 20);
}

}  // namespace sysmem::core::recipes
