// SPDX-License-Identifier: Apache-2.0
#include "recording/recording.h"

#include <bit>
#include <optional>
#include <utility>

#include "recording/json.h"

namespace sysmem::recording {
namespace {

constexpr char kMagic[] = "sysmem_recording";

// The core trusts its settings; a file is not to be trusted. More than these is a matter of days.
constexpr uint64_t kPageBytes = uint64_t{1} << 30;
constexpr uint32_t kGroupCombinations = 1 << 16;
constexpr uint32_t kNodes = 1 << 16;

// Empty if a collection can live with them.
std::string WrongWith(const core::Limits& limits) {
  if (!std::has_single_bit(limits.page_bytes) || limits.page_bytes > kPageBytes) {
    return "settings: limits.page_bytes must be a power of two and not beyond reason";
  }
  if (limits.group_combinations > kGroupCombinations) {
    return "settings: limits.group_combinations is beyond reason";
  }
  if (limits.nodes_per_collection > kNodes) {
    return "settings: limits.nodes_per_collection is beyond reason";
  }
  return "";
}

std::string AsLine(const Json& json) { return json.dump() + "\n"; }

// Reads the members of a line, each of which must be there, and nothing else.
class Members {
 public:
  explicit Members(const Json& line) : line_(line) {}

  template <typename T>
  Members& Read(const char* name, T& value) {
    if (!error_.empty()) return *this;
    const auto member = line_.find(name);
    Decoder decoder;
    if (member == line_.end()) {
      error_ = std::string(name) + " is missing";
    } else if (!decoder.Decode(*member, value)) {
      error_ = std::string(name) + ": " + decoder.error();
    }
    ++read_;
    return *this;
  }
  template <typename T>
  core::Result<Line, std::string> Take(T value) {
    if (error_.empty() && read_ != line_.size()) error_ = "the line has a member that is unknown";
    if (!error_.empty()) return std::move(error_);
    return Line(std::move(value));
  }

 private:
  const Json& line_;
  size_t read_ = 0;
  std::string error_;
};

}  // namespace

std::string HeaderLine(const std::string& producer, const core::Settings& settings) {
  return AsLine(
      {{kMagic, kVersion}, {"producer", EncodeText(producer)}, {"settings", Encode(settings)}});
}

std::string BeginLine(uint64_t collection, int64_t now_ns) {
  return AsLine({{"begin", collection}, {"now_ns", now_ns}});
}

std::string TakenLine(uint64_t collection, const core::Event& event, const core::Effects& effects) {
  return AsLine(
      {{"collection", collection}, {"event", Encode(event)}, {"effects", Encode(effects)}});
}

std::string LostLine(uint64_t lines) { return AsLine({{"lost", lines}}); }

core::Result<Line, std::string> ParseLine(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return std::string("this is no JSON object");
  Members members(json);
  if (json.contains(kMagic)) {
    Header header;
    uint64_t version = 0;
    members.Read(kMagic, version);
    if (version != kVersion) {
      return "recordings of version " + std::to_string(version) + " are unknown; this is version " +
             std::to_string(kVersion);
    }
    members.Read("producer", header.producer).Read("settings", header.settings);
    if (std::string wrong = WrongWith(header.settings.limits); !wrong.empty()) return wrong;
    return members.Take(std::move(header));
  }
  if (json.contains("begin")) {
    Begin begin;
    members.Read("begin", begin.collection).Read("now_ns", begin.now_ns);
    return members.Take(begin);
  }
  if (json.contains("lost")) {
    Lost lost;
    members.Read("lost", lost.lines);
    return members.Take(lost);
  }
  Taken taken;
  members.Read("collection", taken.collection)
      .Read("event", taken.event)
      .Read("effects", taken.effects);
  return members.Take(std::move(taken));
}

std::string TextOf(const core::Event& event) { return Encode(event).dump(); }
std::string TextOf(const core::Effect& effect) { return Encode(effect).dump(); }

}  // namespace sysmem::recording
