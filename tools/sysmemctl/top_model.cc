// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/top_model.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <sstream>
#include <utility>

#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {
namespace {

constexpr const char* kKeys = "q quit  s sort  r reverse  / filter  p pause  arrows scroll";
constexpr std::array<const char*, 5> kOrders = {"size", "buffers", "nodes", "age", "name"};

std::map<std::string, uint64_t> CountersOf(const Json& status) {
  std::map<std::string, uint64_t> counters;
  for (const Json& counter : status.value("counters", Json::array())) {
    counters[Text(counter, "name")] = Number(counter, "value");
  }
  return counters;
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string CreatorOf(const Json& collection) {
  return Process(collection.value("creator", Json::object()));
}

// At most `width` columns of it. What is cut is ASCII or escaped by Safe, but for names in UTF-8,
// which are cut between two characters.
std::string CutTo(const std::string& text, size_t width) {
  size_t columns = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool begins = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (begins && ++columns > width) return text.substr(0, i);
  }
  return text;
}

// Whether a stands before b.
bool Before(TopOrder order, const Json& a, const Json& b) {
  const auto larger = [&](const char* field) { return Number(a, field) > Number(b, field); };
  switch (order) {
    case TopOrder::kSize:
      return larger("bytes");
    case TopOrder::kBuffers:
      return larger("buffers");
    case TopOrder::kNodes:
      return larger("nodes");
    case TopOrder::kAge:
      return larger("age_ns");
    case TopOrder::kName:
      return Text(a, "name") < Text(b, "name");
  }
  return false;
}

}  // namespace

void TopModel::Look(Json status, Json collections, int64_t now_ns) {
  if (paused_ && !status_.is_null()) return;
  before_ = CountersOf(status_.is_null() ? status : status_);
  before_ns_ = status_.is_null() ? now_ns : at_ns_;
  status_ = std::move(status);
  collections_ = std::move(collections);
  at_ns_ = now_ns;
  Scroll(0);
}

void TopModel::ChangeOrder() {
  order_ = static_cast<TopOrder>((static_cast<size_t>(order_) + 1) % kOrders.size());
}

void TopModel::SetFilter(std::string filter) {
  filter_ = std::move(filter);
  first_ = 0;
}

void TopModel::Scroll(int64_t by) {
  const auto last = static_cast<int64_t>(Shown().size()) - 1;
  first_ = static_cast<size_t>(
      std::clamp<int64_t>(static_cast<int64_t>(first_) + by, 0, std::max<int64_t>(last, 0)));
}

std::vector<const Json*> TopModel::Shown() const {
  std::vector<const Json*> shown;
  const std::string wanted = Lower(filter_);
  for (const Json& one : collections_) {
    const std::string searched = Lower(Text(one, "name") + "\n" + CreatorOf(one) + "\n" +
                                       EnumWord(Text(one, "state"), "COLLECTION_STATE_"));
    if (searched.find(wanted) != std::string::npos) shown.push_back(&one);
  }
  std::stable_sort(shown.begin(), shown.end(), [&](const Json* a, const Json* b) {
    return reversed_ ? Before(order_, *b, *a) : Before(order_, *a, *b);
  });
  return shown;
}

std::string TopModel::RatePerSecond(const std::string& counter) const {
  const std::map<std::string, uint64_t> now = CountersOf(status_);
  const auto later = now.find(counter);
  const auto earlier = before_.find(counter);
  if (later == now.end() || earlier == before_.end() || at_ns_ <= before_ns_) return "0/s";
  const uint64_t rise = later->second > earlier->second ? later->second - earlier->second : 0;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.0f/s",
                static_cast<double>(rise) * 1e9 / static_cast<double>(at_ns_ - before_ns_));
  return text.data();
}

std::string TopModel::Headline() const {
  return "sysmemd " + Safe(Text(status_, "version")) + ", up " +
         Duration(Number(status_, "uptime_ns")) + "; " +
         std::to_string(Number(status_, "sessions")) + " sessions, " +
         std::to_string(Number(status_, "collections")) + " collections, " +
         std::to_string(Number(status_, "nodes")) + " nodes, " +
         std::to_string(Number(status_, "calls_pending")) + " calls pending";
}

std::string TopModel::MemoryLine() const {
  return Bytes(Number(status_, "live_bytes")) + " in " +
         std::to_string(Number(status_, "live_buffers")) + " buffers; descriptors " +
         std::to_string(Number(status_, "descriptors_open")) + " of " +
         std::to_string(Number(status_, "descriptors_limit")) + "; the daemon itself " +
         Bytes(Number(status_, "resident_bytes"));
}

std::string TopModel::PoolLine() const {
  const std::map<std::string, uint64_t> counters = CountersOf(status_);
  const auto buffers = counters.find("warm_pool_buffers");
  return "warm pool: " + std::to_string(buffers == counters.end() ? 0 : buffers->second) +
         " buffers, hits " + RatePerSecond("warm_pool_hits") + ", misses " +
         RatePerSecond("warm_pool_misses") + "; closes " + RatePerSecond("closes_announced");
}

std::vector<std::string> TopModel::Lines(size_t width, size_t height) const {
  std::string mode = std::string("by ") + kOrders.at(static_cast<size_t>(order_));
  if (reversed_) mode += ", reversed";
  if (!filter_.empty()) mode += ", only \"" + Safe(filter_) + "\"";
  if (paused_) mode += ", PAUSED";
  const std::vector<const Json*> shown = Shown();
  std::vector<std::string> lines = {Headline(), MemoryLine(), PoolLine(),
                                    std::to_string(shown.size()) + " of " +
                                        std::to_string(collections_.size()) + " collections, " +
                                        mode};
  Table table({{"COLLECTION", Table::Align::kRight},
               {"SIZE", Table::Align::kRight},
               {"BUFFERS", Table::Align::kRight},
               {"NODES", Table::Align::kRight},
               {"AGE", Table::Align::kRight},
               {"STATE", Table::Align::kLeft},
               {"NAME", Table::Align::kLeft},
               {"BEGUN BY", Table::Align::kLeft}});
  constexpr size_t kAroundTable = 6;  // four lines above, the heading, the keys
  const size_t room = height > kAroundTable ? height - kAroundTable : 0;
  for (size_t i = first_; i < shown.size() && i - first_ < room; ++i) {
    const Json& one = *shown[i];
    table.Add({std::to_string(Number(one, "buffer_collection_id")), Bytes(Number(one, "bytes")),
               std::to_string(Number(one, "buffers")), std::to_string(Number(one, "nodes")),
               Duration(Number(one, "age_ns")), EnumWord(Text(one, "state"), "COLLECTION_STATE_"),
               CutTo(Safe(Text(one, "name")), 16), CreatorOf(one)});
  }
  std::istringstream rows(table.ToString());
  for (std::string row; std::getline(rows, row);) lines.push_back(row);
  lines.resize(std::max<size_t>(height, 1) - 1);
  lines.emplace_back(kKeys);
  for (std::string& line : lines) line = CutTo(line, width);
  return lines;
}

}  // namespace sysmem::ctl
