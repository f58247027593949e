// SPDX-License-Identifier: Apache-2.0
//
// sysmem-inspection-bench: what somebody who looks at everything, all the time, costs the others.
//
// One client holds ten thousand nodes in three collections. A process looks at them without a
// pause, page by page; another client allocates buffers and another asks about one of these very
// nodes, block by block in turn with and without that process. Daemon and clients have a processor
// each (processors.h). The process that looks shares that of the clients, who go before it: they
// have a real-time priority, since whoever runs at a normal one yields even to SCHED_IDLE for a
// whole tick of the clock now and then, and measured is what the daemon does. With --check it fails
// when a 99th percentile is above its bound, in times of that without; when looking kept
// collections busy for longer than a millisecond at a time, by the daemon's own count; when the
// process that looks saw fewer nodes meanwhile than there are; or when the priority was not to be
// had.
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <sysmem/sysmem.hpp>
#include <utility>
#include <vector>

#include "tools/bench/durations.h"
#include "tools/bench/joins.h"
#include "tools/bench/processors.h"
#include "tools/bench/stopwatch.h"
#include "tools/demo/private_daemon.h"
#include "tools/demo/sentence.h"

namespace sysmem::bench {
namespace {

using Json = nlohmann::json;

constexpr double kBound = 1.3;
constexpr uint64_t kHoldBoundNs = 1'000'000;
constexpr uint64_t kLooksPerLongHold = 1000;
constexpr size_t kNodes = 10'000;
constexpr size_t kCollections = 3;     // so that each keeps within nodes_per_collection
constexpr size_t kTokensPerCall = 64;  // of DuplicateSync
constexpr std::chrono::seconds kPatience(60);

Result<Json> Ask(Client& client, const char* method, const Json& request) {
  Result<std::string> text = client.Inspect(method, request.dump());
  if (!text.ok()) return text.failure();
  Json reply = Json::parse(*text, nullptr, false);
  if (reply.is_discarded()) return demo::Sentence("the daemon's answer is no JSON");
  return reply;
}

// --- The one who looks -------------------------------------------------------------------------

// Whether somebody has written to this pipe.
bool HasByte(int pipe) {
  pollfd poll_fd{.fd = pipe, .events = POLLIN, .revents = 0};
  return ::poll(&poll_fd, 1, 0) > 0;
}

// Goes through all nodes of all collections again and again, a page at a time.
class Look {
 public:
  explicit Look(Client& client) : client_(client) {}

  // The next page; how many nodes it had.
  Result<uint64_t> Next() {
    if (collections_.empty()) {
      Result<Json> list = Ask(client_, "ListCollections", Json::object());
      if (!list.ok()) return list.failure();
      for (const Json& summary : (*list)["collections"]) {
        collections_.push_back(summary["buffer_collection_id"]);
      }
      return 0;
    }
    Json request{{"buffer_collection_id", collections_.back()}};
    if (!first_item_.is_null()) request["first_item"] = std::exchange(first_item_, nullptr);
    Result<Json> page = Ask(client_, "ShowCollection", request);
    // That of a measured allocation may have ended.
    if (page.ok() && page->contains("next_item")) {
      first_item_ = (*page)["next_item"];
    } else {
      collections_.pop_back();
    }
    return page.ok() ? (*page)["nodes"].size() : 0;
  }

 private:
  Client& client_;
  std::vector<Json> collections_;  // to come
  Json first_item_;                // of the last one's next page
};

// Looks from one byte to the next, and answers that one with the number of nodes that it saw.
// Returns when the other side is gone.
Result<void> LookWhenTold(const std::string& socket_path, int commands, int answers) {
  char command = 0;
  if (::read(commands, &command, 1) != 1) return {};
  Result<Client> client = Client::Connect({.path = socket_path});
  if (!client.ok()) return client.failure();
  Look look(*client);
  do {
    uint64_t nodes = 0;
    while (!HasByte(commands)) {
      Result<uint64_t> seen = look.Next();
      if (!seen.ok()) return seen.failure();
      nodes += *seen;
    }
    if (::read(commands, &command, 1) != 1) return {};
    if (::write(answers, &nodes, sizeof(nodes)) != sizeof(nodes)) return {};
  } while (::read(commands, &command, 1) == 1);
  return {};
}

// The process that does. Started before the library has threads here.
class Onlooker {
 public:
  static Result<std::unique_ptr<Onlooker>> Start(const std::string& socket_path) {
    std::array<int, 2> commands{-1, -1};
    std::array<int, 2> answers{-1, -1};
    if (::pipe2(commands.data(), O_CLOEXEC) != 0 || ::pipe2(answers.data(), O_CLOEXEC) != 0) {
      return demo::ErrnoSentence("pipe");
    }
    UniqueFd commands_read(commands[0]);
    UniqueFd commands_write(commands[1]);
    UniqueFd answers_read(answers[0]);
    UniqueFd answers_write(answers[1]);
    const pid_t child = ::fork();
    if (child < 0) return demo::ErrnoSentence("fork");
    if (child > 0) {
      return std::unique_ptr<Onlooker>(
          new Onlooker(child, std::move(commands_write), std::move(answers_read)));
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    StayOn(Side::kClient);
    const sched_param none{};
    ::sched_setscheduler(0, SCHED_IDLE, &none);
    commands_write.reset();
    answers_read.reset();
    Result<void> looked = LookWhenTold(socket_path, commands_read.get(), answers_write.get());
    if (!looked.ok()) std::cerr << "who looks: " << looked.failure().ToString() << "\n";
    ::_exit(looked.ok() ? 0 : 1);
  }
  ~Onlooker() { ::kill(child_, SIGKILL); }
  Onlooker(const Onlooker&) = delete;
  Onlooker& operator=(const Onlooker&) = delete;

  Result<void> Begin() { return Say(); }
  // How many nodes it has seen since Begin.
  Result<uint64_t> End() {
    Result<void> said = Say();
    if (!said.ok()) return said.failure();
    uint64_t nodes = 0;
    if (::read(answers_.get(), &nodes, sizeof(nodes)) != sizeof(nodes)) {
      return demo::Sentence("the process that looks has ended");
    }
    return nodes;
  }

 private:
  Onlooker(pid_t child, UniqueFd commands, UniqueFd answers)
      : child_(child), commands_(std::move(commands)), answers_(std::move(answers)) {}
  Result<void> Say() {
    if (::write(commands_.get(), "l", 1) != 1) return demo::ErrnoSentence("write");
    return {};
  }

  const pid_t child_;
  UniqueFd commands_;
  UniqueFd answers_;
};

// --- What there is to see ----------------------------------------------------------------------

// Collections that wait for their first token, which is kept; every other node has constraints.
struct Crowd {
  std::vector<Token> unbound;
  std::vector<Collection> bound;
};

Result<void> AddNodes(Crowd& crowd, Token& root, size_t count) {
  Constraints constraints;
  constraints.usage.emplace();
  constraints.usage->cpu = SYSMEM_CPU_USAGE_READ;
  constraints.min_buffer_count_for_camping = 1;
  while (count > 0) {
    const size_t now = std::min(count, kTokensPerCall);
    const std::vector<uint32_t> masks(now, SYSMEM_SAME_RIGHTS);
    Result<std::vector<Token>> tokens = root.DuplicateSync(masks, kPatience);
    if (!tokens.ok()) return tokens.failure();
    for (Token& token : *tokens) {
      Result<Collection> collection = std::move(token).Bind();
      if (!collection.ok()) return collection.failure();
      Result<void> told = collection->SetConstraints(constraints);
      if (!told.ok()) return told;
      crowd.bound.push_back(*std::move(collection));
    }
    count -= now;
  }
  return {};
}

Result<Crowd> MakeCrowd(Client& client) {
  Crowd crowd;
  for (size_t i = 0; i < kCollections; ++i) {
    Result<Token> root = client.CreateToken();
    if (!root.ok()) return root.failure();
    Result<void> named = root->SetDebugClientInfo("one of ten thousand", i);
    if (!named.ok()) return named.failure();
    Result<void> added = AddNodes(crowd, *root, (kNodes + kCollections - 1) / kCollections - 1);
    if (!added.ok()) return added.failure();
    crowd.unbound.push_back(*std::move(root));
  }
  Result<void> all = client.Roundtrip(kPatience);
  if (!all.ok()) return all.failure();
  return crowd;
}

// --- Figures -----------------------------------------------------------------------------------

constexpr int kWidth = 44;

struct Compared {
  Durations without;
  Durations with;
};

// True if the ratio is within its bound.
bool Print(const char* what, Compared& durations) {
  std::printf("%s, %zu of each\n", what, durations.with.size());
  PrintRow("  alone", kWidth, durations.without, {0.5, 0.9, 0.99, 1.0});
  PrintRow("  while somebody looks", kWidth, durations.with, {0.5, 0.9, 0.99, 1.0});
  const double tail = static_cast<double>(Percentile(durations.with, 0.99)) /
                      static_cast<double>(Percentile(durations.without, 0.99));
  std::printf("  p99 ratio %.2f (bound %.1f%s)\n", tail, kBound, tail > kBound ? ", ABOVE" : "");
  return tail <= kBound;
}

// Between two calls, for the process that looks: each call finds the daemon in the midst of it.
void LeaveTheProcessor() {
  constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 500'000};
  ::nanosleep(&kPause, nullptr);
}

// Asks about a node that somebody may be looking at.
Result<int64_t> MeasureSync(Token& token) {
  const Stopwatch watch;
  Result<void> done = token.Sync(kPatience);
  const int64_t ns = watch.ns();
  if (!done.ok()) return done.failure();
  return ns;
}

Result<void> MeasureBlock(Client& client, Token& token, unsigned count, Durations& allocations,
                          Durations& syncs) {
  for (unsigned i = 0; i < count; ++i) {
    LeaveTheProcessor();
    Result<Durations> allocation = MeasureAllocations(client, 1);
    if (!allocation.ok()) return allocation.failure();
    allocations.push_back(allocation->front());
    LeaveTheProcessor();
    Result<int64_t> sync = MeasureSync(token);
    if (!sync.ok()) return sync.failure();
    syncs.push_back(*sync);
  }
  return {};
}

struct Figures {
  Compared allocations;
  Compared syncs;
  uint64_t seen = 0;
};

// Blocks in turn, each kind first in every other round.
Result<Figures> Measure(Client& client, Token& token, Onlooker& onlooker, unsigned rounds,
                        unsigned block) {
  Figures figures;
  for (unsigned round = 0; round < rounds; ++round) {
    for (const bool is_watched : {round % 2 == 0, round % 2 != 0}) {
      if (!is_watched) {
        Result<void> measured =
            MeasureBlock(client, token, block, figures.allocations.without, figures.syncs.without);
        if (!measured.ok()) return measured.failure();
        continue;
      }
      Result<void> begun = onlooker.Begin();
      if (!begun.ok()) return begun.failure();
      Result<void> measured =
          MeasureBlock(client, token, block, figures.allocations.with, figures.syncs.with);
      if (!measured.ok()) return measured.failure();
      Result<uint64_t> seen = onlooker.End();
      if (!seen.ok()) return seen.failure();
      figures.seen += *seen;
    }
  }
  return figures;
}

// Of this process, which starts no other from now on. False when not permitted.
bool GoFirst() {
  sched_param lowest{};
  lowest.sched_priority = ::sched_get_priority_min(SCHED_FIFO);
  if (::sched_setscheduler(0, SCHED_FIFO, &lowest) == 0) return true;
  std::cerr << "sysmem-inspection-bench: no real-time priority (" << std::strerror(errno)
            << "): figures include what the process that looks takes of the clients' processor\n";
  return false;
}

// How long looking kept collections busy, as the daemon counts it.
struct Holds {
  uint64_t looks = 0;
  uint64_t long_ones = 0;
  uint64_t longest_ns = 0;
  uint64_t most_work_ns = 0;
};

Result<Holds> AskForHolds(Client& client) {
  Result<Json> status = Ask(client, "GetStatus", Json::object());
  if (!status.ok()) return status.failure();
  Holds holds;
  std::map<std::string, uint64_t*> wanted{{"inspection_slices", &holds.looks},
                                          {"inspection_long_holds", &holds.long_ones},
                                          {"inspection_longest_hold", &holds.longest_ns},
                                          {"inspection_most_work", &holds.most_work_ns}};
  for (const Json& counter : (*status)["counters"]) {
    const auto found = wanted.find(counter["name"]);
    if (found == wanted.end()) continue;
    if (counter.contains("value"))
      *found->second = std::stoull(counter["value"].get<std::string>());
    wanted.erase(found);
  }
  if (!wanted.empty()) return demo::Sentence("the daemon does not count " + wanted.begin()->first);
  return holds;
}

// True if within bounds. A look needs little of a processor by design; that the machine keeps the
// daemon waiting for one in the midst of it can be made unlikely, not impossible.
bool Print(const Holds& holds) {
  const bool little = holds.most_work_ns <= kHoldBoundNs;
  const bool seldom = holds.long_ones * kLooksPerLongHold <= holds.looks;
  std::printf(
      "%llu looks kept a collection busy for a millisecond at most, %llu longer (one in %llu "
      "may%s)\n",
      static_cast<unsigned long long>(holds.looks - holds.long_ones),
      static_cast<unsigned long long>(holds.long_ones),
      static_cast<unsigned long long>(kLooksPerLongHold), seldom ? "" : ", ABOVE");
  std::printf("the longest %.1f us; the most that one worked %.1f us (bound %.0f%s)\n",
              static_cast<double>(holds.longest_ns) / 1e3,
              static_cast<double>(holds.most_work_ns) / 1e3,
              static_cast<double>(kHoldBoundNs) / 1e3, little ? "" : ", ABOVE");
  return little && seldom;
}

// True if everything is within its bound.
Result<bool> Run(unsigned rounds, unsigned block) {
  Result<std::unique_ptr<demo::Workspace>> workspace = demo::Workspace::Create();
  if (!workspace.ok()) return workspace.failure();
  Result<std::unique_ptr<Onlooker>> onlooker = Onlooker::Start((*workspace)->socket_path());
  if (!onlooker.ok()) return onlooker.failure();
  StayOn(Side::kServer);  // the daemon inherits it
  Result<std::unique_ptr<demo::PrivateDaemon>> daemon = demo::PrivateDaemon::Start(**workspace);
  if (!daemon.ok()) return daemon.failure();
  StayOn(Side::kClient);
  const bool goes_first = GoFirst();
  Result<Client> holder = Client::Connect({.path = (*workspace)->socket_path()});
  if (!holder.ok()) return holder.failure();
  Result<Client> client = Client::Connect({.path = (*workspace)->socket_path()});
  if (!client.ok()) return client.failure();
  Result<Crowd> crowd = MakeCrowd(*holder);
  if (!crowd.ok()) return crowd.failure();
  Token& token = crowd->unbound.back();

  Figures none;
  Result<void> warm =
      MeasureBlock(*client, token, block, none.allocations.without, none.syncs.without);
  if (!warm.ok()) return warm.failure();
  Result<Figures> figures = Measure(*client, token, **onlooker, rounds, block);
  if (!figures.ok()) return figures.failure();
  std::printf("%-*s %8s %8s %8s %8s\n", kWidth, "", "p50 us", "p90 us", "p99 us", "max us");
  bool good = Print("an allocation of five buffers", figures->allocations);
  good = Print("a call about a node that is looked at", figures->syncs) && good;
  const bool looked = figures->seen >= kNodes;
  std::printf("%llu nodes were looked at meanwhile (at least %zu%s)\n",
              static_cast<unsigned long long>(figures->seen), kNodes, looked ? "" : ", BELOW");
  Result<Holds> holds = AskForHolds(*client);
  if (!holds.ok()) return holds.failure();
  good = Print(*holds) && good;
  return good && looked && goes_first;
}

int Main(int argc, char** argv) {
  CLI::App app{"Measures what inspection of ten thousand nodes costs others."};
  unsigned rounds = 12;
  unsigned block = 500;
  bool check = false;
  app.add_option("--rounds", rounds, "Blocks of each kind (default 12)")
      ->check(CLI::PositiveNumber);
  app.add_option("--block", block, "Calls of each kind in a block (default 500)")
      ->check(CLI::PositiveNumber);
  app.add_flag("--check", check, "Fail when something is above its bound");
  CLI11_PARSE(app, argc, argv);
  Result<bool> good = Run(rounds, block);
  if (!good.ok()) {
    std::cerr << "sysmem-inspection-bench: " << good.failure().ToString() << "\n";
    return 1;
  }
  return check && !*good ? 1 : 0;
}

}  // namespace
}  // namespace sysmem::bench

int main(int argc, char** argv) { return sysmem::bench::Main(argc, argv); }
