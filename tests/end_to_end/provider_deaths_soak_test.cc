// SPDX-License-Identifier: Apache-2.0
//
// Many more deaths than in provider_deaths_test.cc.
#include <gtest/gtest.h>

#include "tests/end_to_end/provider_deaths.h"

namespace sysmem::testing {
namespace {

TEST(AThousandDeathsOfProviders, HarmNobodyElse) { ExpectDeathsHarmNobodyElse(1000); }

}  // namespace
}  // namespace sysmem::testing
