// SPDX-License-Identifier: Apache-2.0
#include "server/recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>
#include <vector>

#include "tests/support/temp_dir.h"

namespace sysmem::server {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// What a recorder complains of, awaited.
class Complaints {
 public:
  std::function<void(const std::string&)> Taker() {
    return [this](const std::string& what) {
      std::lock_guard lock(mutex_);
      all_.push_back(what);
      more_.notify_all();
    };
  }
  std::string AwaitFirst() {
    std::unique_lock lock(mutex_);
    more_.wait(lock, [this] { return !all_.empty(); });
    return all_[0];
  }
  size_t count() {
    std::lock_guard lock(mutex_);
    return all_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable more_;
  std::vector<std::string> all_;
};

class RecorderTest : public ::testing::Test {
 protected:
  std::shared_ptr<Recorder> Open(size_t queue_bytes = 1 << 20) {
    auto recorder =
        Recorder::Open(path_, {.queue_bytes = queue_bytes, .complain = complaints_.Taker()});
    EXPECT_TRUE(recorder.ok()) << recorder.status();
    return recorder.ok() ? *recorder : nullptr;
  }

  testing::TempDir dir_;
  const std::string path_ = dir_.path() + "/recording";
  Complaints complaints_;
};

TEST_F(RecorderTest, WritesLinesInTheirOrderAndAllOfThemBeforeItEnds) {
  std::string wanted;
  auto recorder = Open();
  for (int i = 0; i < 10'000; ++i) {
    const std::string line = std::to_string(i) + "\n";
    recorder->Append(line);
    wanted += line;
  }
  recorder.reset();
  EXPECT_EQ(Contents(path_), wanted);
  EXPECT_EQ(complaints_.count(), 0u);
}

TEST_F(RecorderTest, LetsNobodyElseRead) {
  std::ofstream(path_) << "";
  ASSERT_EQ(::chmod(path_.c_str(), 0644), 0);
  Open();
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  Open();
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(RecorderTest, AppendsToWhatIsThereButForABrokenLine) {
  const std::string long_part(10'000, 'x');
  for (const auto& [before, after] :
       std::vector<std::pair<std::string, std::string>>{{"a\nb\n", "a\nb\nc\n"},
                                                        {"a\n" + long_part, "a\nc\n"},
                                                        {long_part, "c\n"},
                                                        {long_part + "\n", long_part + "\nc\n"}}) {
    std::ofstream(path_, std::ios::trunc) << before;
    Open()->Append("c\n");
    EXPECT_EQ(Contents(path_), after);
  }
}

TEST_F(RecorderTest, RefusesWhatIsNoFileOfItsOwn) {
  const auto refused = [this](const std::string& path) {
    const auto recorder = Recorder::Open(path, {.complain = complaints_.Taker()});
    EXPECT_FALSE(recorder.ok()) << path;
    return std::string(recorder.status().message());
  };
  EXPECT_THAT(refused(dir_.path()), HasSubstr(dir_.path()));
  EXPECT_THAT(refused("/nowhere/recording"), HasSubstr("No such file"));
  EXPECT_THAT(refused("/dev/null"), HasSubstr("is no regular file"));
  const std::string pipe = dir_.path() + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(refused(pipe), HasSubstr("is no regular file"));
  std::ofstream(path_) << "kept";
  const std::string link = dir_.path() + "/link";
  ASSERT_EQ(::symlink(path_.c_str(), link.c_str()), 0);
  EXPECT_THAT(refused(link), HasSubstr("link"));
  EXPECT_EQ(Contents(path_), "kept");
  if (::geteuid() != 0) return;
  ASSERT_EQ(::chown(path_.c_str(), 12345, 12345), 0);
  EXPECT_THAT(refused(path_), HasSubstr("belongs to user 12345"));
}

// Also when it has nothing to do, and nothing comes behind the line that is lost.
TEST_F(RecorderTest, SaysInTheFileWhatItLost) {
  auto recorder = Open(/*queue_bytes=*/8);
  recorder->Append("short\n");
  while (Contents(path_).empty()) std::this_thread::yield();
  recorder->Append("longer than the queue\n");
  EXPECT_THAT(complaints_.AwaitFirst(), HasSubstr("cannot keep up: 1 lines are lost"));
  recorder.reset();
  EXPECT_EQ(Contents(path_), "short\n{\"lost\":1}\n");
}

// A file that cannot grow: what a full disk is to a writer.
class SmallFiles {
 public:
  explicit SmallFiles(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit small{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallFiles() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(RecorderTest, EndsWithACompleteLineWhenTheFileCannotGrow) {
  auto recorder = Open();
  const SmallFiles limit(100);
  for (int i = 0; i < 100 && recorder->works(); ++i) recorder->Append("a line of 20 bytes.\n");
  EXPECT_THAT(complaints_.AwaitFirst(),
              ::testing::AllOf(StartsWith("the recording " + path_), HasSubstr("ends here: ")));
  EXPECT_FALSE(recorder->works());
  recorder->Append("too late\n");
  recorder.reset();
  EXPECT_EQ(complaints_.count(), 1u);
  const std::string text = Contents(path_);
  EXPECT_LE(text.size(), 100u);
  EXPECT_EQ(text.size() % 20, 0u);
}

}  // namespace
}  // namespace sysmem::server
