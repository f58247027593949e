// SPDX-License-Identifier: Apache-2.0
//
// What reports say, sentence by sentence, and that their text keeps its bounds.
#include "core/report.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/existing_buffers.h"
#include "core/explain.h"
#include "tests/core/random_constraints.h"

namespace sysmem::core {
namespace {

using namespace recipes;  // NOLINT(google-build-using-namespace): the vocabulary of these tests

// As the daemon's, in short: no control characters.
std::string Escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) safe += static_cast<unsigned char>(c) < ' ' ? "\\x" : std::string(1, c);
  return safe;
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

std::vector<Participant> Named(const std::vector<std::pair<std::string, Constraints>>& all) {
  std::vector<Participant> participants;
  for (const auto& [name, constraints] : all) {
    participants.push_back({participants.size() + 1, name, &constraints});
  }
  return participants;
}

using Everybody = std::vector<std::pair<std::string, Constraints>>;

Failure Refusal(const Everybody& all, const Settings& settings = Machine()) {
  return Explained(Named(all), settings);
}

std::vector<std::string> Story(const Everybody& all, const Settings& settings = Machine()) {
  const Failure failure = Refusal(all, settings);
  return Lines(TextOf(*failure.report, Escaped).text);
}

std::vector<std::string> PlanStory(const Everybody& all, const Settings& settings = Machine()) {
  const std::vector<Participant> participants = Named(all);
  const auto plan = Negotiate(participants, settings);
  EXPECT_TRUE(plan.ok());
  if (!plan.ok()) return {};
  return Lines(TextOf(ExplainPlan(participants, plan.value(), settings), Escaped).text);
}

bool Has(const std::vector<std::string>& story, const std::string& sentence) {
  return std::find(story.begin(), story.end(), sentence) != story.end();
}

std::string Joined(const std::vector<std::string>& story) {
  std::string text;
  for (const std::string& line : story) text += line + "\n";
  return text;
}

#define EXPECT_TELLS(story, sentence) \
  EXPECT_TRUE(Has(story, sentence)) << "not told: " << (sentence) << "\n" << Joined(story)

Constraints AtMostBytes(uint64_t max_bytes) {
  Constraints c = CpuBytes(1);
  c.memory->max_size_bytes = max_bytes;
  return c;
}

Constraints Camping(uint32_t count) {
  Constraints c = CpuBytes(1);
  c.min_buffer_count_for_camping = count;
  return c;
}

TEST(Report, BeginsWithOneSentenceThatNamesFieldCulpritsAndValues) {
  const Failure failure = Refusal(
      {{"camera", CpuBytes(9000)}, {"idler", Constraints{}}, {"display", AtMostBytes(8000)}});
  EXPECT_EQ(failure.message,
            "min_size_bytes 9000 is greater than max_size_bytes 8000: \"camera\" has "
            "min_size_bytes 9000; \"display\" has max_size_bytes 8000");
  EXPECT_EQ(failure.field, "buffer_memory_constraints.min_size_bytes");
  ASSERT_EQ(failure.participants.size(), 2u);
}

TEST(Report, NamesTheFieldAlsoWhereTheMessageDoesNot) {
  const Failure failure = Refusal({{"camera", KNv12()}, {"display", CpuImages({Rgba()})}});
  EXPECT_EQ(failure.message,
            "image_format_constraints: the participants have no pixel format and modifier in "
            "common: \"camera\" has NV12 LINEAR; \"display\" has R8G8B8A8 LINEAR");
}

TEST(Report, DoesNotTellThatAWildcardDroppedOutThatStandsForSomething) {
  ImageFormatConstraints any = Nv12();
  any.pixel_format = pixel_format::kDoNotCare;
  any.pixel_format_modifier = modifier::kLinear;
  any.min_size = {64, 64};
  const auto story = PlanStory({{"any", CpuImages({any})}, {"both", CpuImages({Nv12(), Rgba()})}});
  EXPECT_EQ(Joined(story).find("DO_NOT_CARE LINEAR dropped out"), std::string::npos)
      << Joined(story);
  EXPECT_NE(Joined(story).find("R8G8B8A8 LINEAR dropped out"), std::string::npos) << Joined(story);
}

TEST(Report, TellsWhereTheNegotiationStoodAndHowManyConflict) {
  const auto story =
      Story({{"camera", CpuBytes(9000)}, {"idler", {}}, {"display", AtMostBytes(8000)}});
  EXPECT_TELLS(story, "min_size_bytes 9000 is greater than max_size_bytes 8000.");
  EXPECT_TELLS(story,
               "Refused while checking what all ask for together, because of field "
               "buffer_memory_constraints.min_size_bytes, by rule M14.");
  EXPECT_TELLS(story,
               "The smallest conflict is between 2 of 3 participants: \"camera\": "
               "min_size_bytes 9000; \"display\": max_size_bytes 8000.");
}

struct StageCase {
  const char* where;
  Everybody participants;
};

TEST(Report, TellsEveryStage) {
  Constraints wrong = CpuBytes(1);
  wrong.usage.reset();
  Constraints ram = CpuBytes(1);
  ram.usage = BufferUsage{.vulkan = 1};
  ram.memory->cpu_domain_supported = false;
  ram.memory->inaccessible_domain_supported = false;
  Constraints nowhere = CpuBytes(1);
  nowhere.memory->permitted_heaps = {{{.type = "nowhere"}}};
  Constraints no_size = CpuBytes(1);
  no_size.memory.reset();
  Constraints huge = CpuBytes(uint64_t{1} << 40);
  const StageCase cases[] = {
      {"Refused while looking for a size", {{"a", no_size}}},
      {"Refused while checking what one participant asks for by itself",
       {{"a", CpuBytes(1)}, {"b", wrong}}},
      {"Refused while merging what the participants ask for",
       {{"a", KNv12()}, {"b", CpuImages({Rgba()})}}},
      {"Refused while checking what all ask for together",
       {{"a", CpuBytes(2)}, {"b", AtMostBytes(1)}}},
      {"Refused while choosing a heap", {{"a", nowhere}}},
      {"Refused while choosing a coherency domain", {{"a", CpuBytes(1)}, {"b", ram}}},
      {"Refused while counting buffers", {{"a", Camping(129)}}},
      {"Refused while computing the size of a buffer", {{"a", huge}}},
  };
  for (const StageCase& one : cases) {
    const std::vector<std::string> story = Story(one.participants);
    EXPECT_TRUE(std::any_of(story.begin(), story.end(),
                            [&](const std::string& line) { return line.rfind(one.where, 0) == 0; }))
        << one.where << "\n"
        << Joined(story);
  }
}

TEST(Report, SaysThatNobodyConflictsWhereSomethingIsMissing) {
  Constraints no_size = CpuBytes(1);
  no_size.memory.reset();
  const auto story = Story({{"a", no_size}, {"b", no_size}});
  EXPECT_TELLS(story,
               "Nobody of 2 participants conflicts with another one: somebody has to say it.");
}

TEST(Report, NamesAsFewSummandsAsExceedTheMaximum) {
  Constraints limit = CpuBytes(1);
  limit.min_buffer_count_for_camping.reset();
  limit.max_buffer_count = 10;
  const Failure failure = Refusal({{"one", Camping(1)},
                                   {"eight", Camping(8)},
                                   {"two", Camping(2)},
                                   {"limit", limit},
                                   {"three", Camping(3)}});
  ASSERT_EQ(failure.participants.size(), 3u) << failure.message;
  EXPECT_EQ(failure.participants[0].name, "eight");
  EXPECT_EQ(failure.participants[1].name, "limit");
  EXPECT_EQ(failure.participants[2].name, "three");
  EXPECT_TRUE(failure.report->refused.front().proven_smallest);
}

TEST(Report, TellsWhoRuledOutEachFormat) {
  ImageFormatConstraints ntsc = Nv12();
  ntsc.color_spaces = {color_space::kRec601Ntsc};
  const ImageFormatConstraints bgra = Image(pixel_format::kB8G8R8A8, {color_space::kSrgb});
  const auto story = Story({{"camera", CpuImages({Nv12(), Rgba()})},
                            {"encoder", CpuImages({ntsc, Rgba()})},
                            {"display", CpuImages({Nv12(), bgra})}});
  EXPECT_TELLS(story,
               "Image format NV12 LINEAR dropped out: the participants have "
               "no colour space in common: \"camera\": REC709; \"encoder\": REC601_NTSC; "
               "\"display\": REC709.");
  EXPECT_TELLS(story,
               "Image format R8G8B8A8 LINEAR dropped out: not offered by: \"display\": NV12 "
               "LINEAR, B8G8R8A8 LINEAR.");
  EXPECT_TELLS(story,
               "Image format B8G8R8A8 LINEAR dropped out: not offered by: \"camera\": NV12 LINEAR, "
               "R8G8B8A8 LINEAR; \"encoder\": NV12 LINEAR, R8G8B8A8 LINEAR.");
}

TEST(Report, TellsWhoRuledOutEachHeap) {
  Settings settings = Machine();
  HeapProperties blind = HeapNamed("blind");
  blind.cpu_domain = false;
  blind.ram_domain = false;
  settings.heaps.push_back(blind);
  Constraints few = CpuBytes(1);
  few.memory->permitted_heaps = {{{.type = "blind"}, {.type = "nowhere"}}};
  Constraints many = CpuBytes(1);
  many.memory->permitted_heaps = {
      {{.type = "blind"}, {.type = "nowhere"}, {.type = kHeapSystemRam}}};
  const auto story = Story({{"few", few}, {"many", many}}, settings);
  EXPECT_TELLS(story, "Heap nowhere 0 dropped out: this machine has no such heap.");
  EXPECT_TELLS(story, std::string("Heap ") + kHeapSystemRam +
                          " 0 dropped out: not permitted by: \"few\": blind 0, nowhere 0.");
  EXPECT_TELLS(story,
               "Heap blind 0 dropped out: of the coherency domains it serves (inaccessible) each "
               "one is refused by somebody: \"few\": inaccessible_domain_supported false (implied "
               "by usage.cpu); \"many\": inaccessible_domain_supported false (implied by "
               "usage.cpu).");
}

TEST(Report, TellsThatBuffersThatExistAreInTheWay) {
  const Constraints first = CpuBytes(4096);
  const auto plan = Negotiate({{1, "first", &first}}, Machine());
  ASSERT_TRUE(plan.ok());
  const Constraints buffers = AsConstraints(plan.value());
  const Constraints late = CpuBytes(8192);
  const std::vector<Participant> all = {
      {1, "first", &first}, {2, "late", &late}, AsParticipant(buffers)};
  const Failure failure = Explained(all, Machine());
  EXPECT_EQ(failure.message,
            "min_size_bytes 8192 is greater than max_size_bytes 4096: \"late\" has min_size_bytes "
            "8192; \"the existing buffers\" has max_size_bytes 4096");
}

TEST(Report, TellsWhyAPlanIsAsItIs) {
  ImageFormatConstraints required = Nv12();
  required.required_max_size_list = {{1900, 1080}};
  ImageFormatConstraints aligned = Nv12();
  aligned.size_alignment = {1, 16};
  aligned.bytes_per_row_divisor = 256;
  Constraints decoder = CpuImages({required, Rgba()});
  decoder.min_buffer_count_for_camping = 3;
  Constraints analyser = CpuImages({aligned});
  analyser.min_buffer_count_for_camping = 3;
  const auto story = PlanStory({{"decoder", decoder}, {"analyser", analyser}});
  EXPECT_TELLS(story,
               "Image format NV12 LINEAR: the only one that suits all who name image formats "
               "(\"decoder\": NV12 LINEAR, R8G8B8A8 LINEAR; \"analyser\": NV12 LINEAR).");
  EXPECT_TELLS(story,
               "Buffer count 6: camping 6 + dedicated slack 0 + shared slack 0 (\"decoder\": "
               "camping 3; \"analyser\": camping 3).");
  EXPECT_TELLS(story,
               "Image size 1900x1088: room for 1900x1080 is required, and sizes are multiples of "
               "2x16 from 2x16 up (\"decoder\": required_max_size_list 1900x1080; \"analyser\": "
               "size_alignment.width 1, size_alignment.height 16).");
  EXPECT_TELLS(story,
               "Bytes per row 2048: for 1900 pixels, at least 256 and a multiple of 256 "
               "(\"analyser\": bytes_per_row_divisor 256).");
  EXPECT_TELLS(story, "Buffer size 3342336 bytes: an image of 1900x1088 with 2048 bytes per row.");
  EXPECT_TELLS(story, std::string("Heap ") + kHeapSystemRam + " 0: nobody asks for certain heaps.");
  EXPECT_TELLS(story,
               "Coherency domain CPU: the most preferred, and supported by all and by the heap.");
  EXPECT_TELLS(story,
               "Image format R8G8B8A8 LINEAR dropped out: not offered by: \"analyser\": NV12 "
               "LINEAR.");
}

TEST(Report, CallsParticipantsByNumberWhereTheirNamesDoNotTell) {
  const auto story = Story({{"same", CpuBytes(9000)}, {"", {}}, {"same", AtMostBytes(8000)}});
  EXPECT_TELLS(story,
               "The smallest conflict is between 2 of 3 participants: \"same\" (participant 1): "
               "min_size_bytes 9000; \"same\" (participant 3): max_size_bytes 8000.");
  const auto nameless = Story({{"", CpuBytes(9000)}, {"limit", AtMostBytes(8000)}});
  EXPECT_TELLS(nameless,
               "The smallest conflict is between 2 of 2 participants: participant 1: "
               "min_size_bytes 9000; \"limit\": max_size_bytes 8000.");
}

TEST(Report, EscapesWhatClientsChose) {
  Constraints odd = CpuBytes(1);
  odd.memory->permitted_heaps = {{{.type = "a\nb"}}};
  const auto story = Story({{"line\nbreak", odd}, {"other", CpuBytes(1)}});
  EXPECT_TELLS(story,
               "The smallest conflict is between 1 of 2 participants: \"line\\xbreak\": a\\xb 0.");
}

// Huge names, many participants, many formats, many tries: the text keeps its bound, and what is
// there is whole sentences.
TEST(ReportText, NeverExceedsItsBoundAndEndsWithAWholeSentence) {
  const uint32_t seed = Seed();
  SCOPED_TRACE("SYSMEM_TEST_SEED=" + std::to_string(seed));
  RandomConstraints random(seed);
  for (int round = 0; round < 100; ++round) {
    Everybody all;
    const uint32_t count = random.Pick(1, round % 10 == 0 ? 600 : 20);
    for (uint32_t i = 0; i < count; ++i) {
      all.emplace_back(std::string(random.Pick(0, 4096), random.OneIn(3) ? '\n' : 'x'),
                       random.Participant());
    }
    const std::vector<Participant> participants = Named(all);
    if (TryToPlan(participants, Machine()).ok()) continue;
    Report report = *Explained(participants, Machine()).report;
    for (uint32_t tries = random.Pick(0, 63); tries > 0; --tries) {
      report.refused.push_back(report.refused.front());
    }
    const ReportText whole = TextOf(report, Escaped, SIZE_MAX);
    ASSERT_EQ(whole.sentences_left_out, 0u);
    const std::vector<std::string> sentences = Lines(whole.text);
    const size_t bound = random.OneIn(3) ? kReportBytes : random.Pick(0, 9000);
    const ReportText text = TextOf(report, Escaped, bound);
    ASSERT_LE(text.text.size(), bound);
    const std::vector<std::string> kept = Lines(text.text);
    ASSERT_EQ(kept.size() + text.sentences_left_out, sentences.size());
    ASSERT_TRUE(std::equal(kept.begin(), kept.end(), sentences.begin()));
    // As much as fits is told.
    if (text.sentences_left_out > 0) {
      ASSERT_GT(text.text.size() + 1 + sentences[kept.size()].size(), bound);
    }
    for (const std::string& sentence : sentences) ASSERT_EQ(sentence.back(), '.');
  }
}

TEST(Report, StaysSmallWhateverParticipantsAskFor) {
  Everybody all;
  for (uint32_t i = 0; i < 1000; ++i) {
    Constraints c = CpuImages({});
    for (uint32_t f = 0; f < 64; ++f) {
      ImageFormatConstraints image = Image(1000 + 64 * i + f, {color_space::kSrgb});
      image.pixel_format_modifier = modifier::kDoNotCare;
      c.image_formats.push_back(image);
    }
    c.memory = MemoryConstraints{.min_size_bytes = 1};
    all.emplace_back(std::string(4096, 'x'), c);
  }
  const Failure failure = Refusal(all);
  EXPECT_LT(failure.message.size(), 1000u);
  const RefusedTry& only = failure.report->refused.front();
  EXPECT_EQ(only.conflict.told.size(), 2u);
  EXPECT_LE(only.eliminations.size(), 64u);
  for (const ParticipantValue& one : failure.participants) {
    EXPECT_LE(one.name.size(), 200u);
    EXPECT_LE(one.value.size(), 1100u);
  }
}

}  // namespace
}  // namespace sysmem::core
