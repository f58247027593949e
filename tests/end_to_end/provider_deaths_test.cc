// SPDX-License-Identifier: Apache-2.0
//
// Some deaths of providers; more of them in provider_deaths_soak_test.cc.
#include "tests/end_to_end/provider_deaths.h"

#include <gtest/gtest.h>

namespace sysmem::testing {
namespace {

TEST(SixtyDeathsOfProviders, HarmNobodyElse) { ExpectDeathsHarmNobodyElse(60); }

}  // namespace
}  // namespace sysmem::testing
