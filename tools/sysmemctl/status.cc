// SPDX-License-Identifier: Apache-2.0
#include <iostream>

#include "tools/sysmemctl/commands.h"
#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {

Result<void> PrintStatus(DaemonView& daemon, bool json) {
  Result<Json> answer = daemon.Ask("GetStatus");
  if (!answer.ok()) return answer.failure();
  const Json& status = *answer;
  if (json) {
    std::cout << JsonText(status) << "\n";
    return {};
  }
  std::cout << "sysmemd " << Safe(Text(status, "version")) << ", pid " << Number(status, "pid")
            << ", uid " << Number(status, "uid") << ", up " << Duration(Number(status, "uptime_ns"))
            << ", on " << Safe(daemon.path()) << "\n"
            << Number(status, "sessions") << " sessions, " << Number(status, "collections")
            << " collections, " << Number(status, "nodes") << " nodes ("
            << Number(status, "exported_nodes") << " travelling), "
            << Number(status, "calls_pending") << " calls pending\n"
            << Number(status, "live_buffers") << " buffers of "
            << Bytes(Number(status, "live_bytes")) << "; the daemon itself uses "
            << Bytes(Number(status, "resident_bytes")) << " and "
            << Number(status, "descriptors_open") << " of " << Number(status, "descriptors_limit")
            << " descriptors\n";
  const Json users = status.value("users", Json::array());
  Table owned({{"USER", Table::Align::kRight},
               {"BUFFERS", Table::Align::kRight},
               {"SIZE", Table::Align::kRight},
               {"DESCRIPTORS", Table::Align::kRight}});
  for (const Json& user : users) {
    owned.Add({std::to_string(Number(user, "uid")), std::to_string(Number(user, "live_buffers")),
               Bytes(Number(user, "live_bytes")), std::to_string(Number(user, "descriptors"))});
  }
  if (!owned.empty()) std::cout << "\n" << owned.ToString();
  Table table({{"LIMIT", Table::Align::kLeft},
               {"USED", Table::Align::kRight},
               {"OF", Table::Align::kRight},
               {"UNIT", Table::Align::kLeft},
               {"WHY", Table::Align::kLeft}});
  for (const Json& limit : status.value("limits", Json::array())) {
    table.Add({Text(limit, "name"),
               limit.contains("used") ? std::to_string(Number(limit, "used")) : "",
               std::to_string(Number(limit, "value")), Text(limit, "unit"), Text(limit, "reason")});
  }
  std::cout << "\n" << table.ToString();
  Table counted({{"COUNTED", Table::Align::kLeft},
                 {"VALUE", Table::Align::kRight},
                 {"UNIT", Table::Align::kLeft},
                 {"WHAT", Table::Align::kLeft}});
  for (const Json& counter : status.value("counters", Json::array())) {
    counted.Add({Text(counter, "name"), std::to_string(Number(counter, "value")),
                 Text(counter, "unit"), Text(counter, "description")});
  }
  std::cout << "\n" << counted.ToString();
  if (!Flag(status, "sees_everything")) {
    std::cout << "\nThese are totals; `list` and `show` tell only what belongs to your user.\n";
  }
  return {};
}

namespace {

// `UDMABUF: preferred to all others; for root, the daemon's user and 1000; at most 64 buffers`
std::string PolicyLine(const Json& info) {
  std::string line;
  const auto add = [&line](const std::string& part) { line += (line.empty() ? "" : "; ") + part; };
  const uint64_t preference = Number(info, "preference");
  if (preference == 1) add("preferred to all others");
  if (preference > 1) add("number " + std::to_string(preference) + " of those preferred");
  const Json policy = info.value("policy", Json::object());
  const Json users = policy.value("users", Json::array());
  if (Flag(policy, "restricted") && !Flag(policy, "may_use")) {
    add("not for your user");
  } else if (Flag(policy, "restricted")) {
    std::string whom = "only for root and the daemon's user";
    for (const Json& uid : users) whom += ", " + std::to_string(uid.get<uint64_t>());
    add(users.empty() ? "not for everybody" : whom);
  }
  if (policy.contains("max_buffers")) {
    add("at most " + std::to_string(Number(policy, "max_buffers")) + " buffers");
  }
  if (policy.contains("max_bytes")) add("at most " + Bytes(Number(policy, "max_bytes")));
  if (policy.contains("max_bytes_per_user")) {
    add("at most " + Bytes(Number(policy, "max_bytes_per_user")) + " for one user");
  }
  if (line.empty()) return line;
  return HeapName(info.value("heap", Json::object())) + ": " + line + "\n";
}

std::string KindOf(const Json& heap_info) {
  const bool contiguous = Flag(heap_info, "physically_contiguous");
  if (Flag(heap_info, "secure")) return contiguous ? "secure,contiguous" : "secure";
  return contiguous ? "contiguous" : "";
}

// What the heaps count, those that count anything.
std::string DescribeFigures(const Json& heaps) {
  std::string text;
  for (const Json& info : heaps) {
    const Json figures = info.value("figures", Json::array());
    if (figures.empty()) continue;
    Table table({{"  COUNTED", Table::Align::kLeft},
                 {"VALUE", Table::Align::kRight},
                 {"UNIT", Table::Align::kLeft},
                 {"WHAT", Table::Align::kLeft}});
    for (const Json& figure : figures) {
      table.Add({"  " + Safe(Text(figure, "name")), std::to_string(Number(figure, "value")),
                 Safe(Text(figure, "unit")), Safe(Text(figure, "description"))});
    }
    const std::string kind = KindOf(info);
    text += "\n" + HeapName(info.value("heap", Json::object())) +
            (kind.empty() ? "" : " (" + kind + ")") + ":\n" + table.ToString();
  }
  return text;
}

}  // namespace

Result<void> PrintHeaps(DaemonView& daemon, bool json, bool figures) {
  Result<Json> answer = daemon.Ask("ListHeaps");
  if (!answer.ok()) return answer.failure();
  const Json heaps = answer->value("heaps", Json::array());
  if (json) {
    std::cout << JsonText(heaps) << "\n";
    return {};
  }
  Table table({{"HEAP", Table::Align::kLeft},
               {"USABLE", Table::Align::kLeft},
               {"DOMAINS", Table::Align::kLeft},
               {"READ-ONLY", Table::Align::kLeft},
               {"KIND", Table::Align::kLeft},
               {"TYPE", Table::Align::kLeft},
               {"BACKING", Table::Align::kLeft}});
  std::string reasons;
  for (const Json& info : heaps) {
    const Json heap = info.value("heap", Json::object());
    const Json domains =
        info.value("properties", Json::object()).value("coherency_domain_support", Json::object());
    std::string supported;
    for (const char* domain : {"cpu", "ram", "inaccessible"}) {
      if (!Flag(domains, (std::string(domain) + "_supported").c_str())) continue;
      supported += (supported.empty() ? "" : ",") + std::string(domain);
    }
    const bool usable = Flag(info, "usable");
    table.Add(
        {HeapName(heap), usable ? "yes" : "no", supported,
         Flag(info.value("abilities", Json::object()), "reduces_rights") ? "enforced" : "advisory",
         KindOf(info), Safe(Text(heap, "heap_type")), Safe(Text(info, "backing"))});
    reasons += PolicyLine(info);
    if (usable) continue;
    reasons += HeapName(heap) + ": " + Safe(Text(info, "why_unusable")) + "\n";
    const std::string remedy = Safe(Text(info, "remedy"));
    if (!remedy.empty()) reasons += "    " + remedy + "\n";
  }
  std::cout << table.ToString() << reasons << (figures ? DescribeFigures(heaps) : "");
  return {};
}

}  // namespace sysmem::ctl
