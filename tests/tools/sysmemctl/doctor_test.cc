// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with an installation, and what helps.
#include "tools/sysmemctl/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <sysmem/sysmem.hpp>
#include <utility>
#include <vector>

#include "tests/support/daemon_process.h"
#include "tests/support/temp_dir.h"
#include "tests/tools/sysmemctl/sysmemctl.h"

namespace sysmem::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

void Write(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text << "\n";
}

size_t Count(const std::vector<Finding>& findings, Verdict verdict) {
  return static_cast<size_t>(
      std::count_if(findings.begin(), findings.end(),
                    [&](const Finding& finding) { return finding.verdict == verdict; }));
}

TEST(DoctorOfTheKernel, HasNothingToSayOfAGoodOne) {
  const testing::TempDir root;
  Write(root.path() + "/proc/sys/fs/inotify/max_user_watches", "65536");
  Write(root.path() + "/proc/pressure/memory", "some avg10=0.00");
  Write(root.path() + "/sys/kernel/mm/transparent_hugepage/shmem_enabled",
        "always [within_size] advise never deny force");
  const std::vector<Finding> findings = ExamineKernel(root.path());
  EXPECT_EQ(Count(findings, Verdict::kGood), findings.size()) << DescribeFindings(findings, false);
}

TEST(DoctorOfTheKernel, AdvisesWhatWouldMakeItBetter) {
  const testing::TempDir root;
  Write(root.path() + "/proc/sys/fs/inotify/max_user_watches", "128");
  Write(root.path() + "/proc/sys/vm/memfd_noexec", "2");
  Write(root.path() + "/sys/kernel/mm/transparent_hugepage/shmem_enabled",
        "always within_size advise [never] deny force");
  const std::vector<Finding> findings = ExamineKernel(root.path());
  EXPECT_EQ(Count(findings, Verdict::kAdvice), 4u);
  const std::string text = DescribeFindings(findings, false);
  EXPECT_THAT(text, HasSubstr("allows for 128 buffers"));
  EXPECT_THAT(text, HasSubstr("-> boot with psi=1"));
  EXPECT_THAT(text, HasSubstr("shmem_enabled: never"));
  EXPECT_THAT(text, HasSubstr("vm.memfd_noexec is 2"));
}

TEST(DoctorOfTheKernel, CallsAKernelWithoutInotifyAProblem) {
  const testing::TempDir root;
  EXPECT_EQ(Count(ExamineKernel(root.path()), Verdict::kProblem), 1u);
}

Json Status(uint64_t used) {
  return {{"version", "1.0"},
          {"uid", 4711},
          {"descriptors_limit", "65536"},
          {"sees_everything", true},
          {"limits", Json::array({{{"name", "sessions"},
                                   {"value", "100"},
                                   {"used", std::to_string(used)},
                                   {"unit", "sessions"},
                                   {"reason", "three descriptors each"}}})}};
}

TEST(DoctorOfTheDaemon, CallsALimitThatIsNearlyUsedAProblem) {
  EXPECT_EQ(Count(ExamineDaemon(Status(79), Json::array(), "1.0"), Verdict::kProblem), 0u);
  const std::vector<Finding> findings = ExamineDaemon(Status(80), Json::array(), "1.0");
  EXPECT_EQ(Count(findings, Verdict::kProblem), 1u);
  EXPECT_THAT(DescribeFindings(findings, false), HasSubstr("limit sessions: 80 of 100 sessions"));
}

TEST(DoctorOfTheDaemon, TellsWhyAHeapCannotBeUsedAndWhatHelps) {
  const Json heaps =
      Json::array({{{"heap", {{"heap_type", "linux.sysmem.heap.HEAP_TYPE.UDMABUF"}}},
                    {"why_unusable", "/dev/udmabuf cannot be opened: permission denied"},
                    {"remedy", "add the daemon's user to the group kvm"}}});
  const std::string text = DescribeFindings(ExamineDaemon(Status(0), heaps, "1.0"), false);
  EXPECT_THAT(text, HasSubstr("advice  heap UDMABUF cannot be used: /dev/udmabuf cannot be opened: "
                              "permission denied\n        -> add the daemon's user to the group "
                              "kvm\n"));
}

TEST(DoctorOfTheDaemon, NoticesAnOlderDaemon) {
  EXPECT_THAT(DescribeFindings(ExamineDaemon(Status(0), Json::array(), "2.0"), false),
              HasSubstr("restart sysmemd after an upgrade"));
}

TEST(DoctorOfTheSocket, NamesTheGroupToJoin) {
  const testing::TempDir dir;
  Write(dir.path() + "/socket", "");
  Failure failure;
  failure.status = Status::kUnreachable;
  failure.system_errno = EACCES;
  const std::string text = DescribeFindings(ExamineSocket(dir.path() + "/socket", failure), false);
  EXPECT_THAT(text, HasSubstr("you may not connect to "));
  EXPECT_THAT(text, HasSubstr("usermod -aG "));
}

TEST(DoctorProgram, FindsALivingDaemonWell) {
  const testing::DaemonProcess daemon;
  ASSERT_TRUE(daemon.ready());
  const testing::Ended ended = Sysmemctl({"--socket", daemon.socket_path(), "doctor"});
  EXPECT_THAT(ended.output, HasSubstr("good    heap SYSTEM_RAM can be used"));
  EXPECT_THAT(ended.output, HasSubstr("good    no limit is near"));
  EXPECT_THAT(ended.output, HasSubstr("1024 descriptors only"));
  EXPECT_EQ(ended.exit_code, 0) << ended.output;
  const testing::Ended json = Sysmemctl({"--json", "--socket", daemon.socket_path(), "doctor"});
  EXPECT_GT(Json::parse(json.output).size(), 5u);
}

TEST(DoctorProgram, SaysThatNobodyListensWhereADaemonWas) {
  testing::DaemonProcess daemon;
  ASSERT_TRUE(daemon.ready());
  daemon.Kill();
  const testing::Ended ended = Sysmemctl({"--socket", daemon.socket_path(), "doctor"});
  EXPECT_EQ(ended.exit_code, 3) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("the socket is left of a daemon that ended"));
  EXPECT_THAT(ended.output, HasSubstr("-> start it"));
  EXPECT_THAT(ended.output, HasSubstr("max_user_watches")) << "the kernel is examined all the same";
}

// As somebody whom the socket of an installation is closed to, where the library looks by itself.
class DoctorOfADaemonForOthers : public ::testing::Test {
 protected:
  void SetUp() override {
    SYSMEM_NEEDS_SEVERAL_UIDS();
    ASSERT_TRUE(daemon_.ready());
    ASSERT_EQ(::chmod(daemon_.socket_path().c_str(), 0660), 0);
    ASSERT_EQ(::mkdir((runtime_.path() + "/sysmemd").c_str(), 0755), 0);
    ASSERT_EQ(::symlink(daemon_.socket_path().c_str(), (runtime_.path() + kSocket).c_str()), 0);
  }
  testing::Ended RunAsAnother(std::vector<std::string> arguments) const {
    std::vector<std::string> environment = testing::CleanEnvironment();
    environment.push_back("XDG_RUNTIME_DIR=" + runtime_.path());
    return testing::RunToEnd({.program = testing::ProgramPath("sysmemctl"),
                              .arguments = std::move(arguments),
                              .environment = std::move(environment),
                              .uid = testing::kOtherClientUid});
  }

  static constexpr char kSocket[] = "/sysmemd/socket";
  const testing::DaemonProcess daemon_;
  const testing::TempDir runtime_;
};

TEST_F(DoctorOfADaemonForOthers, NamesTheGroupAndEndsAsDenied) {
  for (const bool named : {true, false}) {
    std::vector<std::string> arguments = {"doctor"};
    if (named) arguments.insert(arguments.begin(), {"--socket", daemon_.socket_path()});
    const testing::Ended ended = RunAsAnother(arguments);
    EXPECT_EQ(ended.exit_code, 6) << ended.output;
    EXPECT_THAT(ended.output,
                HasSubstr("you may not connect to " +
                          (named ? daemon_.socket_path() : runtime_.path() + kSocket) +
                          ": it belongs to group " + std::to_string(testing::kDaemonUid)));
    EXPECT_THAT(ended.output, Not(HasSubstr("start it")));
  }
}

TEST_F(DoctorOfADaemonForOthers, SpeaksOfADirectoryThatIsClosed) {
  ASSERT_EQ(::chmod((runtime_.path() + "/sysmemd").c_str(), 0700), 0);
  const testing::Ended ended = RunAsAnother({"doctor"});
  EXPECT_EQ(ended.exit_code, 6) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("a directory above is closed to you"));
}

TEST_F(DoctorOfADaemonForOthers, IsWhereEveryCommandEndsAsDenied) {
  EXPECT_EQ(RunAsAnother({"status"}).exit_code, 6);
  EXPECT_EQ(RunAsAnother({"list"}).exit_code, 6);
}

TEST(DoctorProgram, TellsAUserWhoHasAllHisSessionsFromADaemonThatIsGone) {
  const testing::DaemonProcess daemon;
  ASSERT_TRUE(daemon.ready());
  std::vector<Client> clients;
  while (true) {
    Result<Client> client = Client::Connect({.path = daemon.socket_path()});
    if (!client.ok()) break;
    clients.push_back(*std::move(client));
  }
  EXPECT_GE(clients.size(), 8u);
  const testing::Ended ended = Sysmemctl({"--socket", daemon.socket_path(), "doctor"});
  EXPECT_EQ(ended.exit_code, 6) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("sessions, the limit for one user\n        -> end programs"));
  EXPECT_EQ(Sysmemctl({"--socket", daemon.socket_path(), "list"}).exit_code, 6);
}

}  // namespace
}  // namespace sysmem::ctl
