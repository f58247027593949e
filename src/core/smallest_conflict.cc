// SPDX-License-Identifier: Apache-2.0
#include "core/smallest_conflict.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <string_view>

#include "core/blame.h"

namespace sysmem::core {
namespace {

// Of image formats that nobody has in common each one may have dropped out for a reason of its own:
// it is one conflict all the same.
bool IsAboutFormatsInCommon(const Rejection& no) {
  constexpr std::string_view kList = "image_format_constraints";
  return no.stage == Stage::kMerge && !no.fields.empty() &&
         std::string_view(no.fields.front()).substr(0, kList.size()) == kList;
}

bool IsSameConflict(const Rejection& a, const Rejection& b) {
  if (a.rule != b.rule) return false;
  return a.fields == b.fields || (IsAboutFormatsInCommon(a) && IsAboutFormatsInCommon(b));
}

uint64_t CountOf(const Participant& participant) {
  const Constraints& c = ConstraintsOf(participant);
  return uint64_t{c.min_buffer_count_for_camping.value_or(0)} +
         c.min_buffer_count_for_dedicated_slack.value_or(0);
}

class Search {
 public:
  Search(const std::vector<Participant>& participants, const Refusal& refusal,
         const Settings& settings, Work& work)
      : participants_(participants), refusal_(refusal), settings_(settings), work_(work) {}

  SmallestConflict Run() {
    if (refusal_.alone) return {{*refusal_.alone}, true};
    if (!BeginWithTheBlamed() && !BeginWithEverybody()) return {BlamedMembers(), false};
    // Whoever comes late is to be measured by the buffers rather than by those who have them.
    std::stable_partition(members_.begin(), members_.end(),
                          [&](size_t i) { return participants_[i].exists_already; });
    // Of summands as few as possible are wanted, the largest ones.
    if (IsAboutSums()) SortByCount();
    const bool shortened = Shorten();
    const bool proven = shortened && LeaveOut();
    std::sort(members_.begin(), members_.end());
    return {std::move(members_), proven};
  }

 private:
  // Empty: no more work is allowed.
  std::optional<bool> Conflict(const Members& members) {
    uint64_t cost = 1;
    for (size_t i : members) cost += WorkFor(participants_[i]);
    if (!work_.Spend(cost)) return std::nullopt;
    const std::optional<Rejection> no = ConflictBetween(participants_, members, settings_);
    return no && IsSameConflict(*no, refusal_.why);
  }

  Members BlamedMembers() const {
    Members blamed;
    for (const Blamed& one : WhoIsToBlame(refusal_.why, participants_)) {
      if (one.participant < refusal_.looked_at) blamed.push_back(one.participant);
    }
    return blamed;
  }

  bool BeginWithTheBlamed() {
    members_ = BlamedMembers();
    return Conflict(members_).value_or(false);
  }

  bool BeginWithEverybody() {
    members_.resize(refusal_.looked_at);
    std::iota(members_.begin(), members_.end(), size_t{0});
    return Conflict(members_).value_or(false);
  }

  bool IsAboutSums() const {
    const std::vector<std::string>& fields = refusal_.why.fields;
    return std::find(fields.begin(), fields.end(), "min_buffer_count_for_camping") != fields.end();
  }

  void SortByCount() {
    const auto limit = [&](size_t i) { return CountOf(participants_[i]) == 0; };
    // Who brings no summand brings what the sum is held against.
    std::stable_sort(members_.begin(), members_.end(), [&](size_t a, size_t b) {
      if (limit(a) || limit(b)) return limit(a) && !limit(b);
      return CountOf(participants_[a]) > CountOf(participants_[b]);
    });
  }

  // The shortest beginning of `rest` that conflicts beside `needed`. Empty: no more work.
  std::optional<size_t> ShortestBeginning(const Members& needed, const Members& rest) {
    size_t low = 0;  // everything shorter is known not to conflict
    size_t high = rest.size();
    while (low < high) {
      const size_t middle = low + (high - low) / 2;
      Members tried = needed;
      tried.insert(tried.end(), rest.begin(), rest.begin() + static_cast<ptrdiff_t>(middle));
      std::sort(tried.begin(), tried.end());
      const std::optional<bool> conflict = Conflict(tried);
      if (!conflict) return std::nullopt;
      if (*conflict) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return high;
  }

  // Whoever ends the shortest beginning is needed; whoever comes after him is not. False: no more
  // work, what is left conflicts all the same.
  bool Shorten() {
    Members needed;
    Members rest = members_;
    while (!rest.empty()) {
      const std::optional<size_t> length = ShortestBeginning(needed, rest);
      if (!length) return false;
      rest.resize(*length);
      if (!rest.empty()) {
        needed.push_back(rest.back());
        rest.pop_back();
      }
      members_ = needed;
      members_.insert(members_.end(), rest.begin(), rest.end());
      // Summands in falling order all are needed, as far as LeaveOut does not find otherwise.
      if (IsAboutSums()) break;
    }
    return true;
  }

  // Conflicts need not shrink as their participants do (a participant may take away the image
  // format that makes the trouble), so the last word has a try without each one.
  bool LeaveOut() {
    for (size_t i = members_.size(); i-- > 0;) {
      Members others = members_;
      others.erase(others.begin() + static_cast<ptrdiff_t>(i));
      std::sort(others.begin(), others.end());
      const std::optional<bool> conflict = Conflict(others);
      if (!conflict) return false;
      if (*conflict) members_.erase(members_.begin() + static_cast<ptrdiff_t>(i));
    }
    return true;
  }

  const std::vector<Participant>& participants_;
  const Refusal& refusal_;
  const Settings& settings_;
  Work& work_;
  Members members_;
};

}  // namespace

uint64_t WorkFor(const Participant& participant) {
  uint64_t units = 1;
  for (const ImageFormatConstraints& image : ConstraintsOf(participant).image_formats) {
    units += std::max<size_t>(1, image.pixel_format_and_modifiers.size());
  }
  return units;
}

SmallestConflict FindSmallestConflict(const std::vector<Participant>& participants,
                                      const Refusal& refusal, const Settings& settings,
                                      Work& work) {
  return Search(participants, refusal, settings, work).Run();
}

}  // namespace sysmem::core
