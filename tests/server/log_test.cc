// SPDX-License-Identifier: Apache-2.0
#include "server/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "base/unique_fd.h"
#include "server/journal_sink.h"

namespace sysmem::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Optional;

void UseUp(ComplaintLimiter& limiter, uid_t uid, int64_t now_ns) {
  while (limiter.Admit(uid, now_ns)) {
  }
}

TEST(ComplaintLimiter, LetsABurstThroughAndHoldsTheRestBack) {
  ComplaintLimiter limiter;
  for (uint64_t i = 0; i < ComplaintLimiter::kBurst; ++i) {
    EXPECT_THAT(limiter.Admit(1000, 0), Optional(0)) << i;
  }
  EXPECT_EQ(limiter.Admit(1000, 0), std::nullopt);
}

TEST(ComplaintLimiter, LetsOneThroughPerIntervalAndCountsWhatItHeldBack) {
  ComplaintLimiter limiter;
  UseUp(limiter, 1000, 0);  // Held one back to find out.
  EXPECT_EQ(limiter.Admit(1000, ComplaintLimiter::kIntervalNs - 1), std::nullopt);
  EXPECT_THAT(limiter.Admit(1000, ComplaintLimiter::kIntervalNs), Optional(2));
  EXPECT_EQ(limiter.Admit(1000, ComplaintLimiter::kIntervalNs), std::nullopt);
}

TEST(ComplaintLimiter, ForgivesUpToOneBurst) {
  ComplaintLimiter limiter;
  UseUp(limiter, 1000, 0);
  const int64_t much_later = 1000 * ComplaintLimiter::kIntervalNs;
  for (uint64_t i = 0; i < ComplaintLimiter::kBurst; ++i) {
    EXPECT_NE(limiter.Admit(1000, much_later), std::nullopt) << i;
  }
  EXPECT_EQ(limiter.Admit(1000, much_later), std::nullopt);
}

TEST(ComplaintLimiter, CountsEachUidByItself) {
  ComplaintLimiter limiter;
  UseUp(limiter, 1000, 0);
  EXPECT_THAT(limiter.Admit(1001, 0), Optional(0));
}

TEST(ComplaintLimiter, ForgetsTheUidThatWasQuietLongest) {
  ComplaintLimiter limiter;
  UseUp(limiter, 0, 0);
  UseUp(limiter, 1, 1);
  for (uid_t uid = 2; uid <= ComplaintLimiter::kMaxUids; ++uid) limiter.Admit(uid, 2);
  EXPECT_EQ(limiter.Admit(1, 3), std::nullopt);   // remembered
  EXPECT_THAT(limiter.Admit(0, 3), Optional(0));  // forgotten
}

TEST(Log, WritesWhatAClientSaidOnOneLineWithoutItsControlCharacters) {
  testing::internal::CaptureStderr();
  StartLogging(LogLevel::kInfo);
  ComplainAbout({.pid = 7, .uid = 4242, .command = "evil\x1b[2J"}, "said \"x\"\n<3>forged line");
  const std::string logged = testing::internal::GetCapturedStderr();
  EXPECT_THAT(logged, HasSubstr("client uid 4242 pid 7 (evil\\x1b[2J): said"));
  EXPECT_THAT(logged, HasSubstr("\\n<3>forged line"));
  EXPECT_EQ(logged.find('\n'), logged.size() - 1);
}

TEST(Log, TellsErrorsFromWarnings) {
  testing::internal::CaptureStderr();
  StartLogging(LogLevel::kError);
  const PeerInfo peer{.pid = 7, .uid = 4244, .command = "client"};
  LogOfClient({.level = LogLevel::kWarning, .peer = peer, .what = "did something odd"});
  LogOfClient({.level = LogLevel::kError, .peer = peer, .what = "did something wrong"});
  const std::string logged = testing::internal::GetCapturedStderr();
  EXPECT_THAT(logged, Not(HasSubstr("odd")));
  EXPECT_THAT(logged, HasSubstr("wrong"));
}

TEST(Log, LetsTheLinesOfOneComplaintThroughTogether) {
  testing::internal::CaptureStderr();
  StartLogging(LogLevel::kInfo);
  const PeerInfo peer{.pid = 7, .uid = 4245, .command = "client"};
  while (LogOfClient({.peer = peer, .what = "again"})) {
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(LogOfClient({.peer = peer, .what = "more of it", .continues = true}));
    }
  }
  const std::string logged = testing::internal::GetCapturedStderr();
  const auto lines = std::count(logged.begin(), logged.end(), '\n');
  EXPECT_EQ(lines, 4 * static_cast<int64_t>(ComplaintLimiter::kBurst));
}

TEST(Log, CountsWhatSomebodyAskedForApartFromComplaints) {
  testing::internal::CaptureStderr();
  StartLogging(LogLevel::kInfo);
  const PeerInfo peer{.pid = 7, .uid = 4246, .command = "client"};
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(LogOfClient({.level = LogLevel::kInfo, .peer = peer, .what = "step by step"}));
  }
  EXPECT_TRUE(LogOfClient({.peer = peer, .what = "a complaint"}));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("a complaint"));
}

// A journal of this test's own: a socket, and a variable that calls standard error its stream.
class Journal : public testing::Test {
 protected:
  void SetUp() override {
    socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path_.copy(address.sun_path, path_.size());
    ::unlink(path_.c_str());
    ASSERT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    testing::internal::CaptureStderr();
    struct stat stream {};
    ASSERT_EQ(::fstat(STDERR_FILENO, &stream), 0);
    const std::string name = std::to_string(stream.st_dev) + ":" + std::to_string(stream.st_ino);
    ::setenv("JOURNAL_STREAM", name.c_str(), 1);
    StartLogging(LogLevel::kInfo, path_);
  }
  void TearDown() override {
    ::unsetenv("JOURNAL_STREAM");
    StartLogging(LogLevel::kInfo);
    testing::internal::GetCapturedStderr();
    ::unlink(path_.c_str());
  }
  // The next entry; empty if there is none.
  std::string Entry() {
    std::string entry(16384, '\0');
    const auto size = ::recv(socket_.get(), entry.data(), entry.size(), 0);
    entry.resize(size > 0 ? static_cast<size_t>(size) : 0);
    return entry;
  }

  const std::string path_ = testing::TempDir() + "journal-" + std::to_string(::getpid());
  base::UniqueFd socket_;
};

TEST_F(Journal, GetsLinesWithTheirFields) {
  const PeerInfo peer{.pid = 7, .uid = 4250, .command = "client"};
  LogOfClient({.level = LogLevel::kError,
               .peer = peer,
               .what = "no allocation",
               .fields = {.collection_id = 12,
                          .collection_name = "frames",
                          .node_id = 34,
                          .rule = "M14",
                          .error = "NO_MEMORY"}});
  const std::string entry = Entry();
  for (const char* field :
       {"MESSAGE=client uid 4250 pid 7 (client): no allocation\n", "PRIORITY=3\n",
        "SYSLOG_IDENTIFIER=sysmemd\n", "SYSMEM_CLIENT_UID=4250\n", "SYSMEM_CLIENT_PID=7\n",
        "SYSMEM_COLLECTION_ID=12\n", "SYSMEM_COLLECTION_NAME=frames\n", "SYSMEM_NODE_ID=34\n",
        "SYSMEM_RULE=M14\n", "SYSMEM_ERROR=NO_MEMORY\n"}) {
    EXPECT_THAT(entry, HasSubstr(field));
  }
}

TEST_F(Journal, GetsNoFieldsOfTheLineBefore) {
  ComplainAbout({.pid = 7, .uid = 4251, .command = "client"}, "something");
  spdlog::info("of the daemon itself");
  EXPECT_THAT(Entry(), HasSubstr("SYSMEM_CLIENT_UID=4251\n"));
  const std::string entry = Entry();
  EXPECT_THAT(entry, HasSubstr("MESSAGE=of the daemon itself\nPRIORITY=6\n"));
  EXPECT_THAT(entry, Not(HasSubstr("SYSMEM_")));
}

TEST_F(Journal, TakesANameWithALineInItForNoFieldOfItsOwn) {
  LogOfClient({.peer = {.pid = 7, .uid = 4252, .command = "client"},
               .what = "something",
               .fields = {.collection_name = "a\nPRIORITY=0"}});
  // The length of the value, eight bytes, stands between the key and the value.
  constexpr char kField[] = "SYSMEM_COLLECTION_NAME\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\n";
  EXPECT_THAT(Entry(), HasSubstr(std::string(kField, sizeof(kField) - 1)));
}

TEST_F(Journal, ThatDoesNotReadLosesNothing) {
  // Until the socket's queue is full; the kernel's default is ten or some hundreds.
  for (int i = 0; i < 10'000; ++i) spdlog::info("line {}", i);
  const std::string on_stderr = testing::internal::GetCapturedStderr();
  std::string last;
  int in_the_journal = 0;
  for (std::string entry = Entry(); !entry.empty(); entry = Entry(), ++in_the_journal) {
    last = std::move(entry);
  }
  const auto elsewhere = std::count(on_stderr.begin(), on_stderr.end(), '\n');
  EXPECT_GT(in_the_journal, 0);
  EXPECT_GT(elsewhere, 0);
  EXPECT_EQ(in_the_journal + elsewhere, 10'000);
  EXPECT_THAT(on_stderr, HasSubstr("<6>line 9999"));
  testing::internal::CaptureStderr();
}

// Standard error is read by the journal as well, and a full pipe would keep all threads waiting.
TEST_F(Journal, ThatReadsNothingAtAllKeepsNobodyWaitingAndIsToldWhatItMissed) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const base::UniqueFd reader(ends[0]);
  const base::UniqueFd full(ends[1]);
  const std::string some(65536, 'x');
  while (::write(full.get(), some.data(), some.size()) > 0) {
  }
  std::ostringstream otherwise;
  spdlog::logger logger(
      "test", MakeJournalSink(path_, std::make_shared<spdlog::sinks::ostream_sink_st>(otherwise),
                              full.get()));
  for (int i = 0; i < 10'000; ++i) logger.info("line {}", i);
  EXPECT_EQ(otherwise.str(), "");
  int in_the_journal = 0;
  while (!Entry().empty()) ++in_the_journal;
  EXPECT_GT(in_the_journal, 0);
  logger.info("at last");
  EXPECT_THAT(Entry(), HasSubstr("MESSAGE=" + std::to_string(10'000 - in_the_journal) +
                                 " log lines are missing here"));
  EXPECT_THAT(Entry(), HasSubstr("MESSAGE=at last"));
  logger.info("and on");
  EXPECT_THAT(Entry(), HasSubstr("MESSAGE=and on")) << "told once";
}

TEST_F(Journal, ThatIsNotThereLeavesTheText) {
  StartLogging(LogLevel::kInfo, path_ + "-of-nobody");
  spdlog::warn("to whom it may concern");
  EXPECT_EQ(Entry(), "");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("<4>to whom it may concern"));
  testing::internal::CaptureStderr();
}

TEST(Log, LeavesOutWhatIsBelowItsLevel) {
  testing::internal::CaptureStderr();
  StartLogging(LogLevel::kError);
  ComplainAbout({.pid = 7, .uid = 4243, .command = "client"}, "did something wrong");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), Not(HasSubstr("did something wrong")));
}

}  // namespace
}  // namespace sysmem::server
