// SPDX-License-Identifier: Apache-2.0
//
// The programs of the main job, killed where it hurts: a decoder, an analyser and a presenter, each
// under a uid of its own, of which one is stopped at a stage of its life and killed there.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/unix_socket.h"
#include "tests/end_to_end/observer.h"
#include "tests/end_to_end/small_video.h"
#include "tests/support/patience.h"
#include "tests/support/programs.h"

namespace sysmem::testing {
namespace {

constexpr int kLeftAlone = 3;  // exit code: another process or the daemon has gone

enum Role : size_t { kDecoder, kAnalyser, kPresenter };
constexpr std::array kPrograms = {"sysmem-demo-decoder", "sysmem-demo-analyser",
                                  "sysmem-demo-presenter"};

// One program of the pipeline, and what it says.
class Member {
 public:
  Member(Role role, const std::string& socket, std::vector<base::UniqueFd> links,
         std::vector<std::string> more, const std::string& pause_at) {
    ProgramOptions program{.program = ProgramPath(kPrograms[role]),
                           .arguments = {"--socket", socket},
                           .environment = CleanEnvironment(),
                           .uid = As(role == kAnalyser ? kOtherClientUid : kClientUid),
                           .max_descriptors = 1024};
    auto give = [&](const char* option, int fd) {
      program.arguments.insert(program.arguments.end(),
                               {option, std::to_string(3 + program.descriptors.size())});
      program.descriptors.push_back(fd);
    };
    for (const base::UniqueFd& link : links) give("--link", link.get());
    auto [resume_read, resume_write] = Pipe();
    if (!pause_at.empty()) {
      program.arguments.insert(program.arguments.end(), {"--pause-at", pause_at});
      give("--resume-fd", resume_read.get());
    }
    resume_ = std::move(resume_write);
    program.arguments.insert(program.arguments.end(), more.begin(), more.end());
    auto [lines, output] = Pipe();
    lines_ = std::move(lines);
    program.output = output.get();
    process_ = Process::Start(program);
  }

  // Waits for a line that begins like this. False when the program says nothing more.
  bool AwaitLine(const std::string& begin) {
    while (true) {
      for (size_t end = 0; (end = buffer_.find('\n')) != std::string::npos;) {
        const std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        said_ += line + "\n";
        if (line.rfind(begin, 0) == 0) return true;
      }
      auto readable = base::WaitReadable(lines_, kPatience);
      char chunk[1024];
      if (!readable.ok() || !*readable) return false;
      const ssize_t size = ::read(lines_.get(), chunk, sizeof(chunk));
      if (size <= 0) return false;
      buffer_.append(chunk, static_cast<size_t>(size));
    }
  }
  // Its exit code, after it has said all it had to say.
  std::optional<int> AwaitExit() {
    while (AwaitLine("")) {
    }
    return process_.WaitForExit();
  }
  const std::string& said() const { return said_; }
  Process& process() { return process_; }

 private:
  static std::pair<base::UniqueFd, base::UniqueFd> Pipe() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    return {base::UniqueFd(ends[0]), base::UniqueFd(ends[1])};
  }

  base::UniqueFd lines_;
  base::UniqueFd resume_;
  Process process_;
  std::string buffer_;
  std::string said_;
};

class DemoPipeline : public ::testing::TestWithParam<const char*> {
 protected:
  DemoPipeline() { WriteSmallVideo(video_); }

  std::vector<Member> Start(std::optional<Role> victim = {}, const std::string& stage = {}) {
    auto to_analyser = base::SocketPair(SOCK_SEQPACKET);
    auto to_presenter = base::SocketPair(SOCK_SEQPACKET);
    EXPECT_TRUE(to_analyser.ok() && to_presenter.ok());
    std::vector<base::UniqueFd> decoder_links;
    decoder_links.push_back(std::move(to_analyser->first));
    decoder_links.push_back(std::move(to_presenter->first));
    std::vector<Member> members;
    auto start = [&](Role role, std::vector<base::UniqueFd> links, std::vector<std::string> more) {
      members.emplace_back(role, daemon_.socket_path(), std::move(links), std::move(more),
                           victim == role ? stage : "");
    };
    start(kDecoder, std::move(decoder_links), {video_});
    start(kAnalyser, One(std::move(to_analyser->second)), {});
    start(kPresenter, One(std::move(to_presenter->second)), {});
    return members;
  }

  void ExpectAGoodRun() {
    std::vector<Member> members = Start();
    for (Member& member : members) EXPECT_EQ(member.AwaitExit(), 0) << member.said();
  }

  void KillOne(Role victim, const std::string& stage) {
    std::vector<Member> members = Start(victim, stage);
    ASSERT_TRUE(members[victim].AwaitLine("PAUSED")) << members[victim].said();
    members[victim].process().Kill();
    for (size_t role = 0; role < members.size(); ++role) {
      if (role == victim) continue;
      EXPECT_EQ(members[role].AwaitExit(), kLeftAlone) << kPrograms[role] << " says:\n"
                                                       << members[role].said();
    }
  }

  DaemonProcess& daemon() { return daemon_; }

 private:
  static std::vector<base::UniqueFd> One(base::UniqueFd fd) {
    std::vector<base::UniqueFd> one;
    one.push_back(std::move(fd));
    return one;
  }

  TempDir dir_;
  const std::string video_ = dir_.path() + "/video.y4m";
  DaemonProcess daemon_;
};

TEST_P(DemoPipeline, EndsForAllWhenOneIsKilledAndTheNextOneRuns) {
  ASSERT_TRUE(daemon().ready());
  Observer observer(daemon());
  ExpectAGoodRun();
  observer.TakeBaseline();
  for (Role victim : {kDecoder, kAnalyser, kPresenter}) {
    SCOPED_TRACE(kPrograms[victim]);
    KillOne(victim, GetParam());
    observer.ExpectBackToBaseline();
  }
  ExpectAGoodRun();
  observer.ExpectBackToBaseline();
}

INSTANTIATE_TEST_SUITE_P(KilledAt, DemoPipeline,
                         ::testing::Values("connected", "token-held", "bound", "constraints-set",
                                           "waiting", "streaming"),
                         [](const auto& stage) {
                           std::string name = stage.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace sysmem::testing
