// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/status.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>
#include <sysmem/result.hpp>

namespace sysmem::demo {
namespace {

TEST(StatusWriter, WritesOneLineWhateverTheTextHolds) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  StatusWriter(writer.get()).Line("NOTE", "two\nlines\tand \x1b[31m red");
  std::array<char, 100> bytes{};
  const ssize_t count = ::read(reader.get(), bytes.data(), bytes.size());
  ASSERT_GT(count, 0);
  EXPECT_EQ(std::string(bytes.data(), static_cast<size_t>(count)),
            "NOTE two lines and  [31m red\n");
}

TEST(ParseStatusLine, TakesTheKeywordFromTheRest) {
  const StatusLine line = ParseStatusLine("FRAME 7 00ff");
  EXPECT_EQ(line.keyword, "FRAME");
  EXPECT_EQ(line.text, "7 00ff");
  EXPECT_EQ(ParseStatusLine("ALONE").keyword, "ALONE");
  EXPECT_EQ(ParseStatusLine("ALONE").text, "");
}

TEST(TakeWord, TakesOneAfterTheOtherUntilNothingIsLeft) {
  std::string_view text = "1 22 333";
  EXPECT_EQ(TakeWord(text), "1");
  EXPECT_EQ(TakeWord(text), "22");
  EXPECT_EQ(TakeWord(text), "333");
  EXPECT_EQ(TakeWord(text), "");
}

}  // namespace
}  // namespace sysmem::demo
