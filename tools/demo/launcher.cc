// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/launcher.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "tools/demo/identity.h"

namespace sysmem::demo {
namespace {

// Numbers of descriptors in the processes we start; 3 is the crew's.
constexpr int kFirstLink = 4;
constexpr int kVideoNumber = 8;
constexpr int kSheetNumber = 9;
constexpr int kResumeNumber = 10;

constexpr size_t kMostFramesNamed = 10;
constexpr mode_t kNewFileMode = 0644;
constexpr Role kPipeline[] = {Role::kDecoder, Role::kAnalyser, Role::kPresenter};

// From here on signals that end a program are read, not delivered: there is tidying to do.
Result<UniqueFd> CatchInterrupts() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  UniqueFd interrupts(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!interrupts) return ErrnoSentence("cannot watch signals");
  return interrupts;
}

struct LinkPair {
  UniqueFd decoder;
  UniqueFd consumer;
};

Result<LinkPair> MakeLink() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return ErrnoSentence("cannot make a socketpair");
  }
  return LinkPair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::string FramesOf(uint64_t done, uint64_t expected) {
  if (expected == 0) return std::to_string(done) + " frames";
  return std::to_string(done) + " of " + std::to_string(expected) + " frames";
}

}  // namespace

int Launcher::Run() {
  Result<void> prepared = Prepare();
  Result<bool> went_well = prepared.ok() ? RunPipeline() : Result<bool>(prepared.failure());
  if (went_well.ok() && *went_well) went_well = RunReference();
  progress_.Clear();
  if (!went_well.ok()) {
    std::fprintf(stderr, "sysmem-demo: %s\n", went_well.failure().text.c_str());
    return kExitFailed;
  }
  if (!*went_well) return kExitFailed;
  return PrintVerdict() ? kExitDone : kExitFailed;
}

Result<void> Launcher::Prepare() {
  Result<UniqueFd> interrupts = CatchInterrupts();
  if (!interrupts.ok()) return interrupts.failure();
  interrupts_ = std::move(*interrupts);
  Result<std::unique_ptr<Workspace>> workspace = Workspace::Create();
  if (!workspace.ok()) return workspace.failure();
  workspace_ = std::move(*workspace);

  if (options_.video.empty()) progress_.Begin("making a clip with ffmpeg");
  Result<VideoFile> video =
      options_.video.empty() ? MakeTestClip(*workspace_) : OpenVideo(options_.video);
  if (!video.ok()) return video.failure();
  video_ = std::move(*video);

  sheet_.reset(::memfd_create("contact sheet", MFD_CLOEXEC));
  if (!sheet_) return ErrnoSentence("cannot make room for the contact sheet");
  if (options_.socket) return {};
  progress_.Begin("starting a daemon");
  Result<std::unique_ptr<PrivateDaemon>> daemon = PrivateDaemon::Start(*workspace_);
  if (!daemon.ok()) return daemon.failure();
  daemon_ = std::move(*daemon);
  return {};
}

// ---- The pipeline ----

Result<void> Launcher::StartPipeline(Crew& crew) {
  Result<LinkPair> analyser = MakeLink();
  if (!analyser.ok()) return analyser.failure();
  Result<LinkPair> presenter = MakeLink();
  if (!presenter.ok()) return presenter.failure();
  const struct {
    Role role;
    std::vector<int> links;
  } starts[] = {{Role::kAnalyser, {analyser->consumer.get()}},
                {Role::kPresenter, {presenter->consumer.get()}},
                {Role::kDecoder, {analyser->decoder.get(), presenter->decoder.get()}}};
  for (const auto& [role, links] : starts) {
    if (Result<void> started = StartParticipant(crew, role, links); !started.ok()) return started;
  }
  return {};
}

Result<void> Launcher::StartParticipant(Crew& crew, Role role, const std::vector<int>& links) {
  Result<std::string> program = workspace_->Program("sysmem-demo-" + RoleName(role));
  if (!program.ok()) return program.failure();
  ChildSpec spec{.program = *program, .user = UserOf(role)};
  if (role != Role::kReference) {
    spec.arguments = {"--socket", options_.socket.value_or(workspace_->socket_path()), "--timeout",
                      std::to_string(options_.timeout.count())};
  }
  for (size_t i = 0; i < links.size(); ++i) {
    const int number = kFirstLink + static_cast<int>(i);
    spec.arguments.insert(spec.arguments.end(), {"--link", std::to_string(number)});
    spec.descriptors.emplace_back(links[i], number);
  }
  if (role == Role::kPresenter) {
    spec.arguments.insert(spec.arguments.end(), {"--output-fd", std::to_string(kSheetNumber)});
    spec.descriptors.emplace_back(sheet_.get(), kSheetNumber);
  }
  if (role == Role::kDecoder || role == Role::kReference) {
    if (video_.file) {
      spec.arguments.insert(spec.arguments.end(), {"--video-fd", std::to_string(kVideoNumber)});
      spec.descriptors.emplace_back(video_.file.get(), kVideoNumber);
    }
    spec.arguments.push_back(video_.path);
  }
  if (Result<void> added = AddPause(crew, role, spec); !added.ok()) return added;
  return crew.Start(role, std::move(spec));
}

Result<void> Launcher::AddPause(Crew& crew, Role role, ChildSpec& spec) {
  if (options_.pause_role != role) return {};
  // Not our standard input itself: if that is a terminal, a process in the background may not read.
  std::array<int, 2> resume{};
  if (::pipe2(resume.data(), O_CLOEXEC) != 0) return ErrnoSentence("cannot make a pipe");
  resume_.reset(resume[0]);
  crew.ForwardInputTo(UniqueFd(resume[1]));
  spec.arguments.insert(spec.arguments.end(),
                        {"--pause-at", std::string(StageName(options_.pause_stage)), "--resume-fd",
                         std::to_string(kResumeNumber)});
  spec.descriptors.emplace_back(resume_.get(), kResumeNumber);
  return {};
}

Result<bool> Launcher::RunPipeline() {
  progress_.Begin("starting decoder, analyser and presenter");
  Crew crew(interrupts_.get());
  if (Result<void> started = StartPipeline(crew); !started.ok()) return started.failure();
  crew.Run([&](Role role, const StatusLine& line) { Take(crew, role, line); });
  progress_.Clear();
  if (crew.was_interrupted()) return Sentence("interrupted");
  if (crew.guilty()) {
    ExplainFailure(crew);
    return false;
  }
  if (Result<void> saved = SaveSheet(); !saved.ok()) return saved.failure();
  return true;
}

void Launcher::Take(const Crew& crew, Role role, const StatusLine& line) {
  record_.Take(role, line);
  if (line.keyword == "PROGRESS") {
    progress_.Update("decoded " + FramesOf(record_.decoded_frames(), record_.expected_frames()));
  }
  if (line.keyword == "PAUSED") {
    progress_.Clear();
    std::printf("PAUSED %s %s %d\n", RoleName(role).c_str(), std::string(line.text).c_str(),
                static_cast<int>(crew.pid_of(role)));
    std::fflush(stdout);
  }
}

void Launcher::ExplainFailure(const Crew& crew) {
  const auto say = [](const std::string& text) {
    std::fprintf(stderr, "sysmem-demo: %s\n", text.c_str());
  };
  if (const auto ending = daemon_ ? daemon_->process().TakeEnding() : std::nullopt) {
    say("the daemon " + Describe(*ending) + ". The end of its log:\n" + daemon_->LastWords());
  }
  const Role guilty = *crew.guilty();
  say("the " + RoleName(guilty) + " " + Describe(*crew.ending_of(guilty)));
  for (Role role : kPipeline) {
    if (role == guilty) continue;
    if (crew.was_deaf(role)) {
      say("the " + RoleName(role) + " did not notice, and was killed");
    } else if (!record_.of(role).event.empty()) {
      say("the " + RoleName(role) + " heard of it from the daemon, and left");
    } else if (crew.ending_of(role)->code == kExitOthersLeft) {
      say("the " + RoleName(role) + " saw it go, and left");
    } else if (!crew.ending_of(role)->is_clean()) {
      say("the " + RoleName(role) + " " + Describe(*crew.ending_of(role)));
    }
  }
}

// ---- Afterwards ----

// The contact sheet appears only when it is complete, and belongs to the caller.
Result<void> Launcher::SaveSheet() {
  const UniqueFd file(
      ::open(options_.output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kNewFileMode));
  if (!file) return ErrnoSentence("cannot write " + options_.output);
  std::array<char, 16384> bytes;
  off_t position = 0;
  for (;;) {
    const ssize_t count = ::pread(sheet_.get(), bytes.data(), bytes.size(), position);
    if (count == 0) return {};
    if (count < 0 || ::write(file.get(), bytes.data(), static_cast<size_t>(count)) != count) {
      return ErrnoSentence("cannot write " + options_.output);
    }
    position += count;
  }
}

Result<bool> Launcher::RunReference() {
  progress_.Begin("decoding again without the daemon, to compare");
  Crew crew(interrupts_.get());
  if (Result<void> started = StartParticipant(crew, Role::kReference, {}); !started.ok()) {
    return started.failure();
  }
  crew.Run([&](Role role, const StatusLine& line) {
    record_.Take(role, line);
    progress_.Update("compared " + FramesOf(record_.compared(), record_.frames()));
  });
  if (crew.was_interrupted()) return Sentence("interrupted");
  if (!crew.guilty()) return true;
  return Sentence("the reference decode " + Describe(*crew.ending_of(Role::kReference)));
}

bool Launcher::PrintVerdict() {
  std::printf("source         %s\n", video_.name.c_str());
  record_.PrintNegotiation(stdout);
  record_.PrintResults(stdout);
  const std::vector<uint64_t> differing = record_.DifferingFrames();
  const bool is_equal =
      differing.empty() && record_.frames() > 0 && record_.frames() == record_.decoded_frames();
  if (is_equal) {
    std::printf("hashes         all %llu equal those of a reference decode without the daemon\n",
                static_cast<unsigned long long>(record_.compared()));
  } else {
    std::string list;
    for (size_t i = 0; i < differing.size() && i < kMostFramesNamed; ++i) {
      list += (i == 0 ? " " : ", ") + std::to_string(differing[i]);
    }
    std::printf("hashes         %zu frames DIFFER from the reference decode:%s%s\n",
                differing.size(), list.c_str(), differing.size() > kMostFramesNamed ? ", ..." : "");
  }
  std::printf("contact sheet  %s\n", options_.output.c_str());
  return is_equal && record_.IsSameMemory();
}

}  // namespace sysmem::demo
