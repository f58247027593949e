// SPDX-License-Identifier: Apache-2.0
#include "client/text.h"

#include <gtest/gtest.h>

namespace sysmem::client {
namespace {

TEST(Text, KnowsUtf8) {
  for (const char* text : {"", "abc", "größer", "\xe2\x82\xac", "\xf0\x9f\x8e\xac", "\x7f"}) {
    EXPECT_TRUE(IsUtf8(text)) << text;
  }
}

TEST(Text, KnowsWhatIsNotUtf8) {
  const std::string_view bad[] = {"\xff",
                                  "\x80",
                                  "a\xc3",
                                  "\xc0\xaf" /* overlong */,
                                  "\xe0\x80\x80" /* overlong */,
                                  "\xed\xa0\x80" /* surrogate */,
                                  "\xf4\x90\x80\x80" /* too large */,
                                  "\xf8\x88\x80\x80\x80"};
  for (const std::string_view text : bad) EXPECT_FALSE(IsUtf8(text)) << text;
}

TEST(Text, ReplacesOnlyWhatIsNotUtf8) {
  EXPECT_EQ(ValidUtf8("a\xff\xc3\xb6\xc3"), "a?\xc3\xb6?");
  EXPECT_EQ(ValidUtf8("clean"), "clean");
}

TEST(Text, ThatCannotBeSentIsRefusedWithItsField) {
  EXPECT_FALSE(CheckText("ok", "name", 2));
  const auto too_long = CheckText("too long", "name", 7);
  ASSERT_TRUE(too_long);
  EXPECT_EQ(too_long->status, SYSMEM_INVALID_ARGUMENT);
  EXPECT_EQ(too_long->field, "name");
  EXPECT_TRUE(CheckText(nullptr, "name", 7));
  EXPECT_TRUE(CheckText("\xff", "name", 7));
}

}  // namespace
}  // namespace sysmem::client
