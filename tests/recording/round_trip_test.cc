// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <set>
#include <utility>

#include "recording/json.h"
#include "recording/recording.h"
#include "tests/recording/fill.h"

namespace sysmem::recording {
namespace {

using test::Filler;

template <typename T>
void ExpectRoundTrip(const T& value) {
  const std::string text = Encode(value).dump();
  T again{};
  Decoder decoder;
  ASSERT_TRUE(decoder.Decode(Json::parse(text), again)) << decoder.error() << "\n" << text;
  EXPECT_TRUE(again == value) << text << "\ncame back as\n" << Encode(again).dump();
}

// Every alternative of a variant, filled and as it is born.
template <typename Variant, size_t... kIndex>
void ExpectRoundTripOfAll(std::index_sequence<kIndex...>) {
  std::set<std::string> names;
  const auto one = [&names]<typename Held>(const Held& born) {
    names.insert(kName<Held>);
    ExpectRoundTrip(Variant(born));
    for (const uint64_t seed : {1, 2}) {
      const Held filled = Filler(seed).template Make<Held>();
      ExpectRoundTrip(Variant(filled));
      EXPECT_EQ(filled == born, std::is_empty_v<Held>) << kName<Held>;
    }
  };
  (one(std::variant_alternative_t<kIndex, Variant>{}), ...);
  EXPECT_EQ(names.size(), sizeof...(kIndex)) << "each has a name of its own";
}

TEST(Recording, TakesEveryEventThereAndBack) {
  ExpectRoundTripOfAll<core::Event>(std::make_index_sequence<std::variant_size_v<core::Event>>());
}

TEST(Recording, TakesEveryEffectThereAndBack) {
  ExpectRoundTripOfAll<core::Effect>(std::make_index_sequence<std::variant_size_v<core::Effect>>());
}

TEST(Recording, TakesEveryAnswerThereAndBack) {
  using Result = decltype(core::effect::Answer::result);
  ExpectRoundTripOfAll<Result>(std::make_index_sequence<std::variant_size_v<Result>>());
}

TEST(Recording, TakesSettingsThereAndBack) {
  const auto filled = Filler(1).Make<core::Settings>();
  core::Settings again;
  Decoder decoder;
  ASSERT_TRUE(decoder.Decode(Json::parse(Encode(filled).dump()), again)) << decoder.error();
  EXPECT_EQ(Encode(again), Encode(filled));
  EXPECT_EQ(again.format_costs, filled.format_costs);
  EXPECT_EQ(again.heaps, filled.heaps);
}

TEST(Recording, KeepsWhatDistinguishesUnsetFromZeroAndEmpty) {
  core::event::SetConstraints unset{.call = 1, .node = 2, .constraints = std::nullopt};
  core::event::SetConstraints empty = unset;
  empty.constraints.emplace();
  core::event::SetConstraints zero = empty;
  zero.constraints->min_buffer_count = 0;
  zero.constraints->memory =
      core::MemoryConstraints{.permitted_heaps = std::vector<core::HeapWish>{}};
  for (const auto& event : {unset, empty, zero}) ExpectRoundTrip(core::Event(event));
}

TEST(Recording, TakesAnyBytesAsText) {
  for (const std::string& bytes :
       {std::string("\0", 1), std::string("\xff"), std::string("\xc0\x80"),
        std::string("\xed\xa0\x80"), std::string("\xf4\x90\x80\x80"), std::string("\xe2\x82"),
        std::string("\u20ac"), std::string("a\nb")}) {
    ExpectRoundTrip(core::Event(core::event::Close{1, 2, bytes}));
    const std::string line = TakenLine(1, core::event::Close{1, 2, bytes}, {});
    EXPECT_EQ(line.find('\n'), line.size() - 1) << "one line";
  }
}

TEST(Recording, TakesEveryKindOfLineThereAndBack) {
  const auto parse = [](const std::string& line) {
    EXPECT_EQ(line.back(), '\n');
    core::Result<Line, std::string> parsed = ParseLine(line.substr(0, line.size() - 1));
    EXPECT_TRUE(parsed.ok()) << (parsed.ok() ? "" : parsed.failure());
    return parsed.ok() ? parsed.value() : Line{};
  };
  const Line header = parse(HeaderLine("p", {}));
  EXPECT_EQ(std::get<Header>(header).producer, "p");
  const Line begin = parse(BeginLine(UINT64_MAX, -5));
  EXPECT_EQ(std::get<Begin>(begin).collection, UINT64_MAX);
  EXPECT_EQ(std::get<Begin>(begin).now_ns, -5);
  EXPECT_EQ(std::get<Lost>(parse(LostLine(3))).lines, 3u);
  const core::Event event = core::event::Wait{1, 2};
  const core::Effects effects{core::effect::ArmTimer{9}, core::effect::Finished{}};
  const Line taken = parse(TakenLine(7, event, effects));
  EXPECT_EQ(std::get<Taken>(taken).event, event);
  EXPECT_EQ(std::get<Taken>(taken).effects, effects);
}

struct BadLine {
  const char* text;
  const char* complaint;
};

class RecordingRefuses : public testing::TestWithParam<BadLine> {};
TEST_P(RecordingRefuses, SayingWhatIsWrong) {
  const auto line = ParseLine(GetParam().text);
  ASSERT_FALSE(line.ok());
  EXPECT_EQ(line.failure(), GetParam().complaint);
}

const BadLine kBad[] = {
    {"", "this is no JSON object"},
    {"[]", "this is no JSON object"},
    {R"({"lost": 1)", "this is no JSON object"},
    {R"({"sysmem_recording": 2})", "recordings of version 2 are unknown; this is version 1"},
    {R"({"lost": -1})", "lost: expected a whole number"},
    {R"({"lost": 1, "more": 2})", "the line has a member that is unknown"},
    {R"({"collection": 1, "effects": []})", "event is missing"},
    {R"({"collection": 1, "event": {"Whistle": {}}, "effects": []})",
     "event: \"Whistle\" is unknown"},
    {R"({"collection": 1, "event": {"Wait": {"call": 1}}, "effects": []})",
     "event: Wait: node is missing"},
    {R"({"collection": 1, "event": {"Wait": {"call": 1, "node": "2"}}, "effects": []})",
     "event: Wait.node: expected a whole number"},
    {R"({"collection": 1, "event": {"Wait": {"call": 1, "node": 2, "x": 3}}, "effects": []})",
     "event: Wait: has a field that is unknown"},
    {R"({"collection": 1, "event": {"Duplicate": {"call": 1, "node": 2, "child": 3,
         "rights_mask": 4294967296}}, "effects": []})",
     "event: Duplicate.rights_mask: the number is too large"},
    {R"({"collection": 1, "event": {"Close": {"call": 1, "node": 2, "why": {"hex": "0g"}}},
         "effects": []})",
     "event: Close.why: expected text"},
};
INSTANTIATE_TEST_SUITE_P(, RecordingRefuses, testing::ValuesIn(kBad));

}  // namespace
}  // namespace sysmem::recording
