// SPDX-License-Identifier: Apache-2.0
#include "server/transport/text.h"

#include <gtest/gtest.h>

namespace sysmem::server::transport {
namespace {

TEST(ValidUtf8, LeavesGoodTextAlone) {
  const std::string text = "plain, h\u00e9t\u00e9rog\u00e8ne, \u65e5\u672c, \U0001F3A5";
  EXPECT_EQ(ValidUtf8(text), text);
}

TEST(ValidUtf8, ReplacesEachByteThatIsNoCharacter) {
  EXPECT_EQ(ValidUtf8("a\xff"
                      "b"),
            "a\ufffd"
            "b");
  EXPECT_EQ(ValidUtf8("cut \xe6\x97"), "cut \ufffd\ufffd");
  EXPECT_EQ(ValidUtf8("overlong \xc0\xaf"), "overlong \ufffd\ufffd");
  EXPECT_EQ(ValidUtf8("overlong \xe0\x80\xaf"), "overlong \ufffd\ufffd\ufffd");
  EXPECT_EQ(ValidUtf8("surrogate \xed\xa0\x80"), "surrogate \ufffd\ufffd\ufffd");
  EXPECT_EQ(ValidUtf8("too large \xf4\x90\x80\x80"), "too large \ufffd\ufffd\ufffd\ufffd");
}

TEST(ValidUtf8, CutsBetweenCharacters) {
  EXPECT_EQ(ValidUtf8("\u65e5\u672c", 5), "\u65e5");
  EXPECT_EQ(ValidUtf8("\u65e5\u672c", 6), "\u65e5\u672c");
}

}  // namespace
}  // namespace sysmem::server::transport
