// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/holders.h"

#include <algorithm>
#include <iostream>
#include <map>
#include <utility>

#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {
namespace {

// Of one collection, by process. Those of whom nothing may be seen share the number 0.
class Gathering {
 public:
  explicit Gathering(const Json& detail) {
    const Json summary = detail.value("summary", Json::object());
    id_ = Number(summary, "buffer_collection_id");
    name_ = Text(summary, "name");
  }

  void AddHandOuts(const Json& buffer) {
    for (const Json& holder : buffer.value("holders", Json::array())) {
      const Json process = holder.value("given_to", Json::object());
      Holding& holding = Of(Number(process, "pid"), process);
      ++(Flag(holder, "weak") ? holding.weak : holding.strong);
      AddBuffer(holding, buffer);
    }
  }
  void AddSeen(const Json& buffer, const HoldingProcess& process, const Hold& hold) {
    Holding& holding =
        Of(static_cast<uint64_t>(process.pid),
           {{"pid", process.pid}, {"uid", process.uid}, {"command", process.command}});
    if (!holding.seen) holding.seen.emplace();
    holding.seen->descriptors += hold.descriptors;
    holding.seen->mappings += hold.mappings;
    AddBuffer(holding, buffer);
  }
  void MoveTo(std::vector<Holding>& all) {
    for (auto& [pid, holding] : by_pid_) all.push_back(std::move(holding));
  }

 private:
  Holding& Of(uint64_t pid, const Json& process) {
    const auto [found, is_new] = by_pid_.try_emplace(pid);
    Holding& holding = found->second;
    if (!is_new) return holding;
    holding.collection_id = id_;
    holding.collection_name = name_;
    holding.process = process;
    // Always there, also where nothing of the process may be seen (PeerInfo).
    holding.process.emplace("command", "");
    if (pid != 0) holding.pid = pid;
    return holding;
  }
  static void AddBuffer(Holding& holding, const Json& buffer) {
    const uint64_t index = Number(buffer, "index");
    if (!holding.buffers.empty() && holding.buffers.back() == index) return;
    holding.buffers.push_back(index);
    holding.bytes += Number(buffer, "raw_vmo_size");
  }

  uint64_t id_ = 0;
  std::string name_;
  std::map<uint64_t, Holding> by_pid_;
};

std::string HowHeld(const Holding& holding) {
  if (holding.strong == 0 && holding.weak == 0) return "not handed to it";
  if (holding.weak == 0) return "strong";
  return holding.strong == 0 ? "weak" : "strong, weak";
}

std::string Seen(const Holding& holding, uint64_t Hold::*what) {
  return holding.seen ? std::to_string((*holding.seen).*what) : "?";
}

Json Figures(const Holding& holding) {
  Json figures = {{"buffer_collection_id", std::to_string(holding.collection_id)},
                  {"name", holding.collection_name},
                  {"process", holding.process},
                  {"buffers", holding.buffers},
                  {"bytes", std::to_string(holding.bytes)},
                  {"strong_hand_outs", holding.strong},
                  {"weak_hand_outs", holding.weak}};
  if (holding.seen) {
    figures["descriptors"] = holding.seen->descriptors;
    figures["mappings"] = holding.seen->mappings;
  }
  return figures;
}

Result<std::vector<Json>> AllDetails(DaemonView& daemon) {
  Result<Json> list = daemon.AskAll("ListCollections", "collections");
  if (!list.ok()) return list.failure();
  std::vector<Json> details;
  for (const Json& one : *list) {
    Result<Json> detail = daemon.ShowCollection(Number(one, "buffer_collection_id"));
    if (detail.ok()) {
      details.push_back(*std::move(detail));
    } else if (detail.failure().error != Error::kNotFound) {
      return detail.failure();
    }  // else it has gone meanwhile
  }
  return details;
}

bool IsCollection(const Json& detail, uint64_t id) {
  return Number(detail.value("summary", Json::object()), "buffer_collection_id") == id;
}

}  // namespace

std::vector<Holding> FindHoldings(const std::vector<Json>& collections, const ProcScan& scan,
                                  uint64_t daemon_pid) {
  std::vector<Holding> holdings;
  for (const Json& detail : collections) {
    Gathering gathering(detail);
    for (const Json& buffer : detail.value("buffers", Json::array())) {
      gathering.AddHandOuts(buffer);
      const MemoryId id{Number(buffer, "device"), Number(buffer, "inode")};
      for (const HoldingProcess& process : scan.processes) {
        if (static_cast<uint64_t>(process.pid) == daemon_pid) continue;
        const auto hold = process.holds.find(id);
        if (hold != process.holds.end()) gathering.AddSeen(buffer, process, hold->second);
      }
    }
    gathering.MoveTo(holdings);
  }
  return holdings;
}

std::string DescribeHoldings(const std::vector<Holding>& holdings, uint64_t unreadable) {
  Table table({{"COLLECTION", Table::Align::kRight},
               {"NAME", Table::Align::kLeft},
               {"PROCESS", Table::Align::kLeft},
               {"BUFFERS", Table::Align::kLeft},
               {"SIZE", Table::Align::kRight},
               {"HOLD", Table::Align::kLeft},
               {"DESCRIPTORS", Table::Align::kRight},
               {"MAPPINGS", Table::Align::kRight}});
  bool unseen = false;
  for (const Holding& holding : holdings) {
    unseen = unseen || !holding.seen;
    table.Add({std::to_string(holding.collection_id), Safe(holding.collection_name),
               Process(holding.process), Ranges(holding.buffers), Bytes(holding.bytes),
               HowHeld(holding), Seen(holding, &Hold::descriptors),
               Seen(holding, &Hold::mappings)});
  }
  std::string text = table.empty() ? "nobody holds a buffer\n" : table.ToString();
  if (unseen) {
    text +=
        "?: it was handed to that process, which cannot be looked into, or has passed it on or "
        "ended\n";
  }
  if (unreadable > 0) {
    text += std::to_string(unreadable) +
            " processes of other users could not be looked into; root sees all\n";
  }
  return text;
}

Json HoldingsForPrograms(const std::vector<Holding>& holdings, uint64_t unreadable) {
  Json list = Json::array();
  for (const Holding& holding : holdings) list.push_back(Figures(holding));
  return {{"holders", std::move(list)}, {"unreadable_processes", unreadable}};
}

Result<void> PrintHolders(DaemonView& daemon, std::optional<uint64_t> id, bool json) {
  Result<Json> status = daemon.Ask("GetStatus");
  if (!status.ok()) return status.failure();
  Result<std::vector<Json>> details = AllDetails(daemon);
  if (!details.ok()) return details.failure();
  const auto wanted = std::find_if(details->begin(), details->end(), [&](const Json& detail) {
    return id && IsCollection(detail, *id);
  });
  const bool of_collection = wanted != details->end();
  if (of_collection) details = std::vector<Json>{*wanted};
  const ProcScan scan = ScanProc();
  std::vector<Holding> holdings = FindHoldings(*details, scan, Number(*status, "pid"));
  if (id && !of_collection) {
    std::erase_if(holdings, [&](const Holding& holding) { return holding.pid != *id; });
    if (holdings.empty()) {
      Failure failure;
      failure.error = Error::kNotFound;
      failure.text = failure.message =
          std::to_string(*id) +
          " is no collection that your user may see, and no process that holds a buffer";
      return failure;
    }
  }
  std::cout << (json ? JsonText(HoldingsForPrograms(holdings, scan.unreadable)) + "\n"
                     : DescribeHoldings(holdings, scan.unreadable));
  return {};
}

}  // namespace sysmem::ctl
