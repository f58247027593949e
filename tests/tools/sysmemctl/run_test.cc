// SPDX-License-Identifier: Apache-2.0
//
// `sysmemctl run`: real processes, connected by pipes, that share buffers.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/patience.h"
#include "tests/tools/sysmemctl/program_fixture.h"
#include "tools/sysmemctl/pipeline.h"

namespace sysmem::ctl {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using testing::kPatience;

TEST(Pipeline, IsSplitBetweenItsCommands) {
  using Commands = std::vector<std::vector<std::string>>;
  EXPECT_EQ(SplitPipeline({"a", "x", "|", "b"}), (Commands{{"a", "x"}, {"b"}}));
  EXPECT_EQ(SplitPipeline({"a", "x|y"}), (Commands{{"a", "x|y"}}));
  EXPECT_EQ(SplitPipeline({"a", "|"}), std::nullopt);
  EXPECT_EQ(SplitPipeline({"|", "a"}), std::nullopt);
  EXPECT_EQ(SplitPipeline({}), std::nullopt);
}

class RunProgram : public ProgramTest {
 protected:
  RunProgram() : ProgramTest("onlooker") {}

  testing::Ended TryRun(const std::vector<std::string>& words,
                        std::vector<std::string> options = {}) const {
    std::vector<std::string> arguments = {"run"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    arguments.emplace_back("--");
    arguments.insert(arguments.end(), words.begin(), words.end());
    return Try(std::move(arguments));
  }

  const std::string participant_ = testing::ProgramPath("sysmemctl-run-participant");
};

TEST_F(RunProgram, LetsCommandsSeeEachOthersBytesInOneBuffer) {
  const testing::Ended ended = TryRun({participant_, "write", "seen by all", "|", participant_,
                                       "upper", "|", participant_, "read"});
  EXPECT_EQ(ended.output, "SEEN BY ALL\n");
  EXPECT_EQ(ended.exit_code, 0);
}

TEST_F(RunProgram, GivesATokenToThoseAloneWhoShare) {
  const testing::Ended ended =
      TryRun({participant_, "write", "through a filter", "|", "cat", "|", participant_, "read"},
             {"--share", "1,3"});
  EXPECT_EQ(ended.output, "through a filter\n");
  EXPECT_EQ(ended.exit_code, 0);
}

TEST_F(RunProgram, FailsForAllWhenACommandEndsWithoutItsTokenEverBound) {
  const testing::Ended ended = TryRun({"true", "|", participant_, "read"}, {"--verbose"});
  EXPECT_EQ(ended.exit_code, 1) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("sysmemctl-run-participant ended with 1"));
  EXPECT_THAT(ended.output, ContainsRegex("collection [0-9]+ \"true . sysmemctl-run-partici"));
  EXPECT_THAT(ended.output, ContainsRegex("failure: .*\"true"));
}

TEST_F(RunProgram, EndsAsAShellWithPipefailDoes) {
  EXPECT_EQ(TryRun({"sh", "-c", "exit 3", "|", "true"}).exit_code, 3);
  EXPECT_EQ(TryRun({"sh", "-c", "exit 3", "|", "sh", "-c", "exit 4", "|", "true"}).exit_code, 4);
  EXPECT_EQ(TryRun({"sh", "-c", "kill -KILL $$"}).exit_code, 128 + SIGKILL);
  const testing::Ended missing = TryRun({"/nowhere/program"});
  EXPECT_EQ(missing.exit_code, 127);
  EXPECT_THAT(missing.output, HasSubstr("cannot run /nowhere/program: No such file"));
  EXPECT_EQ(TryRun({"/etc/passwd"}).exit_code, 126);
  EXPECT_EQ(TryRun({"true", "|"}).exit_code, 2);
  EXPECT_EQ(TryRun({"true"}, {"--share", "2"}).exit_code, 2);
}

TEST_F(RunProgram, HandsItsWordsOnAsTheyAre) {
  const testing::Ended ended = TryRun({"printf", "<%s>", "[a,b]", "{}", "", "--socket", "--"});
  EXPECT_EQ(ended.output, "<[a,b]><{}><><--socket><-->");
  EXPECT_EQ(Try({"run", "true"}).exit_code, 2) << "without --";
}

TEST_F(RunProgram, TellsAKilledCommandFromOneThatEndedWithALargeNumber) {
  const testing::Ended ended =
      TryRun({"sh", "-c", "kill -KILL $$", "|", "sh", "-c", "exit 200"}, {"--verbose"});
  EXPECT_EQ(ended.exit_code, 200);
  EXPECT_THAT(ended.output, HasSubstr("sh was killed by signal 9\nsh ended with 200\n"));
}

TEST_F(RunProgram, TellsWhoIsWaitedForWhenItIsInterrupted) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const base::UniqueFd output(ends[0]);
  base::UniqueFd input(ends[1]);
  testing::Process run =
      testing::Process::Start({.program = testing::ProgramPath("sysmemctl"),
                               .arguments = {"--socket", socket_path(), "run", "--", "sh", "-c",
                                             "echo up; exec sleep 60", "|", "cat", "/dev/stdin"},
                               .environment = testing::CleanEnvironment(),
                               .output = input.get()});
  input.reset();
  std::string text;
  const auto read_until = [&](const std::string& part) {
    std::array<char, 4096> block{};
    while (text.find(part) == std::string::npos) {
      const ssize_t got = ::read(output.get(), block.data(), block.size());
      if (got <= 0) return;
      text.append(block.data(), static_cast<size_t>(got));
    }
  };
  read_until("up\n");
  run.Signal(SIGTERM);
  text += testing::ReadAll(output);
  EXPECT_EQ(run.WaitForExit(), 128 + SIGTERM);
  EXPECT_THAT(text, HasSubstr("Allocation waits for 2 of "));
  EXPECT_THAT(text, HasSubstr("token \"sh"));
  EXPECT_THAT(text, HasSubstr("nobody has taken it in yet"));
}

TEST_F(RunProgram, LetsAWriterToItsInputNoticeThatTheFirstCommandHasGone) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const base::UniqueFd writer(ends[1]);
  base::UniqueFd reader(ends[0]);
  testing::Process run = testing::Process::Start(
      {.program = "/bin/sh",
       .arguments = {"-c", R"(exec "$0" "$@" <&3 3<&-)", testing::ProgramPath("sysmemctl"),
                     "--socket", socket_path(), "run", "--", "true", "|", "sleep", "600"},
       .environment = testing::CleanEnvironment(),
       .descriptors = {reader.get()}});
  reader.reset();
  pollfd polled{.fd = writer.get(), .events = 0, .revents = 0};
  EXPECT_EQ(::poll(&polled, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())), 1);
  EXPECT_EQ(polled.revents, POLLERR) << "nobody reads any more";
  EXPECT_TRUE(run.running());
  run.Signal(SIGTERM);
  EXPECT_EQ(run.WaitForExit(), 128 + SIGTERM);
}

TEST_F(RunProgram, HandsTheTokenToOneTakerAlone) {
  const testing::Ended ended = TryRun({participant_, "take"});
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_THAT(ended.output, HasSubstr("a token\n"));
  EXPECT_THAT(ended.output, HasSubstr("SYSMEM_TOKEN_FD"));
  EXPECT_THAT(ended.output, HasSubstr("was started without a token"));
}

// ---- sysmem_token_from_environment, in this process --------------------------------------------

class InheritedToken : public ProgramTest {
 protected:
  InheritedToken() : ProgramTest("heir") {}
  void TearDown() override { ::unsetenv(SYSMEM_TOKEN_FD_VARIABLE); }

  static Failure FailureWith(const std::string& value) {
    ::setenv(SYSMEM_TOKEN_FD_VARIABLE, value.c_str(), 1);
    const Result<UniqueFd> fd = Client::TokenFdFromEnvironment();
    EXPECT_FALSE(fd.ok()) << value;
    if (fd.ok()) return {};
    EXPECT_EQ(fd.failure().status, Status::kInvalidArgument);
    EXPECT_EQ(fd.failure().field, SYSMEM_TOKEN_FD_VARIABLE);
    return fd.failure();
  }
};

TEST_F(InheritedToken, IsImportedAndNobodyStartedFromHereSeesIt) {
  Token root = *client().CreateToken();
  UniqueFd fd = *root.DuplicateExported();
  const int number = fd.release();
  ASSERT_EQ(::fcntl(number, F_SETFD, 0), 0);
  ::setenv(SYSMEM_TOKEN_FD_VARIABLE, std::to_string(number).c_str(), 1);
  auto token = client().TokenFromEnvironment();
  ASSERT_TRUE(token.ok()) << token.failure().text;
  EXPECT_EQ(std::getenv(SYSMEM_TOKEN_FD_VARIABLE), nullptr);
  EXPECT_EQ(*token->GetBufferCollectionId(), *root.GetBufferCollectionId());
}

TEST_F(InheritedToken, IsCloseOnExecOnceItIsTaken) {
  Token root = *client().CreateToken();
  UniqueFd fd = *root.DuplicateExported();
  ASSERT_EQ(::fcntl(fd.get(), F_SETFD, 0), 0);
  ::setenv(SYSMEM_TOKEN_FD_VARIABLE, std::to_string(fd.release()).c_str(), 1);
  const Result<UniqueFd> taken = Client::TokenFdFromEnvironment();
  ASSERT_TRUE(taken.ok()) << taken.failure().text;
  EXPECT_EQ(::fcntl(taken->get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(InheritedToken, ThatIsMissingOrNoNumberSaysSo) {
  ::unsetenv(SYSMEM_TOKEN_FD_VARIABLE);
  const Result<Token> missing = client().TokenFromEnvironment();
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.failure().system_errno, ENOENT);
  EXPECT_EQ(FailureWith("").system_errno, ENOENT);
  for (const char* const value : {"3x", " 3", "-3", "2", "99999999999", "three", "+4", "0x3"}) {
    const Failure failure = FailureWith(value);
    EXPECT_EQ(failure.system_errno, EINVAL) << value;
    EXPECT_THAT(failure.text, HasSubstr("\"" + std::string(value) + "\" is not the number"));
  }
}

TEST_F(InheritedToken, ThatIsNotOpenOrSomethingElseSaysSoAndLeavesThatAlone) {
  const Failure closed = FailureWith("1000000");
  EXPECT_EQ(closed.system_errno, EBADF);
  EXPECT_THAT(closed.text, HasSubstr("descriptor 1000000 is not open"));
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), 0), 0);
  const UniqueFd read_end(ends[0]);
  const UniqueFd write_end(ends[1]);
  const Failure pipe = FailureWith(std::to_string(ends[0]));
  EXPECT_EQ(pipe.system_errno, ENOTSOCK);
  EXPECT_THAT(pipe.text, HasSubstr("pipe"));
  EXPECT_EQ(::fcntl(ends[0], F_GETFD), 0) << "neither closed nor changed";
}

TEST_F(InheritedToken, ThatWasUsedBeforeSaysSo) {
  Token root = *client().CreateToken();
  UniqueFd fd = *root.DuplicateExported();
  const int copy = ::fcntl(fd.get(), F_DUPFD, 3);
  const Token used = *client().ImportToken(std::move(fd));
  ASSERT_TRUE(client().Roundtrip().ok());
  const Failure failure = FailureWith(std::to_string(copy));
  EXPECT_EQ(failure.system_errno, EPIPE) << failure.text;
  EXPECT_THAT(failure.text, HasSubstr("was used before, or whose collection is gone"));
  EXPECT_EQ(::fcntl(copy, F_GETFD), -1) << "it is of no use to anybody";
}

}  // namespace
}  // namespace sysmem::ctl
