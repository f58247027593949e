// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/run.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <iostream>
#include <optional>
#include <utility>

#include "base/escape.h"
#include "tools/sysmemctl/daemon_view.h"
#include "tools/sysmemctl/exit_code.h"
#include "tools/sysmemctl/pipeline.h"
#include "tools/sysmemctl/text.h"
#include "tools/sysmemctl/why.h"

namespace sysmem::ctl {
namespace {

// Who has not answered by then is told of with --verbose.
constexpr std::chrono::seconds kPatience(2);

int Complain(const std::string& text) {
  std::cerr << "sysmemctl: " << text << "\n";
  return kUsage;
}

// What SetName and SetDebugClientInfo take (MESSAGE_LIMIT_NAME_BYTES).
constexpr size_t kMaxNameBytes = 64;

std::string AsName(const std::string& text) {
  return std::string(base::CutToBytes(Safe(text), kMaxNameBytes));
}

timespec Until(std::chrono::steady_clock::time_point deadline) {
  const auto left = std::max<std::chrono::nanoseconds>(deadline - std::chrono::steady_clock::now(),
                                                       std::chrono::nanoseconds(0));
  const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
  return {.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
}

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// "producer | consumer".
std::string NameOf(const std::vector<std::vector<std::string>>& commands) {
  std::string name;
  for (const auto& words : commands) name += (name.empty() ? "" : " | ") + BaseName(words[0]);
  return AsName(name);
}

// A token to inherit: not one of the three descriptors that have another meaning there.
Result<UniqueFd> MakeToken(Token& root, const std::string& command) {
  Result<Token> token = root.Duplicate();
  if (!token.ok()) return token.failure();
  if (Result<void> named = token->SetDebugClientInfo(AsName(BaseName(command)), 0); !named.ok()) {
    return named.failure();
  }
  Result<UniqueFd> fd = (*std::move(token)).Export();
  if (!fd.ok() || fd->get() > 2) return fd;
  UniqueFd higher(::fcntl(fd->get(), F_DUPFD_CLOEXEC, 3));
  if (higher) return higher;
  Failure failure;
  failure.text = failure.message = "no descriptor is left for a token";
  return failure;
}

// Standard input is the commands' alone: whoever writes to it is to notice when they have gone.
void LetGoOfInput() {
  const UniqueFd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (nothing) {
    ::dup2(nothing.get(), STDIN_FILENO);
  } else {
    ::close(STDIN_FILENO);
  }
}

class Run {
 public:
  Run(DaemonView& daemon, const RunOptions& options) : daemon_(daemon), options_(options) {}

  // The collection, and the commands with their tokens.
  Result<std::vector<PipelineCommand>> Prepare(Client& client,
                                               std::vector<std::vector<std::string>> commands) {
    Result<Token> root = client.CreateToken();
    if (!root.ok()) return root.failure();
    if (Result<void> named = root->SetName(0, NameOf(commands)); !named.ok()) {
      return named.failure();
    }
    Result<uint64_t> id = root->GetBufferCollectionId();
    if (!id.ok()) return id.failure();
    id_ = *id;
    std::vector<PipelineCommand> prepared;
    for (std::vector<std::string>& words : commands) {
      PipelineCommand command{.words = std::move(words)};
      const auto number = static_cast<unsigned>(prepared.size() + 1);
      if (options_.sharing.empty() || options_.sharing.contains(number)) {
        Result<UniqueFd> token = MakeToken(*root, command.words[0]);
        if (!token.ok()) return token.failure();
        command.token = *std::move(token);
      }
      prepared.push_back(std::move(command));
    }
    return prepared;  // the root is released: nobody waits for this program
  }

  // Until all have ended. `signals` are blocked.
  int Await(Pipeline& pipeline, const sigset_t& signals) {
    bool patient = options_.verbose;
    bool told = false;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (pipeline.Reap(); !pipeline.is_over(); pipeline.Reap()) {
      siginfo_t info{};
      const timespec left = Until(deadline);
      const int number =
          patient ? ::sigtimedwait(&signals, &info, &left) : ::sigwaitinfo(&signals, &info);
      if (number == SIGCHLD || (number < 0 && errno == EINTR)) continue;
      if (number < 0) {  // nothing came for a while
        if (patient) TellWhy(true);
        patient = false;
        continue;
      }
      if (!std::exchange(told, true)) TellWhy(false);
      // The terminal has sent it to them as well.
      if (info.si_code != SI_KERNEL) pipeline.Signal(number);
    }
    if (options_.verbose) std::cerr << pipeline.DescribeTrouble();
    if (options_.verbose && pipeline.ExitStatus() != 0 && !told) TellWhy(false);
    return pipeline.ExitStatus();
  }

 private:
  // What `why` says, as long as there is something to say.
  void TellWhy(bool only_if_it_waits) {
    Result<Json> detail = daemon_.ShowCollection(id_);
    Result<Json> sessions = daemon_.AskAll("ListSessions", "sessions");
    if (!detail.ok() || !sessions.ok()) return;
    const Json summary = detail->value("summary", Json::object());
    if (only_if_it_waits && Text(summary, "state") != "COLLECTION_STATE_WAITING") return;
    std::cerr << DescribeReasons(*detail, *sessions, Colours(false));
  }

  DaemonView& daemon_;
  const RunOptions& options_;
  uint64_t id_ = 0;
};

}  // namespace

int RunCommands(const std::string& socket, const RunOptions& options) {
  auto commands = SplitPipeline(options.words);
  if (!commands) return Complain("run: a command is missing beside a \"|\"");
  if (!options.sharing.empty() && *options.sharing.rbegin() > commands->size()) {
    return Complain("run: --share " + std::to_string(*options.sharing.rbegin()) + ": there are " +
                    std::to_string(commands->size()) + " commands");
  }
  // Before the library has threads.
  sigset_t signals;
  sigset_t before;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD}) sigaddset(&signals, number);
  ::pthread_sigmask(SIG_BLOCK, &signals, &before);
  ::signal(SIGCHLD, SIG_DFL);  // ignored, it would take away how they ended

  Result<DaemonView> daemon = DaemonView::Open(socket);
  if (!daemon.ok()) return Complain(daemon.failure());
  Run run(*daemon, options);
  std::optional<Pipeline> pipeline;
  {
    Result<Client> client =
        Client::Connect({.path = daemon->path(), .debug_name = "sysmemctl run"});
    if (!client.ok()) return Complain(client.failure());
    Result<std::vector<PipelineCommand>> prepared = run.Prepare(*client, *std::move(commands));
    if (!prepared.ok()) return Complain(prepared.failure());
    if (Result<void> known = client->Roundtrip(); !known.ok()) return Complain(known.failure());
    pipeline.emplace(*std::move(prepared), daemon->path(), before);
    LetGoOfInput();
  }
  return run.Await(*pipeline, signals);
}

}  // namespace sysmem::ctl
