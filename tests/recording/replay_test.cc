// SPDX-License-Identifier: Apache-2.0
#include "recording/replay.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "core/collection.h"

namespace sysmem::recording {
namespace {

// Records two collections whose lives are mixed.
class Recorded {
 public:
  Recorded() {
    settings_->heaps = {{.heap = {.type = core::kHeapSystemRam}, .cpu_domain = true}};
    lines_.push_back(HeaderLine("test", *settings_));
    Begin(first_);
    Begin(second_);
    Say(first_, core::event::CreateRoot{1, 1, true, {"a", 0}});
    Say(second_, core::event::CreateRoot{1, 2, true, {"b", 0}});
    core::Constraints c;
    c.usage = core::BufferUsage{.cpu = core::kCpuUsageRead};
    c.min_buffer_count_for_camping = 2;
    c.memory = core::MemoryConstraints{.min_size_bytes = 4096};
    Say(first_, core::event::SetConstraints{2, 1, c});
    Say(second_, core::event::SetConstraints{2, 2, core::Constraints{}});
    Say(first_, core::event::AllocationFinished{1, std::nullopt});
    Say(first_, core::event::Wait{3, 1});
    Say(first_, core::event::Close{4, 1, "gone"});
    for (uint32_t buffer : {0, 1}) {
      Say(first_, core::event::HandOutEnded{3, buffer});
      Say(first_, core::event::BufferGone{buffer});
    }
  }

  std::vector<std::string>& lines() { return lines_; }
  // Of the line that holds this text.
  size_t Find(const std::string& text) const {
    for (size_t i = 0; i < lines_.size(); ++i) {
      if (lines_[i].find(text) != std::string::npos) return i;
    }
    ADD_FAILURE() << "no line with " << text;
    return 0;
  }
  void Change(const std::string& from, const std::string& to) {
    std::string& line = lines_[Find(from)];
    line.replace(line.find(from), from.size(), to);
  }

 private:
  void Begin(core::Collection& collection) { lines_.push_back(BeginLine(collection.id(), 5)); }
  void Say(core::Collection& collection, const core::Event& event) {
    lines_.push_back(TakenLine(collection.id(), event, collection.Handle(event)));
  }

  std::shared_ptr<core::Settings> settings_ = std::make_shared<core::Settings>();
  core::Collection first_{100, settings_, 5};
  core::Collection second_{200, settings_, 5};
  std::vector<std::string> lines_;
};

Replay Played(const std::vector<std::string>& lines) {
  Replay replay;
  for (const std::string& line : lines) {
    if (!replay.Take(std::string_view(line).substr(0, line.size() - 1))) break;
  }
  return replay;
}

TEST(Replay, ComesToTheSame) {
  const Replay replay = Played(Recorded().lines());
  EXPECT_EQ(replay.mistake(), "");
  EXPECT_FALSE(replay.difference());
  EXPECT_EQ(replay.collections(), 2u);
  EXPECT_EQ(replay.finished(), 2u);
  EXPECT_EQ(replay.events(), 11u);
  EXPECT_EQ(replay.skipped(), 0u);
}

TEST(Replay, ShowsTheFirstDifference) {
  Recorded recorded;
  recorded.Change("\"buffer_count\":2", "\"buffer_count\":3");
  const Replay replay = Played(recorded.lines());
  ASSERT_TRUE(replay.difference());
  EXPECT_EQ(replay.difference()->line, recorded.Find("\"buffer_count\":3") + 1);
  EXPECT_EQ(replay.difference()->collection, 100u);
  EXPECT_NE(replay.difference()->event.find("SetConstraints"), std::string::npos);
  EXPECT_NE(replay.difference()->recorded.find("\"buffer_count\":3"), std::string::npos);
  EXPECT_NE(replay.difference()->replayed.find("\"buffer_count\":2"), std::string::npos);
}

TEST(Replay, NoticesAnEffectTooManyAndOneTooFew) {
  Recorded more;
  more.Change("{\"Finished\":{}}", "{\"Finished\":{}},{\"DropBuffers\":{}}");
  ASSERT_TRUE(Played(more.lines()).difference());
  EXPECT_EQ(Played(more.lines()).difference()->replayed, "");
  Recorded less;
  less.Change(",{\"Finished\":{}}", "");
  ASSERT_TRUE(Played(less.lines()).difference());
  EXPECT_EQ(Played(less.lines()).difference()->recorded, "");
}

TEST(Replay, NoticesOtherSettings) {
  Recorded recorded;
  recorded.Change("\"buffer_bytes\":268435456", "\"buffer_bytes\":1024");
  EXPECT_TRUE(Played(recorded.lines()).difference());
}

TEST(Replay, SkipsCollectionsThatItDidNotSeeBegin) {
  Recorded recorded;
  recorded.lines().erase(recorded.lines().begin() + 2);
  const Replay replay = Played(recorded.lines());
  EXPECT_EQ(replay.mistake(), "");
  EXPECT_EQ(replay.collections(), 1u);
  EXPECT_EQ(replay.skipped(), 2u);
}

TEST(Replay, KnowsNothingOfThoseWhoLivedWhenLinesWereLost) {
  Recorded recorded;
  recorded.lines().insert(recorded.lines().begin() + 5, LostLine(4));
  const Replay replay = Played(recorded.lines());
  EXPECT_EQ(replay.lost(), 4u);
  EXPECT_EQ(replay.events(), 2u);
  EXPECT_EQ(replay.skipped(), 9u);
  EXPECT_FALSE(replay.difference());
}

TEST(Replay, BeginsAnewWithEachHeader) {
  std::vector<std::string> twice = Recorded().lines();
  const std::vector<std::string> once = twice;
  twice.insert(twice.end(), once.begin(), once.end());
  const Replay replay = Played(twice);
  EXPECT_EQ(replay.mistake(), "");
  EXPECT_EQ(replay.collections(), 4u);
}

TEST(Replay, RefusesSettingsThatNoDaemonHas) {
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"\"page_bytes\":4096", "\"page_bytes\":0"},
           {"\"page_bytes\":4096", "\"page_bytes\":4095"},
           {"\"group_combinations\":64", "\"group_combinations\":4294967295"},
           {"\"nodes_per_collection\":4096", "\"nodes_per_collection\":4294967295"}}) {
    Recorded recorded;
    recorded.Change(from, to);
    EXPECT_EQ(Played(recorded.lines()).mistake().substr(0, 25), "line 1: settings: limits.") << to;
  }
}

TEST(Replay, RefusesWhatIsNoRecording) {
  std::vector<std::string> lines = Recorded().lines();
  lines.erase(lines.begin());
  EXPECT_EQ(Played(lines).mistake(), "line 1: a recording begins with its header");
  lines = Recorded().lines();
  lines[3] = "{\"collection\":\n";
  EXPECT_EQ(Played(lines).mistake(), "line 4: this is no JSON object");
  lines = Recorded().lines();
  lines.insert(lines.begin() + 2, lines[1]);
  EXPECT_EQ(Played(lines).mistake(), "line 3: collection 100 begins a second time");
}

}  // namespace
}  // namespace sysmem::recording
