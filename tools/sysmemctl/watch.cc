// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/watch.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <thread>
#include <utility>
#include <vector>

#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {
namespace {

// "allocation succeeded" is the longest kind.
constexpr size_t kKindWidth = 20;

// "14:03:07.012"
std::string LocalTime(uint64_t ns) {
  const auto seconds = static_cast<time_t>(ns / 1'000'000'000);
  tm local{};
  ::localtime_r(&seconds, &local);
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%02d:%02d:%02d.%03u", local.tm_hour, local.tm_min,
                local.tm_sec, static_cast<unsigned>(ns / 1'000'000 % 1000));
  return text.data();
}

std::string Quoted(const Json& event, const char* field) {
  const std::string text = Text(event, field);
  return text.empty() ? "" : " \"" + Safe(text) + "\"";
}

std::string NumberText(const Json& event, const char* field) {
  return std::to_string(Number(event, field));
}

// What it is about, from the large to the small.
std::vector<std::string> PartsOf(const Json& event) {
  std::vector<std::string> parts;
  if (event.contains("buffer_collection_id")) {
    parts.push_back("collection " + NumberText(event, "buffer_collection_id") +
                    Quoted(event, "collection_name"));
  }
  if (event.contains("node_id")) {
    std::string kind = EnumWord(Text(event, "node_kind"), "NODE_KIND_");
    if (kind.empty() || kind == "unspecified") kind = "node";
    parts.push_back(kind + " " + NumberText(event, "node_id") + Quoted(event, "debug_name"));
  }
  if (event.contains("buffer_index"))
    parts.push_back("buffer " + NumberText(event, "buffer_index"));
  if (event.contains("buffers")) parts.push_back(NumberText(event, "buffers") + " buffers");
  if (event.contains("bytes")) parts.push_back(Bytes(Number(event, "bytes")));
  if (event.contains("heap")) parts.push_back("heap " + HeapName(event["heap"]));
  if (event.contains("duration_ns")) {
    parts.push_back("after " + Duration(Number(event, "duration_ns")));
  }
  if (event.contains("session_id")) parts.push_back("session " + NumberText(event, "session_id"));
  if (event.contains("peer")) parts.push_back(Process(event["peer"]));
  std::string error;
  if (event.contains("error")) error = EnumWord(Text(event, "error"), "ERROR_");
  if (const std::string rule = Text(event, "rule"); !rule.empty()) {
    error += (error.empty() ? "rule " : ", rule ") + Safe(rule);
  }
  if (!error.empty()) parts.push_back(error);
  return parts;
}

bool ReaderHasGone() {
  pollfd out{.fd = STDOUT_FILENO, .events = 0, .revents = 0};
  return ::poll(&out, 1, 0) > 0;
}

// Nothing is written while nothing happens, so that a reader's end would not be noticed.
void EndWithTheReader() {
  std::thread([] {
    pollfd out{.fd = STDOUT_FILENO, .events = 0, .revents = 0};
    while (::poll(&out, 1, -1) < 0 && errno == EINTR) {
    }
    ::_exit((out.revents & POLLNVAL) != 0 ? kFailed : kOk);
  }).detach();
}

class Watch {
 public:
  explicit Watch(const WatchOptions& options) : options_(options), left_(options.count) {}

  // Of one answer. True if that was the end.
  bool Print(const Json& result) {
    if (const uint64_t lost = Number(result, "lost"); lost > 0) PrintLost(lost);
    for (const Json& event : result.value("events", Json::array())) {
      std::cout << (options_.json ? JsonText(event, kOneLine) : DescribeEvent(event)) << "\n";
      if (left_ > 0 && --left_ == 0) return true;
      if (options_.id && Text(event, "kind") == "EVENT_KIND_COLLECTION_ENDED") return true;
    }
    return false;
  }

  Json Question(const Json& after) const {
    Json question = {{"after", after}};
    if (options_.id) question["buffer_collection_id"] = std::to_string(*options_.id);
    // As many as are still to be printed; the daemon has a bound of its own.
    if (left_ > 0) question["at_most"] = std::min<uint64_t>(left_, UINT32_MAX);
    return question;
  }

 private:
  void PrintLost(uint64_t lost) const {
    if (options_.json) {
      std::cout << JsonText(Json{{"lost", std::to_string(lost)}}, kOneLine) << "\n";
    } else {
      std::cout << "-- lost " << lost << (lost == 1 ? " event" : " events")
                << ": more happened than was read in time\n";
    }
  }

  const WatchOptions& options_;
  uint64_t left_;
};

// Whether anything can still happen to the collection. Fails with kNotFound if there is none, or
// this user may not see it.
Result<bool> Lives(DaemonView& daemon, uint64_t id) {
  Result<Json> page = daemon.Ask("ListCollections",
                                 {{"after", std::to_string(id > 0 ? id - 1 : 0)}, {"at_most", 1}});
  if (!page.ok()) return page.failure();
  const Json found = page->value("collections", Json::array());
  if (!found.empty() && Number(found[0], "buffer_collection_id") == id) {
    return Text(found[0], "state") != "COLLECTION_STATE_FAILED";  // remembered for a while
  }
  Failure none;
  none.error = Error::kNotFound;
  none.message = none.text = "no collection " + std::to_string(id);
  return none;
}

}  // namespace

std::string DescribeEvent(const Json& event) {
  std::string kind = EnumWord(Text(event, "kind"), "EVENT_KIND_");
  kind.resize(std::max(kKindWidth, kind.size()), ' ');
  std::string line = LocalTime(Number(event, "time_ns")) + "  " + kind + "  ";
  bool first = true;
  for (const std::string& part : PartsOf(event))
    line += (std::exchange(first, false) ? "" : ", ") + part;
  if (const std::string message = Text(event, "message"); !message.empty()) {
    line += (first ? "" : ": ") + message;  // the daemon escaped what is not its own
  }
  return line;
}

Result<ExitCode> RunWatch(DaemonView& daemon, const WatchOptions& options) {
  ::signal(SIGPIPE, SIG_IGN);
  EndWithTheReader();
  // First where the end is: what happens while the collection is looked for is not missed.
  Result<Json> result = daemon.Ask("NextEvents");
  if (!result.ok()) return result.failure();
  bool ended = false;
  if (options.id) {
    const Result<bool> lives = Lives(daemon, *options.id);
    if (!lives.ok()) return lives.failure();
    ended = !*lives;
    if (ended) std::cerr << "sysmemctl: the collection has failed already; see why\n";
  }
  Watch watch(options);
  while (!ended) {
    result = daemon.Ask("NextEvents", watch.Question((*result)["next_after"]), Deadline::Never());
    if (!result.ok()) return result.failure();
    ended = watch.Print(*result);
    if (!std::cout.flush()) return ReaderHasGone() ? kOk : kFailed;
    // Its end may be among what was lost.
    if (options.id && !ended && Number(*result, "lost") > 0) {
      const Result<bool> lives = Lives(daemon, *options.id);
      ended = !lives.ok() || !*lives;
    }
  }
  return kOk;
}

}  // namespace sysmem::ctl
