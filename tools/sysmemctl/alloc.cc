// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/alloc.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <utility>

#include "tools/sysmemctl/commands.h"
#include "tools/sysmemctl/exit_code.h"
#include "tools/sysmemctl/live_heaps.h"
#include "tools/sysmemctl/scenario_file.h"
#include "tools/sysmemctl/simulate.h"
#include "tools/sysmemctl/text.h"
#include "tools/sysmemctl/why.h"
#include "tools/sysmemctl/wrap.h"

namespace sysmem::ctl {
namespace {

std::optional<scenario::Scenario> LoadOrComplain(const std::string& path, int& code) {
  ScenarioError error;
  std::optional<scenario::Scenario> scenario = LoadScenario(path, error);
  if (scenario) return scenario;
  std::cerr << error.text;
  code = error.cannot_be_read ? kFailed : kUsage;
  return std::nullopt;
}

// The first name that no participant has.
std::optional<std::string> UnknownName(const Faults& faults, const scenario::Scenario& scenario) {
  for (const std::set<std::string>* names : {&faults.unbound, &faults.silent, &faults.leaving}) {
    for (const std::string& name : *names) {
      const bool known =
          std::any_of(scenario.nodes.begin(), scenario.nodes.end(), [&](const auto& node) {
            return node.kind == scenario::Node::Kind::kParticipant && node.name == name;
          });
      if (!known) return name;
    }
  }
  return std::nullopt;
}

// ---- what is done with the buffers --------------------------------------------------------------

// What participants may not write is left alone; buffers of no descriptor too.
Result<void> Fill(const Cast::Part& part, uint8_t byte) {
  for (size_t i = 0; i < part.buffers->count(); ++i) {
    if ((*part.buffers)[i].fd < 0) continue;
    Result<Mapping> mapping = part.buffers->Map(i, SYSMEM_ACCESS_WRITE);
    if (!mapping.ok()) return mapping.failure();
    Result<CpuAccess> access = mapping->Access(SYSMEM_ACCESS_WRITE);
    if (!access.ok()) return access.failure();
    std::memset(mapping->data(), byte, mapping->size());
    if (Result<void> ended = access->End(); !ended.ok()) return ended;
  }
  return {};
}

bool MayWrite(const core::Constraints& constraints) {
  return constraints.usage && core::UsageWrites(*constraints.usage);
}

Result<void> FillByWriters(const Cast& cast, const scenario::Scenario& scenario, uint8_t byte) {
  for (size_t i = 0; i < cast.parts().size(); ++i) {
    const scenario::Node& node = scenario.nodes[i];
    const bool writes = node.constraints && MayWrite(*node.constraints) && !node.read_only;
    if (!writes || !cast.parts()[i].buffers) continue;
    if (Result<void> filled = Fill(cast.parts()[i], byte); !filled.ok()) return filled;
  }
  return {};
}

Failure CannotWrite(const std::string& path) {
  Failure failure;
  failure.text = failure.message = "cannot write " + Safe(path) + ": " + std::strerror(errno);
  return failure;
}

// FOLDER/INDEX.bin, by the first participant that can read each.
Result<void> Dump(const Cast& cast, const std::string& folder) {
  std::set<uint32_t> done;
  for (const Cast::Part& part : cast.parts()) {
    if (!part.buffers) continue;
    for (size_t i = 0; i < part.buffers->count(); ++i) {
      const Buffer& buffer = (*part.buffers)[i];
      if (buffer.fd < 0 || done.contains(buffer.index)) continue;
      Result<Mapping> mapping = part.buffers->Map(i, SYSMEM_ACCESS_READ);
      if (!mapping.ok()) return mapping.failure();
      Result<CpuAccess> access = mapping->Access(SYSMEM_ACCESS_READ);
      if (!access.ok()) return access.failure();
      const std::string path = folder + "/" + std::to_string(buffer.index) + ".bin";
      std::ofstream file(path, std::ios::binary | std::ios::trunc);
      if (!file.write(reinterpret_cast<const char*>(mapping->data()),
                      static_cast<std::streamsize>(mapping->size()))
               .flush()) {
        return CannotWrite(path);
      }
      done.insert(buffer.index);
    }
  }
  return {};
}

// ---- what is told -------------------------------------------------------------------------------

std::string DescribeParts(const Cast& cast, const scenario::Scenario& scenario) {
  std::string text;
  for (size_t i = 0; i < cast.parts().size(); ++i) {
    const Cast::Part& part = cast.parts()[i];
    const std::string name = "\"" + Safe(scenario.nodes[i].name) + "\"";
    if (part.buffers) {
      const size_t count = part.buffers->count();
      text += name + " has " + std::to_string(count) + (count == 1 ? " buffer\n" : " buffers\n");
    } else if (cast.WasNotChosen(i)) {
      text += name + " was not chosen\n";
    } else if (part.failure) {
      text += name + " has none: " + SafeLine(part.failure->message) + "\n";
    }
  }
  return text;
}

Json PartsForPrograms(const Cast& cast, const scenario::Scenario& scenario) {
  Json list = Json::array();
  for (size_t i = 0; i < cast.parts().size(); ++i) {
    if (scenario.nodes[i].kind != scenario::Node::Kind::kParticipant) continue;
    const Cast::Part& part = cast.parts()[i];
    Json one = {{"name", scenario.nodes[i].name},
                {"buffers", part.buffers ? part.buffers->count() : 0}};
    if (part.failure) {
      one["failure"] = {{"rule", part.failure->rule},
                        {"field", part.failure->field},
                        {"message", part.failure->message}};
    }
    list.push_back(std::move(one));
  }
  return list;
}

// As `why` would say it at this moment.
Result<void> Tell(DaemonView& daemon, const Cast& cast, const scenario::Scenario& scenario,
                  const AllocOptions& options) {
  Result<Json> detail = daemon.ShowCollection(cast.collection_id());
  if (!detail.ok()) return detail.failure();
  if (options.json) {
    const Json document = {{"file", options.file},
                           {"participants", PartsForPrograms(cast, scenario)},
                           {"why", ReasonsForPrograms(*detail)}};
    std::cout << JsonText(document) << "\n";
    return {};
  }
  Result<Json> sessions = daemon.AskAll("ListSessions", "sessions");
  if (!sessions.ok()) return sessions.failure();
  PrintWrapped(DescribeReasons(*detail, *sessions, Colours(StandardOutputHasColour())) +
               DescribeParts(cast, scenario));
  return {};
}

// Until somebody ends the program. The signals are blocked since before the first thread.
void Hold(const sigset_t& ends) {
  std::cout.flush();
  std::cerr << "sysmemctl: holding everything; Ctrl-C ends it\n";
  int signal = 0;
  ::sigwait(&ends, &signal);
}

std::string QuotedForShell(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// $ID is the collection, $SYSMEM_SOCKET the daemon. False if it failed.
bool Then(const std::string& command, const std::string& socket, uint64_t collection_id) {
  std::cout.flush();
  const std::string script = "ID=" + std::to_string(collection_id) +
                             " SYSMEM_SOCKET=" + QuotedForShell(socket) +
                             "; export ID SYSMEM_SOCKET\n" + command;
  return std::system(script.c_str()) == 0;
}

sigset_t BlockEndingSignals() {
  sigset_t ends;
  sigemptyset(&ends);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&ends, signal);
  ::pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  return ends;
}

int CodeOf(const Cast& cast) {
  for (size_t i = 0; i < cast.parts().size(); ++i) {
    const std::optional<Failure>& failure = cast.parts()[i].failure;
    if (failure && !cast.WasNotChosen(i)) return ExitCodeOf(*failure);
  }
  return kOk;
}

}  // namespace

int RunAlloc(const std::string& socket, const AllocOptions& options) {
  int code = kOk;
  const std::optional<scenario::Scenario> scenario = LoadOrComplain(options.file, code);
  if (!scenario) return code;
  if (const auto unknown = UnknownName(options.faults, *scenario)) {
    std::cerr << "sysmemctl: no participant of " << Safe(options.file) << " is called \""
              << Safe(*unknown) << "\"\n";
    return kUsage;
  }
  sigset_t ends{};
  if (options.hold) ends = BlockEndingSignals();
  Result<DaemonView> daemon = DaemonView::Open(socket);
  if (!daemon.ok()) return Complain(daemon.failure());
  ConnectOptions connect;
  connect.path = daemon->path();
  connect.debug_name = "sysmemctl";
  Result<Client> client = Client::Connect(connect);
  if (!client.ok()) return Complain(client.failure());

  Cast cast(*client, *scenario, options.faults);
  const Result<void> played = cast.Play(options.patience);
  if (cast.collection_id() == 0) return Complain(played.failure());
  if (played.ok()) {
    if (options.fill) {
      Result<void> filled = FillByWriters(cast, *scenario, *options.fill);
      if (!filled.ok()) return Complain(filled.failure());
    }
    if (!options.dump.empty()) {
      Result<void> dumped = Dump(cast, options.dump);
      if (!dumped.ok()) return Complain(dumped.failure());
    }
  }
  if (Result<void> told = Tell(*daemon, cast, *scenario, options); !told.ok()) {
    return Complain(told.failure());
  }
  const bool then_failed =
      !options.then.empty() && !Then(options.then, daemon->path(), cast.collection_id());
  if (options.hold) Hold(ends);
  if (!played.ok()) {
    if (played.failure().status != Status::kTimeout) return Complain(played.failure());
    return kFailed;  // who did not answer has been told
  }
  if (!std::cout.flush()) return kFailed;
  const int own = CodeOf(cast);
  return own == kOk && then_failed ? kFailed : own;
}

int RunAllocDry(const std::string& socket, const AllocOptions& options) {
  int code = kOk;
  std::optional<scenario::Scenario> scenario = LoadOrComplain(options.file, code);
  if (!scenario) return code;
  Result<DaemonView> daemon = DaemonView::Open(socket);
  if (!daemon.ok()) return Complain(daemon.failure());
  Result<Json> heaps = daemon->Ask("ListHeaps");
  if (!heaps.ok()) return Complain(heaps.failure());
  UseLiveHeaps(heaps->value("heaps", Json::array()), scenario->settings);
  const scenario::Outcome outcome = scenario::Simulate(*scenario);
  if (options.json) {
    Json document = OutcomeAsJson(*scenario, outcome);
    document["file"] = options.file;
    std::cout << JsonText(document) << "\n";
  } else {
    std::cout << DescribeOutcome(*scenario, outcome);
  }
  return ExitCodeOf(outcome);
}

}  // namespace sysmem::ctl
