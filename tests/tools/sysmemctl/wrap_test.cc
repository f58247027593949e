// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/wrap.h"

#include <gtest/gtest.h>

#include <string>

namespace sysmem::ctl {
namespace {

TEST(Wrap, BreaksLongLinesBetweenWordsAndIndentsWhatFollows) {
  EXPECT_EQ(Wrapped("  a line of forty columns fits just like this\nshort\n", 45),
            "  a line of forty columns fits just like this\nshort\n");
  EXPECT_EQ(Wrapped("  a line of forty columns fits no more as it is\n", 40),
            "  a line of forty columns fits no more\n      as it is\n");
}

TEST(Wrap, LeavesWordsWholeThatAreTooLong) {
  const std::string word(60, 'x');
  EXPECT_EQ(Wrapped("  " + word + "\n", 40), "  " + word + "\n");
  EXPECT_EQ(Wrapped(word + " and more\n", 40), word + "\n    and more\n");
}

TEST(Wrap, LetsBranchesGoOnBesideWhatFollows) {
  EXPECT_EQ(Wrapped("├─ one node of a tree that has more below it\n", 40),
            "├─ one node of a tree that has more\n│      below it\n");
  EXPECT_EQ(Wrapped("│  └─ the last node of a tree, drawn below another\n", 40),
            "│  └─ the last node of a tree, drawn\n│         below another\n");
}

TEST(Wrap, CountsNeitherEscapesNorTheBytesOfOneCharacter) {
  const std::string line = "\x1b[31mf\xc3\xa4rbt\x1b[0m nur die Worte und nicht die Spalten";
  EXPECT_EQ(Wrapped(line + "\n", 41), line + "\n");
  EXPECT_NE(Wrapped(line + "\n", 40), line + "\n");
}

TEST(Wrap, DoesNothingWhereThereIsNoTerminalOrHardlyOne) {
  const std::string line(200, 'x');
  EXPECT_EQ(Wrapped(line + " y\n", 0), line + " y\n");
  EXPECT_EQ(Wrapped(line + " y\n", 39), line + " y\n");
}

}  // namespace
}  // namespace sysmem::ctl
