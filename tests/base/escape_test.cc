// SPDX-License-Identifier: Apache-2.0
#include "base/escape.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace sysmem::base {
namespace {

using namespace std::string_view_literals;

TEST(Escape, LeavesHonestNamesReadable) {
  EXPECT_EQ(Escape("camera (front) #1"), "camera (front) #1");
  EXPECT_EQ(Escape("Décodeur ünïcode 日本語 🎥"), "Décodeur ünïcode 日本語 🎥");
  EXPECT_EQ(Escape(""), "");
}

TEST(Escape, KeepsATextOnOneLine) {
  EXPECT_EQ(Escape("a\nb\r\tc"), R"(a\nb\r\tc)");
  EXPECT_EQ(Escape("line\u2028separator"), R"(line\u{2028}separator)");
}

TEST(Escape, TakesTheCommandOutOfATerminalCommand) {
  EXPECT_EQ(Escape("\x1b[2J"), R"(\x1b[2J)");
  EXPECT_EQ(Escape("\u009b2J"), R"(\u{9b}2J)");
  EXPECT_EQ(Escape("\x7f"), R"(\x7f)");
  EXPECT_EQ(Escape("a\0b"sv), R"(a\x00b)");
}

TEST(Escape, ShowsWhatTurnsTheDirectionOfWriting) {
  EXPECT_EQ(Escape("user\u202etxt.exe"), R"(user\u{202e}txt.exe)");
  EXPECT_EQ(Escape("a\u2066b"), R"(a\u{2066}b)");
}

TEST(Escape, MarksQuotesAndBackslashesSoThatNothingCanBeFaked) {
  EXPECT_EQ(Escape(R"(" uid=0 name=")"), R"(\" uid=0 name=\")");
  EXPECT_EQ(Escape("it's"), R"(it\'s)");
  EXPECT_NE(Escape("\\n"), Escape("\n"));
  EXPECT_EQ(Quote("a\"b"), R"("a\"b")");
}

TEST(Escape, ShowsEachByteThatIsNotUtf8) {
  EXPECT_EQ(Escape("\xff"), R"(\xff)");
  EXPECT_EQ(Escape("\xc3"), R"(\xc3)");                          // cut off
  EXPECT_EQ(Escape("\xc3z"), R"(\xc3z)");                        // continued wrongly
  EXPECT_EQ(Escape("\x80"), R"(\x80)");                          // continuation without a beginning
  EXPECT_EQ(Escape("\xc0\xaf"), R"(\xc0\xaf)");                  // '/' in two bytes
  EXPECT_EQ(Escape("\xed\xa0\x80"), R"(\xed\xa0\x80)");          // a surrogate
  EXPECT_EQ(Escape("\xf4\x90\x80\x80"), R"(\xf4\x90\x80\x80)");  // beyond U+10FFFF
}

TEST(CutToBytes, NeverCutsACharacterInTwo) {
  EXPECT_EQ(CutToBytes("abc", 3), "abc");
  EXPECT_EQ(CutToBytes("abcd", 3), "abc");
  EXPECT_EQ(CutToBytes("ab€", 4), "ab");
  EXPECT_EQ(CutToBytes("ab€c", 5), "ab€");
  EXPECT_EQ(CutToBytes("€", 0), "");
  EXPECT_EQ(CutToBytes("\xff\xff\xff", 2), "\xff\xff");
}

TEST(Escape, LeavesTheQuotationMarksOfASentence) {
  EXPECT_EQ(EscapeSentence("\"it's\"\n\\ \"\x1b\""), "\"it's\"\\n\\\\ \"\\x1b\"");
  EXPECT_EQ(EscapeSentence(""), "");
}

}  // namespace
}  // namespace sysmem::base
