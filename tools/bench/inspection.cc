// SPDX-License-Identifier: Apache-2.0
//
// sysmem-inspection-bench: what somebody who looks at everything, all the time, costs the others.
//
// One client holds ten thousand nodes in three collections. A process looks at them without a
// pause, page by page; another client allocates buffers and another asks about one of these very
// nodes, block by block in turn: alone, with that process, and with one that does plain work of the
// length of a look instead, on the daemon's processor. Daemon and clients have a processor each
// (processors.h). The process that looks shares that of the clients, who go before it: they have a
// real-time priority, since whoever runs at a normal one yields even to SCHED_IDLE for a whole tick
// of the clock now and then, and measured is what the daemon does.
//
// With --check it fails when a 99th percentile is above its bound, in times of that without; when
// looking kept collections busy for longer than a millisecond at a time, by the daemon's own count;
// when the process that looks saw fewer nodes meanwhile than there are; or when the priority was
// not to be had. Plain work moves no bound: it shows what the machine does to anybody, since a
// virtual one is kept from its processors for milliseconds and may count that as work.
#include <sched.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
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
#include "tools/bench/neighbour.h"
#include "tools/bench/processors.h"
#include "tools/bench/stopwatch.h"
#include "tools/demo/private_daemon.h"
#include "tools/demo/sentence.h"

namespace sysmem::bench {
namespace {

using Json = nlohmann::json;

constexpr double kBound = 1.3;
constexpr uint64_t kHoldBoundNs = 1'000'000;
constexpr double kLongPart = 0.001;  // of the looks may take longer
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

// Connects when it is told to look for the first time. Answers with how many nodes it has seen.
using Onlooker = Neighbour<uint64_t>;

Result<std::unique_ptr<Onlooker>> StartOnlooker(const std::string& socket_path) {
  const auto prepare = [] {
    StayOn(Side::kClient);
    const sched_param none{};
    ::sched_setscheduler(0, SCHED_IDLE, &none);
  };
  std::unique_ptr<Client> client;
  std::unique_ptr<Look> look;
  return Onlooker::Start(prepare, [&](const Orders& orders) -> Result<uint64_t> {
    if (!client) {
      Result<Client> connected = Client::Connect({.path = socket_path});
      if (!connected.ok()) return connected.failure();
      client = std::make_unique<Client>(*std::move(connected));
      look = std::make_unique<Look>(*client);
    }
    uint64_t nodes = 0;
    while (!orders.HasNext()) {
      Result<uint64_t> seen = look->Next();
      if (!seen.ok()) return seen.failure();
      nodes += *seen;
    }
    return nodes;
  });
}

// --- Plain work --------------------------------------------------------------------------------

// How long something kept the processor, each time it did.
struct Holds {
  uint64_t count = 0;
  uint64_t long_ones = 0;  // took longer than kHoldBoundNs
  uint64_t longest_ns = 0;
  uint64_t most_work_ns = 0;  // of processor time

  void Add(const Holds& other) {
    count += other.count;
    long_ones += other.long_ones;
    longest_ns = std::max(longest_ns, other.longest_ns);
    most_work_ns = std::max(most_work_ns, other.most_work_ns);
  }
  double long_part() const {
    return count == 0 ? 0 : static_cast<double>(long_ones) / static_cast<double>(count);
  }
};

uint64_t ThreadNs() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

// A page of the texts that a look copies, made and dropped.
void CopyTexts() {
  constexpr size_t kTexts = 640;  // about as long as a look at 128 nodes: tens of microseconds
  std::vector<std::string> texts;
  for (size_t i = 0; i < kTexts; ++i) texts.emplace_back(64 + i % 8, 'x');
}

using Worker = Neighbour<Holds>;

Result<std::unique_ptr<Worker>> StartWorker() {
  return Worker::Start([] { StayOn(Side::kServer); },
                       [](const Orders& orders) -> Result<Holds> {
                         Holds holds;
                         while (!orders.HasNext()) {
                           const uint64_t work_began = ThreadNs();
                           const Stopwatch watch;
                           CopyTexts();
                           const auto ns = static_cast<uint64_t>(watch.ns());
                           holds.Add({.count = 1,
                                      .long_ones = ns > kHoldBoundNs ? 1U : 0U,
                                      .longest_ns = ns,
                                      .most_work_ns = ThreadNs() - work_began});
                           ::sched_yield();  // as the daemon does after each look
                         }
                         return holds;
                       });
}

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
  Holds plain_work;
};

// Blocks in turn, each kind first in every other round.
Result<Figures> Measure(Client& client, Token& token, Onlooker& onlooker, Worker& worker,
                        unsigned rounds, unsigned block) {
  Figures figures;
  Durations unasked;  // of the calls beside plain work
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
    Result<void> begun = worker.Begin();
    if (!begun.ok()) return begun.failure();
    Result<void> measured = MeasureBlock(client, token, block, unasked, unasked);
    if (!measured.ok()) return measured.failure();
    Result<Holds> worked = worker.End();
    if (!worked.ok()) return worked.failure();
    figures.plain_work.Add(*worked);
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
Result<Holds> AskForHolds(Client& client) {
  Result<Json> status = Ask(client, "GetStatus", Json::object());
  if (!status.ok()) return status.failure();
  Holds holds;
  std::map<std::string, uint64_t*> wanted{{"inspection_slices", &holds.count},
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

void Print(const char* what, const Holds& holds) {
  std::printf("%s: %llu, longer than a millisecond %llu (%.4f %%), the longest %.1f us; ", what,
              static_cast<unsigned long long>(holds.count),
              static_cast<unsigned long long>(holds.long_ones), 100 * holds.long_part(),
              static_cast<double>(holds.longest_ns) / 1e3);
  std::printf("the most work %.1f us\n", static_cast<double>(holds.most_work_ns) / 1e3);
}

// True if looking is within its bounds. A look needs little of a processor by design; that the
// machine keeps the daemon waiting for one in the midst of it can be made unlikely, not impossible.
bool Print(const Holds& looks, const Holds& plain_work) {
  Print("looks", looks);
  Print("plain work instead", plain_work);
  const bool seldom = looks.long_part() <= kLongPart;
  const bool little = looks.most_work_ns <= kHoldBoundNs;
  std::printf("bounds of looks: %.4f %% longer than a millisecond%s, the most work %.1f us%s\n",
              100 * kLongPart, seldom ? "" : " (ABOVE)", static_cast<double>(kHoldBoundNs) / 1e3,
              little ? "" : " (ABOVE)");
  return seldom && little;
}

// True if everything is within its bound.
Result<bool> Run(unsigned rounds, unsigned block) {
  Result<std::unique_ptr<demo::Workspace>> workspace = demo::Workspace::Create();
  if (!workspace.ok()) return workspace.failure();
  Result<std::unique_ptr<Onlooker>> onlooker = StartOnlooker((*workspace)->socket_path());
  if (!onlooker.ok()) return onlooker.failure();
  Result<std::unique_ptr<Worker>> worker = StartWorker();
  if (!worker.ok()) return worker.failure();
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
  Result<Figures> figures = Measure(*client, token, **onlooker, **worker, rounds, block);
  if (!figures.ok()) return figures.failure();
  std::printf("%-*s %8s %8s %8s %8s\n", kWidth, "", "p50 us", "p90 us", "p99 us", "max us");
  bool good = Print("an allocation of five buffers", figures->allocations);
  good = Print("a call about a node that is looked at", figures->syncs) && good;
  const bool looked = figures->seen >= kNodes;
  std::printf("%llu nodes were looked at meanwhile (at least %zu%s)\n",
              static_cast<unsigned long long>(figures->seen), kNodes, looked ? "" : ", BELOW");
  Result<Holds> holds = AskForHolds(*client);
  if (!holds.ok()) return holds.failure();
  good = Print(*holds, figures->plain_work) && good;
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
