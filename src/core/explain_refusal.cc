// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "core/blame.h"
#include "core/debug_info.h"
#include "core/describe.h"
#include "core/eliminations.h"
#include "core/explain.h"
#include "core/group_choice.h"
#include "core/labels.h"
#include "core/smallest_conflict.h"

namespace sysmem::core {
namespace {

// Bounds of lists; what is beyond is counted.
constexpr size_t kConflictMembersTold = 64;
constexpr size_t kEliminationsOfOneTry = 64;
constexpr size_t kGroupsOfOneTry = 8;
constexpr size_t kValueBytesInFailure = 1000;
// Of the sentence that stands alone, which stays below 1 KiB.
constexpr size_t kCulpritsInSentence = 4;
constexpr size_t kNameBytesInSentence = 64;
constexpr size_t kValueBytesInSentence = 100;
constexpr size_t kMessageBytesInSentence = 300;

std::vector<Participant> Only(const Members& members, const std::vector<Participant>& all) {
  std::vector<Participant> some;
  for (size_t i : members) some.push_back(all[i]);
  return some;
}

// What the members of a conflict said. Each one is named, also who said nothing about the fields.
std::vector<ParticipantValue> WhatTheySaid(const Members& members, const Refusal& refusal,
                                           const std::vector<Participant>& participants) {
  const std::vector<Participant> some = Only(members, participants);
  std::vector<ParticipantValue> said;
  said.reserve(some.size());
  for (const Participant& one : some) said.push_back({one.node, one.name, ""});
  for (Blamed& one : WhoIsToBlame(refusal.why, some)) {
    said[one.participant].value = std::move(one.value);
  }
  return said;
}

// What one try is found to come to.
struct Finding {
  std::vector<ParticipantValue> conflict;
  bool proven_smallest = false;
};

// LATE-2: of those who come late, whoever makes a difference is to blame, and the buffers.
Finding FindWhoMakesADifference(const RefusedChoice& refused, const TryParticipants& who) {
  Finding finding;
  const std::vector<Participant>& all = who.all();
  for (Blamed& one : WhoIsToBlame(refused.refusal.why, all)) {
    if (!who.IsNew(one.participant)) continue;
    const Participant& participant = all[one.participant];
    finding.conflict.push_back({participant.node, participant.name, std::move(one.value)});
  }
  finding.proven_smallest = finding.conflict.size() <= 2;
  return finding;
}

Finding FindConflict(const RefusedChoice& refused, const TryParticipants& who,
                     const Settings& settings, Work& work) {
  const Refusal& refusal = refused.refusal;
  if (refusal.alone || refusal.why.by_absence) return {refused.why.participants, true};
  if (refusal.why.stage == Stage::kLate) return FindWhoMakesADifference(refused, who);
  const SmallestConflict smallest = FindSmallestConflict(who.all(), refusal, settings, work);
  return {WhatTheySaid(smallest.members, refusal, who.all()), smallest.proven};
}

RefusedTry Tell(const RefusedChoice& refused, const Finding& finding, const TryParticipants& who,
                const Labels& labels) {
  const Rejection& why = refused.refusal.why;
  return {.choice = {},
          .stage = why.stage,
          .rule = refused.why.rule,
          .field = refused.why.field,
          .message = refused.why.message,
          .participants = who.all().size(),
          .conflict = labels.Of(finding.conflict, kConflictMembersTold),
          .proven_smallest = finding.proven_smallest,
          .by_absence = why.by_absence,
          .eliminations = {},
          .eliminations_untold = 0};
}

void AddEliminations(const TryParticipants& who, const Settings& settings, const Labels& labels,
                     Work& work, RefusedTry& told) {
  Eliminations found = FindEliminations(who.all(), settings, labels, kEliminationsOfOneTry, work);
  told.eliminations = std::move(found.told);
  told.eliminations_untold = found.untold;
}

// `group "video" takes child 2 of 3, group 9 takes child 1 of 2`
std::string ChoiceInWords(const GroupChoice& choice, const NodeTree& tree) {
  size_t untold = 0;
  std::string text;
  for (const GroupChoice::Pick& pick : choice.Picks(kGroupsOfOneTry, untold)) {
    const std::string_view name = NewestName(tree.Get(pick.group).debug.name);
    text += text.empty() ? "a group" : ", a group";
    if (!name.empty()) {
      text += " of \"";
      text += CutUtf8(name, kNameBytesInSentence);
      text += "\"";
    }
    text +=
        " takes child " + std::to_string(pick.child + 1) + " of " + std::to_string(pick.children);
  }
  if (untold > 0) text += ", and " + std::to_string(untold) + " more groups choose";
  return text;
}

std::string ShortField(std::string_view field) {
  const size_t dot = field.find('.');
  return std::string(dot == std::string_view::npos ? field : field.substr(dot + 1));
}

// `min_size_bytes 300 is greater than max_size_bytes 200: "a": ...; "b": ...`
std::string Sentence(const Failure& plain, const std::vector<ParticipantValue>& culprits) {
  std::string text(CutUtf8(plain.message, kMessageBytesInSentence));
  if (!plain.field.empty() && text.find(ShortField(plain.field)) == std::string::npos) {
    text = plain.field + ": " + text;
  }
  for (size_t i = 0; i < culprits.size(); ++i) {
    text += i == 0 ? ": " : "; ";
    if (i == kCulpritsInSentence) {
      return text + "and " + std::to_string(culprits.size() - i) + " more";
    }
    text += culprits[i].name.empty() ? "participant without a name" : "\"";
    text += CutUtf8(culprits[i].name, kNameBytesInSentence);
    text += culprits[i].name.empty() ? "" : "\"";
    if (culprits[i].value.empty()) continue;
    text += " has ";
    text += CutUtf8(culprits[i].value, kValueBytesInSentence);
  }
  return text;
}

// As much of it as may travel to everybody who waits.
std::vector<ParticipantValue> Bounded(std::vector<ParticipantValue> all) {
  if (all.size() > kConflictMembersTold) all.resize(kConflictMembersTold);
  for (ParticipantValue& one : all) {
    one.name = CutUtf8(one.name, kNameBytesInText);
    one.value = CutUtf8(one.value, kValueBytesInFailure);
  }
  return all;
}

// The failure of the whole search: `plain` is what the search said, `preferred` what the preferred
// choice did.
Failure WithReport(const Failure& plain, const Failure& preferred, size_t tries,
                   Finding finding_of_preferred, Report report) {
  Failure failure = plain;
  failure.message = Sentence(preferred, finding_of_preferred.conflict);
  const std::string number = std::to_string(tries);
  if (plain.error == Error::kTooManyGroupChildCombinations) {
    failure.message = "the first " + number +
                      " combinations of group children do not work, and no more are tried (limit "
                      "group_combinations); the preferred one: " +
                      failure.message;
  } else if (tries > 1) {
    failure.message =
        "none of the " + number +
        " combinations of group children works; the preferred one: " + failure.message;
  }
  failure.participants = Bounded(std::move(finding_of_preferred.conflict));
  failure.report = std::make_shared<const Report>(std::move(report));
  return failure;
}

}  // namespace

std::vector<RefusedTry> InShort(const GroupSearch& search, const NodeTree& tree,
                                const std::vector<NodeId>& pruned) {
  if (search.refused.empty()) return {};
  std::vector<RefusedTry> tries;
  GroupChoice choice(tree, pruned);
  for (const RefusedChoice& refused : search.refused) {
    const TryParticipants who(tree, choice.Visible(), nullptr);
    const Labels labels(who.all());
    tries.push_back(Tell(refused, {refused.why.participants, false}, who, labels));
    tries.back().choice = ChoiceInWords(choice, tree);
    choice.Next();
  }
  return tries;
}

Failure Explained(const GroupSearch& search, const NodeTree& tree,
                  const std::vector<NodeId>& pruned, const Plan* existing,
                  const Settings& settings) {
  if (search.no_secure_memory) return search.result.failure();  // there is no conflict
  const TryParticipants everybody(tree, pruned, existing);
  const Labels labels(everybody.all());
  uint64_t own_work = 0;
  for (const Participant& one : everybody.all()) own_work += WorkFor(one);
  Work work(kExplainWork + own_work * search.refused.size());

  Report report;
  Finding preferred;
  GroupChoice choice(tree, pruned);
  for (const RefusedChoice& refused : search.refused) {
    const TryParticipants who(tree, choice.Visible(), existing);
    Finding finding = FindConflict(refused, who, settings, work);
    RefusedTry told = Tell(refused, finding, who, labels);
    told.choice = ChoiceInWords(choice, tree);
    AddEliminations(who, settings, labels, work, told);
    if (report.refused.empty()) preferred = std::move(finding);
    report.refused.push_back(std::move(told));
    choice.Next();
  }
  return WithReport(search.result.failure(), search.refused.front().why, search.refused.size(),
                    std::move(preferred), std::move(report));
}

Failure Explained(const std::vector<Participant>& participants, const Settings& settings) {
  const TryParticipants who(participants);
  Refusal refusal = TryToPlan(participants, settings).failure();
  const RefusedChoice refused{"", Blame(refusal, participants), std::move(refusal)};
  const Labels labels(participants);
  uint64_t own_work = 0;
  for (const Participant& one : participants) own_work += WorkFor(one);
  Work work(kExplainWork + own_work);
  Finding finding = FindConflict(refused, who, settings, work);
  Report report;
  report.refused.push_back(Tell(refused, finding, who, labels));
  AddEliminations(who, settings, labels, work, report.refused.back());
  return WithReport(refused.why, refused.why, 1, std::move(finding), std::move(report));
}

}  // namespace sysmem::core
