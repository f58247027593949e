// SPDX-License-Identifier: Apache-2.0
//
// The sample at work: a daemon, the provider under a user who may serve heaps, and its user.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/daemon_process.h"
#include "tests/support/patience.h"
#include "tests/support/programs.h"

namespace sysmem::heap_provider {
namespace {

using testing::As;
using testing::DaemonProcess;
using testing::Ended;
using ::testing::HasSubstr;
using testing::Process;

constexpr char kPoolBytes[] = "16KiB";  // four pages

// A running provider, and what it prints.
class Provider {
 public:
  Provider(const DaemonProcess& daemon, std::vector<std::string> arguments) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    output_.reset(ends[0]);
    const base::UniqueFd write_end(ends[1]);
    arguments.insert(arguments.begin(), {"--socket", daemon.socket_path()});
    process_ = Process::Start({.program = testing::ProgramPath("sysmem-heap-provider"),
                               .arguments = std::move(arguments),
                               .environment = testing::CleanEnvironment(),
                               .uid = As(testing::kClientUid),
                               .output = write_end.get()});
  }
  // The next line that it prints, waited for.
  std::string NextLine() {
    while (text_.find('\n') == std::string::npos) {
      pollfd polled{output_.get(), POLLIN, 0};
      const auto patience = std::chrono::milliseconds(testing::kPatience).count();
      if (::poll(&polled, 1, static_cast<int>(patience)) != 1) break;
      char chunk[4096];
      const ssize_t size = ::read(output_.get(), chunk, sizeof(chunk));
      if (size <= 0) break;
      text_.append(chunk, static_cast<size_t>(size));
    }
    const size_t end = text_.find('\n');
    if (end == std::string::npos) return std::exchange(text_, "");
    std::string line = text_.substr(0, end);
    text_.erase(0, end + 1);
    return line;
  }
  Process& process() { return process_; }

 private:
  base::UniqueFd output_;
  std::string text_;
  Process process_;
};

class HeapProvider : public ::testing::Test {
 protected:
  HeapProvider()
      : daemon_({.arguments = {"--heap-providers", std::to_string(testing::kClientUid)}}) {}
  void SetUp() override { ASSERT_TRUE(daemon_.ready()); }

  Ended Use(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--socket", daemon_.socket_path()});
    return testing::RunToEnd({.program = testing::ProgramPath("sysmem-heap-user"),
                              .arguments = std::move(arguments),
                              .environment = testing::CleanEnvironment(),
                              .uid = As(testing::kOtherClientUid)});
  }

  DaemonProcess daemon_;
};

TEST_F(HeapProvider, FillsBuffersFromItsFileAndTakesThemBack) {
  const testing::TempDir dir;
  ASSERT_EQ(::chmod(dir.path().c_str(), 0755), 0);
  const std::string file = dir.path() + "/content";
  std::ofstream(file) << std::string(4096, 'a') << std::string(4096, 'b') << "c";
  Provider provider(daemon_, {"--file", file, "--size", kPoolBytes});
  EXPECT_THAT(provider.NextLine(),
              HasSubstr("serving linux.sample.sysmem.heap.HEAP_TYPE.POOL 0: 16 KiB"));
  const Ended ended = Use({"--size", "4096", "--count", "3"});
  EXPECT_EQ(ended.exit_code, 0) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("3 buffers of 4096 bytes"));
  EXPECT_THAT(ended.output, HasSubstr("buffer 0 begins with 61 61"));
  EXPECT_THAT(ended.output, HasSubstr("buffer 1 begins with 62 62"));
  EXPECT_THAT(ended.output, HasSubstr("buffer 2 begins with 63 00"));
  for (const char* use : {"4 KiB", "8 KiB", "12 KiB"}) {
    EXPECT_THAT(provider.NextLine(), HasSubstr(std::string("; ") + use + " of 16 KiB in use"));
  }
  for (const char* use : {"8 KiB", "4 KiB", "0 bytes"}) {
    EXPECT_THAT(provider.NextLine(), HasSubstr(std::string("; ") + use + " of 16 KiB in use"));
  }
  provider.process().Signal(SIGTERM);
  EXPECT_EQ(provider.process().WaitForExit(), 0);
}

TEST_F(HeapProvider, SaysWhyThereIsNoRoom) {
  Provider provider(daemon_, {"--size", kPoolBytes});
  provider.NextLine();
  const Ended ended = Use({"--size", "12KiB", "--count", "2"});
  EXPECT_NE(ended.exit_code, 0);
  EXPECT_THAT(ended.output, HasSubstr("the pool has no 12 KiB in one piece"));
  EXPECT_THAT(provider.NextLine(), HasSubstr("+ collection"));
  EXPECT_THAT(provider.NextLine(), HasSubstr("refused: the pool has no 12 KiB in one piece: 12 KiB "
                                             "of 16 KiB in use, the largest gap is 4 KiB"));
  EXPECT_THAT(provider.NextLine(), HasSubstr("0 bytes of 16 KiB in use"));
  EXPECT_EQ(Use({"--size", "16KiB", "--count", "1"}).exit_code, 0) << "it goes on";
}

TEST_F(HeapProvider, EndsWithTheDaemon) {
  Provider provider(daemon_, {});
  provider.NextLine();
  daemon_.Stop();
  EXPECT_EQ(provider.process().WaitForExit(), 1);
}

TEST(HeapProviderWithoutRights, SaysWhoMayServe) {
  SYSMEM_NEEDS_SEVERAL_UIDS();
  DaemonProcess daemon;
  ASSERT_TRUE(daemon.ready());
  Provider provider(daemon, {});
  EXPECT_THAT(provider.NextLine(), HasSubstr("heap_providers"));
  EXPECT_EQ(provider.process().WaitForExit(), 6);
}

}  // namespace
}  // namespace sysmem::heap_provider
