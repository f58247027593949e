// SPDX-License-Identifier: Apache-2.0
#include "core/blame.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "core/field_values.h"

namespace sysmem::core {
namespace {

// One participant's value for one field.
struct Said {
  size_t participant;
  FieldValue value;
};

// Those whose value made the aggregate.
std::vector<Said> WhoDecided(const std::string& path, const FormatFilter& filter,
                             const std::vector<Participant>& participants) {
  std::vector<Said> all;
  for (size_t i = 0; i < participants.size(); ++i) {
    std::optional<FieldValue> value = FindFieldValue(ConstraintsOf(participants[i]), path, filter);
    if (value) all.push_back({i, *std::move(value)});
  }
  if (all.empty() || WhoDecides(path) == Decides::kEverybody) return all;
  const auto by_rank = [](const Said& a, const Said& b) { return a.value.rank < b.value.rank; };
  const auto [smallest, largest] = std::minmax_element(all.begin(), all.end(), by_rank);
  const uint64_t decisive =
      WhoDecides(path) == Decides::kLargest ? largest->value.rank : smallest->value.rank;
  std::erase_if(all, [decisive](const Said& one) { return one.value.rank != decisive; });
  return all;
}

// Those who may not use one of the heaps that would do.
std::vector<Said> WhoIsDenied(const std::vector<std::string>& heaps,
                              const std::vector<Participant>& participants) {
  std::vector<Said> all;
  for (size_t i = 0; i < participants.size(); ++i) {
    std::string denied;
    for (const std::string& heap : heaps) {
      if (!IsDenied(participants[i], heap)) continue;
      denied += (denied.empty() ? "denied to " : ", ") + heap;
    }
    if (!denied.empty()) all.push_back({i, {.rank = 0, .text = std::move(denied)}});
  }
  return all;
}

// Whether the first field exceeds the second as given, without any rounding.
bool ConflictAsGiven(const std::vector<std::string>& fields, const FormatFilter& filter,
                     const std::vector<Participant>& participants) {
  if (fields.size() < 2 || fields[1] == kAccessPath) return false;
  const std::vector<Said> low = WhoDecided(fields[0], filter, participants);
  const std::vector<Said> high = WhoDecided(fields[1], filter, participants);
  return !low.empty() && !high.empty() && low.front().value.rank > high.front().value.rank;
}

std::string ShortName(std::string_view path) {
  for (const std::string_view prefix :
       {std::string_view(kMemoryPath), std::string_view(kImagePath)}) {
    if (path.substr(0, prefix.size()) == prefix) return std::string(path.substr(prefix.size()));
  }
  return std::string(path);
}

// "image_format_constraints[2].min_size.width"
std::string PathOfEntry(std::string path, const std::optional<size_t>& entry) {
  constexpr std::string_view kList = "image_format_constraints";
  if (entry && path.substr(0, kList.size()) == kList) {
    path.insert(kList.size(), "[" + std::to_string(*entry) + "]");
  }
  return path;
}

// Those of the rejection which the participants' values speak of.
std::vector<std::string> FieldsToBlame(const Rejection& rejection, const FormatFilter& filter,
                                       const std::vector<Participant>& participants) {
  std::vector<std::string> fields = rejection.fields;
  if (!ConflictAsGiven(fields, filter, participants)) {
    fields.insert(fields.end(), rejection.rounded_by.begin(), rejection.rounded_by.end());
  }
  return fields;
}

}  // namespace

std::vector<Blamed> WhoIsToBlame(const Rejection& rejection,
                                 const std::vector<Participant>& participants) {
  const FormatFilter filter{rejection.format, rejection.entry};
  const std::vector<std::string> fields = FieldsToBlame(rejection, filter, participants);
  std::vector<std::string> values(participants.size());
  for (const std::string& field : fields) {
    const std::vector<Said> deciding = field == kAccessPath
                                           ? WhoIsDenied(rejection.denied_heaps, participants)
                                           : WhoDecided(field, filter, participants);
    for (const Said& said : deciding) {
      std::string& text = values[said.participant];
      if (!text.empty()) text += ", ";
      if (fields.size() > 1) text += ShortName(field) + " ";
      text += said.value.text;
    }
  }
  std::vector<Blamed> blamed;
  for (size_t i = 0; i < participants.size(); ++i) {
    if (!values[i].empty()) blamed.push_back({i, std::move(values[i])});
  }
  return blamed;
}

Failure Blame(const Rejection& rejection, const std::vector<Participant>& participants) {
  const std::vector<std::string> fields =
      FieldsToBlame(rejection, {rejection.format, rejection.entry}, participants);
  Failure failure{.outcome = Outcome::kError,
                  .error = Error::kConstraintsIntersectionEmpty,
                  .rule = rejection.rule,
                  .field = fields.empty() ? "" : PathOfEntry(fields.front(), rejection.entry),
                  .message = rejection.message};
  for (Blamed& one : WhoIsToBlame(rejection, participants)) {
    const Participant& participant = participants[one.participant];
    failure.participants.push_back({participant.node, participant.name, std::move(one.value)});
  }
  return failure;
}

}  // namespace sysmem::core
