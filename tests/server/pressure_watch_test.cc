// SPDX-License-Identifier: Apache-2.0
//
// Method: a pipe in the place of the kernel; and once the kernel itself, whose group of processes
// is made to stall by memory.high.
#include "server/pressure_watch.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/loop_runner.h"
#include "tests/support/temp_dir.h"
#include "tests/support/users.h"

namespace sysmem::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PressureWatchTest : public ::testing::Test {
 protected:
  std::string MakePipe(const std::string& name) {
    const std::string path = dir_.path() + "/" + name;
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    return path;
  }
  static void Tell(const std::string& pipe) {
    const base::UniqueFd fd(::open(pipe.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    EXPECT_EQ(::write(fd.get(), "stalled\n", 8), 8);
  }
  PressureWatch::Outcome Start(const std::vector<base::PressureSource>& sources) {
    return PressureWatch::Start(runner_.loop(), sources,
                                [this](const std::string& path) { told_.push_back(path); });
  }

  testing::TempDir dir_;
  LoopRunner runner_;
  std::vector<std::string> told_;
};

TEST_F(PressureWatchTest, TellsEachTimeAndOnlyThen) {
  const std::string pipe = MakePipe("pipe");
  const auto outcome = Start({{.path = pipe, .trigger = {}}});
  EXPECT_THAT(outcome.listening, ElementsAre(pipe));
  EXPECT_THAT(outcome.refusals, IsEmpty());
  runner_.RunRounds(3);
  EXPECT_THAT(told_, IsEmpty());
  Tell(pipe);
  runner_.RunUntil([&] { return !told_.empty(); });
  runner_.RunRounds(3);
  EXPECT_THAT(told_, ElementsAre(pipe));
  Tell(pipe);
  runner_.RunUntil([&] { return told_.size() == 2; });
}

TEST_F(PressureWatchTest, ListensToWhatItCanAndSaysWhyNotToTheRest) {
  const std::string pipe = MakePipe("pipe");
  const auto outcome =
      Start({{.path = "/nonexistent", .trigger = {}}, {.path = pipe, .trigger = {}}});
  EXPECT_THAT(outcome.listening, ElementsAre(pipe));
  EXPECT_THAT(outcome.refusals, ElementsAre(HasSubstr("/nonexistent")));
}

TEST_F(PressureWatchTest, IsNotToldAnyMoreOnceItIsGone) {
  const std::string pipe = MakePipe("pipe");
  const base::UniqueFd keeps_the_pipe(::open(pipe.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  { const auto outcome = Start({{.path = pipe, .trigger = {}}}); }
  Tell(pipe);
  runner_.RunRounds(3);
  EXPECT_THAT(told_, IsEmpty());
}

// A group that throttles whoever uses more than `high` bytes, and one process that does.
class StallingGroup {
 public:
  StallingGroup() {
    struct statfs system {};
    if (::statfs("/sys/fs/cgroup", &system) != 0 || system.f_type != CGROUP2_SUPER_MAGIC) return;
    folder_ = absl::StrCat("/sys/fs/cgroup/sysmem-pressure-test-", ::getpid());
    usable_ = ::mkdir(folder_.c_str(), 0755) == 0 && Write("memory.high", "4194304");
    // Not for ever, should the throttling let it through.
    if (usable_) Write("memory.max", "134217728");
  }
  ~StallingGroup() {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    if (!folder_.empty()) ::rmdir(folder_.c_str());
  }
  bool usable() const { return usable_; }
  std::string pressure_file() const { return folder_ + "/memory.pressure"; }

  void Stall() {
    child_ = ::fork();
    if (child_ != 0) return;
    if (!Write("cgroup.procs", "0")) ::_exit(1);
    constexpr size_t kBytes = 64 << 20;
    auto* const memory = static_cast<volatile char*>(
        ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (size_t at = 0; at < kBytes; at += 4096) memory[at] = 1;
    for (;;) ::pause();
  }

 private:
  bool Write(const char* file, const char* text) const {
    const std::string path = absl::StrCat(folder_, "/", file);
    const base::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    return ::write(fd.get(), text, std::strlen(text)) > 0;
  }

  std::string folder_;
  bool usable_ = false;
  pid_t child_ = -1;
};

// The whole machine, with the daemon's trigger.
base::PressureSource Machine() {
  const std::vector<base::PressureSource> sources = base::PressureSources(
      [](const char*) { return nullptr; }, [](const std::string&) { return std::nullopt; });
  EXPECT_EQ(sources.size(), 1u);
  return sources.front();
}

bool IsKernelAtLeast(int major, int minor) {
  utsname kernel{};
  EXPECT_EQ(::uname(&kernel), 0);
  int its_major = 0;
  int its_minor = 0;
  EXPECT_EQ(std::sscanf(kernel.release, "%d.%d", &its_major, &its_minor), 2);
  return std::make_pair(its_major, its_minor) >= std::make_pair(major, minor);
}

TEST(PressureTrigger, IsGrantedToAnyUserFromLinux65On) {
  SYSMEM_NEEDS_SEVERAL_UIDS();
  const base::PressureSource machine = Machine();
  if (::access(machine.path.c_str(), F_OK) != 0) GTEST_SKIP() << "this kernel has no PSI";
  EXPECT_TRUE(base::OpenPressureTrigger(machine).ok()) << "root may in any case";
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setresuid(testing::kDaemonUid, testing::kDaemonUid, testing::kDaemonUid) != 0)
      ::_exit(99);
    ::_exit(static_cast<int>(base::OpenPressureTrigger(machine).status().code()));
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  const auto code = static_cast<absl::StatusCode>(WEXITSTATUS(status));
  if (IsKernelAtLeast(6, 5)) {
    EXPECT_EQ(code, absl::StatusCode::kOk);
  } else {  // Debian's 6.1 grants it
    EXPECT_TRUE(code == absl::StatusCode::kOk || code == absl::StatusCode::kPermissionDenied);
  }
}

TEST_F(PressureWatchTest, IsToldByTheKernelWhenAGroupStalls) {
  StallingGroup group;
  if (!group.usable()) GTEST_SKIP() << "needs root and a second-generation memory control group";
  if (::access(group.pressure_file().c_str(), F_OK) != 0) GTEST_SKIP() << "this kernel has no PSI";
  const auto outcome = Start({{.path = group.pressure_file(), .trigger = Machine().trigger}});
  ASSERT_THAT(outcome.refusals, IsEmpty());
  group.Stall();
  runner_.RunUntil([&] { return !told_.empty(); });
  EXPECT_THAT(told_, ::testing::Contains(group.pressure_file()));
}

}  // namespace
}  // namespace sysmem::server
