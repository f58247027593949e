// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/metrics.h"

#include <iostream>
#include <string_view>

#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {
namespace {

// Backslash, quotation mark and newline are what the format reserves.
std::string Label(const std::string& value) {
  std::string text;
  for (const char c : value) {
    if (c == '\n') {
      text += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') text += '\\';
    text += c;
  }
  return text;
}

class Exposition {
 public:
  void Begin(const std::string& name, const char* type, const std::string& help) {
    name_ = "sysmemd_" + name;
    text_ += "# HELP " + name_ + " " + help + "\n# TYPE " + name_ + " " + type + "\n";
  }
  // Labels as they stand between the braces.
  void Sample(uint64_t value, const std::string& labels = "") {
    text_ +=
        name_ + (labels.empty() ? "" : "{" + labels + "}") + " " + std::to_string(value) + "\n";
  }
  void Gauge(const std::string& name, const std::string& help, uint64_t value) {
    Begin(name, "gauge", help);
    Sample(value);
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string name_;
  std::string text_;
};

struct Figure {
  const char* field;
  const char* name;
  const char* help;
};
constexpr Figure kOfStatus[] = {
    {"sessions", "sessions", "Sessions now."},
    {"collections", "collections", "Logical collections now."},
    {"nodes", "nodes", "Nodes now."},
    {"exported_nodes", "exported_nodes", "Nodes that travel now, held by no session."},
    {"live_buffers", "live_buffers", "Buffers whose memory is not back with its heap."},
    {"live_bytes", "live_bytes", "Bytes of these buffers."},
    {"descriptors_open", "descriptors_open", "Descriptors that the daemon has open."},
    {"descriptors_limit", "descriptors_limit", "Descriptors that it may have open."},
    {"resident_bytes", "resident_bytes", "Memory of the daemon itself."},
    {"calls_pending", "calls_pending", "Calls sent and not answered yet."},
};

void AddLimits(const Json& limits, Exposition& to) {
  to.Begin("limit", "gauge", "Limits of the daemon, by name and unit.");
  for (const Json& limit : limits) {
    to.Sample(Number(limit, "value"), "name=\"" + Label(Text(limit, "name")) + "\",unit=\"" +
                                          Label(Text(limit, "unit")) + "\"");
  }
  to.Begin("limit_used", "gauge", "How much of them is used, where that is counted.");
  for (const Json& limit : limits) {
    if (!limit.contains("used")) continue;
    to.Sample(Number(limit, "used"), "name=\"" + Label(Text(limit, "name")) + "\",unit=\"" +
                                         Label(Text(limit, "unit")) + "\"");
  }
}

// A counter that says "now" may fall.
bool IsGauge(const Json& counter) {
  const std::string text = Text(counter, "description");
  return std::string_view(text).starts_with("now");
}

void AddUsers(const Json& users, Exposition& to) {
  struct {
    const char* field;
    const char* help;
  } constexpr kFigures[] = {{"live_buffers", "Buffers by the user who began their collection."},
                            {"live_bytes", "Their bytes."},
                            {"descriptors", "Descriptors that the daemon keeps for them."}};
  for (const auto& figure : kFigures) {
    to.Begin(std::string("user_") + figure.field, "gauge", figure.help);
    for (const Json& user : users) {
      to.Sample(Number(user, figure.field), "uid=\"" + std::to_string(Number(user, "uid")) + "\"");
    }
  }
}

// SYSTEM_RAM may be listed twice.
std::string HeapLabels(const Json& info) {
  const Json heap = info.value("heap", Json::object());
  return "heap=\"" + Label(Text(heap, "heap_type")) + "\",id=\"" +
         std::to_string(Number(heap, "id")) + "\"" +
         (Flag(info, "physically_contiguous") ? ",contiguous=\"yes\"" : "");
}

void AddHeaps(const Json& heaps, Exposition& to) {
  to.Begin("heap_usable", "gauge", "1: the heap can be allocated from.");
  for (const Json& info : heaps) to.Sample(Flag(info, "usable") ? 1 : 0, HeapLabels(info));
  to.Begin("heap_buffers", "gauge", "Buffers of the heap that are not gone.");
  for (const Json& info : heaps) to.Sample(Number(info, "buffers"), HeapLabels(info));
  to.Begin("heap_bytes", "gauge", "Their bytes.");
  for (const Json& info : heaps) to.Sample(Number(info, "bytes"), HeapLabels(info));
}

}  // namespace

std::string MetricsText(const Json& status, const Json& heaps) {
  Exposition to;
  to.Begin("info", "gauge", "1, with the version of the daemon.");
  to.Sample(1, "version=\"" + Label(Text(status, "version")) + "\"");
  to.Gauge("uptime_seconds", "Since it started.", Number(status, "uptime_ns") / 1'000'000'000);
  for (const Figure& figure : kOfStatus) {
    to.Gauge(figure.name, figure.help, Number(status, figure.field));
  }
  for (const Json& counter : status.value("counters", Json::array())) {
    const bool gauge = IsGauge(counter);
    const std::string unit = Text(counter, "unit");
    to.Begin(Text(counter, "name") + (gauge ? "" : "_total"), gauge ? "gauge" : "counter",
             (unit.empty() ? "" : unit + ": ") + Text(counter, "description"));
    to.Sample(Number(counter, "value"));
  }
  AddLimits(status.value("limits", Json::array()), to);
  AddUsers(status.value("users", Json::array()), to);
  AddHeaps(heaps, to);
  return to.Take();
}

Result<void> PrintMetrics(DaemonView& daemon) {
  Result<Json> status = daemon.Ask("GetStatus");
  if (!status.ok()) return status.failure();
  Result<Json> heaps = daemon.Ask("ListHeaps");
  if (!heaps.ok()) return heaps.failure();
  std::cout << MetricsText(*status, heaps->value("heaps", Json::array()));
  return {};
}

}  // namespace sysmem::ctl
