// SPDX-License-Identifier: Apache-2.0
#include "scenario/document.h"

#include <gtest/gtest.h>

namespace sysmem::scenario {
namespace {

std::string Complaints(const std::string& text) {
  Mistakes mistakes("f");
  EXPECT_FALSE(ParseDocument(text, mistakes)) << text;
  return mistakes.ToString();
}

Table Read(const std::string& text) {
  Mistakes mistakes("f");
  std::optional<Value> document = ParseDocument(text, mistakes);
  EXPECT_TRUE(document) << mistakes.ToString();
  return document ? std::get<Table>(document->data) : Table{};
}

TEST(Document, ReadsTheSameOutOfTomlAndJson) {
  const Table toml = Read("a = 1\nb = [true, \"x\", -2, 0.5]\n[c]\nd = 3\n");
  const Table json = Read(R"({"a": 1, "b": [true, "x", -2, 0.5], "c": {"d": 3}})");
  for (const Table& table : {toml, json}) {
    ASSERT_EQ(table.size(), 3u);
    EXPECT_EQ(std::get<uint64_t>(table[0].value.data), 1u);
    const Array& list = std::get<Array>(table[1].value.data);
    ASSERT_EQ(list.size(), 4u);
    EXPECT_EQ(std::get<bool>(list[0].data), true);
    EXPECT_EQ(std::get<std::string>(list[1].data), "x");
    EXPECT_EQ(std::get<int64_t>(list[2].data), -2);
    EXPECT_EQ(std::get<double>(list[3].data), 0.5);
    EXPECT_EQ(std::get<Table>(table[2].value.data).at(0).key, "d");
  }
}

TEST(Document, KeepsTheOrderOfTheFile) {
  const Table table = Read("z = 1\na = 2\nm = 3\n");
  ASSERT_EQ(table.size(), 3u);
  EXPECT_EQ(table[0].key + table[1].key + table[2].key, "zam");
}

TEST(Document, KnowsWhereTomlStands) {
  const Table table = Read("\na = 1\n  b = [10, 20]\n");
  EXPECT_EQ(table[0].where, (Position{2, 1}));
  EXPECT_EQ(table[0].value.where, (Position{2, 5}));
  EXPECT_EQ(table[1].where, (Position{3, 3}));
  EXPECT_EQ(std::get<Array>(table[1].value.data)[1].where, (Position{3, 12}));
}

TEST(Document, KnowsWhereJsonStands) {
  const Table table =
      Read("\n{ \"a\" : 1,\n  \"b\": [10,20 , {\"c\":null}],\"d\":\n  \"ü\", \"e\":2}");
  EXPECT_EQ(table[0].where, (Position{2, 3}));
  EXPECT_EQ(table[0].value.where, (Position{2, 9}));
  EXPECT_EQ(table[1].where, (Position{3, 3}));
  const Array& list = std::get<Array>(table[1].value.data);
  EXPECT_EQ(table[1].value.where, (Position{3, 8}));
  EXPECT_EQ(list[0].where, (Position{3, 9}));
  EXPECT_EQ(list[1].where, (Position{3, 12}));
  EXPECT_EQ(list[2].where, (Position{3, 17}));
  EXPECT_EQ(std::get<Table>(list[2].data)[0].value.where, (Position{3, 22}));
  EXPECT_EQ(table[2].where, (Position{3, 29}));
  EXPECT_EQ(table[2].value.where, (Position{4, 3}));
  EXPECT_EQ(table[3].where, (Position{4, 8}));  // columns count characters, not bytes
}

TEST(Document, TellsWhereAFileIsNoTomlOrJson) {
  EXPECT_EQ(Complaints("a = 1\nb = = 2\n").substr(0, 6), "f:2:5:");
  EXPECT_EQ(Complaints("{\"a\": 1,\n \"b\" 2}").substr(0, 6), "f:2:6:");
  EXPECT_EQ(Complaints("{").substr(0, 4), "f:1:");
  EXPECT_EQ(Complaints("{\"a\":1}{").substr(0, 4), "f:1:");
}

TEST(Document, RefusesAKeyThatStandsTwice) {
  EXPECT_EQ(Complaints("{\"a\": 1,\n \"a\": 2}"), "f:2:2: a: stands here a second time\n");
  EXPECT_EQ(Complaints("a = 1\na = 2\n").substr(0, 4), "f:2:");
}

TEST(Document, RefusesWhatIsNestedTooDeeply) {
  const auto nested = [](size_t depth, char open, char close) {
    return std::string(depth, open) + std::string(depth, close);
  };
  EXPECT_NE(Complaints("{\"a\": " + nested(100, '[', ']') + "}").find("nested deeper"),
            std::string::npos);
  EXPECT_NE(Complaints("a = " + nested(100, '[', ']')).find("nested deeper"), std::string::npos);
  std::string dotted = "a";
  for (int i = 0; i < 100; ++i) dotted += ".a";
  EXPECT_NE(Complaints(dotted + " = 1").find("nested deeper"), std::string::npos);
}

TEST(Document, SurvivesEndlessKeysAndEndlessNesting) {
  std::string dotted = "a";
  for (int i = 0; i < 300'000; ++i) dotted += ".a";
  EXPECT_NE(Complaints(dotted + " = 1").find("dots"), std::string::npos);
  EXPECT_NE(Complaints("x = \"\"\"\n\"\"\"\n" + dotted + " = 1").find("dots"), std::string::npos);
  // As deep as it can be without too many dots.
  EXPECT_NE(Complaints(dotted.substr(0, 8191) + " = 1").find("nested"), std::string::npos);
  Complaints("a = " + std::string(500'000, '['));
  Complaints("{\"a\":" + std::string(500'000, '['));
  EXPECT_NE(Complaints(std::string(kDocumentBytes + 1, ' ')).find("longer"), std::string::npos);
}

TEST(Document, ShowsMistakesFromTopToBottomAndNotTooMany) {
  Mistakes mistakes("f");
  mistakes.Add({9, 1}, "b", "second");
  mistakes.Add({2, 4}, "a", "first");
  EXPECT_EQ(mistakes.ToString(), "f:2:4: a: first\nf:9:1: b: second\n");
  for (size_t i = 0; i < Mistakes::kMistakesShown; ++i) mistakes.Add({20, 1}, "c", "more");
  const std::string text = mistakes.ToString();
  EXPECT_EQ(text.substr(text.size() - 14), "f: and 2 more\n");
}

}  // namespace
}  // namespace sysmem::scenario
