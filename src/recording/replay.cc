// SPDX-License-Identifier: Apache-2.0
#include "recording/replay.h"

#include <algorithm>
#include <utility>

namespace sysmem::recording {
namespace {

std::optional<Difference> Compare(const core::Effects& recorded, const core::Effects& replayed) {
  for (size_t i = 0; i < std::max(recorded.size(), replayed.size()); ++i) {
    if (i < recorded.size() && i < replayed.size() && recorded[i] == replayed[i]) continue;
    Difference difference;
    difference.effect = i;
    if (i < recorded.size()) difference.recorded = TextOf(recorded[i]);
    if (i < replayed.size()) difference.replayed = TextOf(replayed[i]);
    return difference;
  }
  return std::nullopt;
}

}  // namespace

bool Replay::Take(std::string_view text) {
  ++lines_;
  core::Result<Line, std::string> line = ParseLine(text);
  if (!line.ok()) {
    mistake_ = line.failure();
  } else if (!settings_ && !std::holds_alternative<Header>(line.value())) {
    mistake_ = "a recording begins with its header";
  } else {
    std::visit([this](auto&& what) { On(std::forward<decltype(what)>(what)); },
               std::move(line).value());
  }
  if (!mistake_.empty()) mistake_ = "line " + std::to_string(lines_) + ": " + mistake_;
  return mistake_.empty() && !difference_;
}

void Replay::On(Header header) {
  settings_ = std::make_shared<const core::Settings>(std::move(header.settings));
  alive_.clear();
}

void Replay::On(const Begin& begin) {
  auto& collection = alive_[begin.collection];
  if (collection) {
    mistake_ = "collection " + std::to_string(begin.collection) + " begins a second time";
    return;
  }
  collection = std::make_unique<core::Collection>(begin.collection, settings_, begin.now_ns);
  ++begun_;
}

void Replay::On(const Taken& taken) {
  const auto found = alive_.find(taken.collection);
  if (found == alive_.end()) {
    ++skipped_;
    return;
  }
  ++events_;
  const core::Effects effects = found->second->Handle(taken.event);
  difference_ = Compare(taken.effects, effects);
  if (difference_) {
    difference_->line = lines_;
    difference_->collection = taken.collection;
    difference_->event = TextOf(taken.event);
    return;
  }
  finished_ += std::any_of(effects.begin(), effects.end(), [](const core::Effect& effect) {
    return std::holds_alternative<core::effect::Finished>(effect);
  });
}

void Replay::On(const Lost& lost) {
  lost_ += lost.lines;
  alive_.clear();
}

}  // namespace sysmem::recording
