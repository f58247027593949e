// SPDX-License-Identifier: Apache-2.0
#include "core/negotiate.h"

#include <algorithm>
#include <utility>

#include "core/blame.h"
#include "core/merge.h"
#include "core/plan_buffers.h"
#include "core/sanitise.h"

namespace sysmem::core {
namespace {

Rejection NobodyAsksForSize() {
  return {.rule = "MINSIZE",
          .fields = {std::string(kMemoryPath) + "min_size_bytes"},
          .message =
              "no participant asks for a size: min_size_bytes, or min_size, "
              "required_max_size or required_max_size_list of an image format",
          .by_absence = true,
          .stage = Stage::kSize};
}

Rejection At(Stage stage, Rejection no) {
  no.stage = stage;
  return no;
}

// A message wrong by itself is blamed on its sender alone.
Failure BlameAlone(const Rejection& rejection, const Participant& participant) {
  Failure failure = Blame(rejection, {participant});
  if (failure.participants.empty()) {
    failure.participants.push_back({participant.node, participant.name, "unset"});
  }
  return failure;
}

// Takes in one participant. False if it cannot be: `no` says why.
bool AddTo(SanitisedConstraints& total, const Participant& participant, size_t position,
           const Settings& settings, Refusal& no) {
  OrRejection<SanitisedConstraints> sane =
      SanitiseParticipant(ConstraintsOf(participant), settings);
  if (!sane.ok()) {
    no = {At(Stage::kSanitise, std::move(sane).failure()), position + 1, position};
    return false;
  }
  if (participant.denied_heaps != nullptr)
    sane.value().memory.denied_heaps = *participant.denied_heaps;
  if (participant.exists_already) {
    SanitisedMemory& memory = sane.value().memory;
    memory.existing_size_bytes = std::exchange(memory.max_size_bytes, UINT64_MAX);
  }
  if (MaybeRejection why = Merge(total, std::move(sane).value(), settings.limits)) {
    no = {At(Stage::kMerge, *std::move(why)), position + 1};
    return false;
  }
  return true;
}

OrRejection<SanitisedConstraints> Finish(SanitisedConstraints total, const Settings& settings) {
  if (MaybeRejection no = ReduceRequiredSizes(total, settings.limits)) {
    return At(Stage::kMerge, *std::move(no));
  }
  OrRejection<SanitisedConstraints> agreed = SanitiseAggregate(std::move(total), settings);
  if (!agreed.ok()) return At(Stage::kAggregate, std::move(agreed).failure());
  return agreed;
}

// Stands for somebody who asks for what nobody of a part of the participants may ask for.
void AskForTheLeast(SanitisedConstraints& total) {
  if (!HasAnyUsage(total.usage)) total.usage.none |= kNoneUsagePermitAllocation;
  const uint64_t counted = total.min_buffer_count_for_camping +
                           total.min_buffer_count_for_dedicated_slack +
                           total.min_buffer_count_for_shared_slack;
  if (counted == 0 && total.min_buffer_count == 0) total.min_buffer_count = 1;
}

}  // namespace

const Constraints& ConstraintsOf(const Participant& participant) {
  static const Constraints none;
  return participant.constraints != nullptr ? *participant.constraints : none;
}

bool IsDenied(const Participant& participant, const std::string& heap_type) {
  if (participant.denied_heaps == nullptr) return false;
  const std::vector<std::string>& denied = *participant.denied_heaps;
  return std::find(denied.begin(), denied.end(), heap_type) != denied.end();
}

Result<SanitisedConstraints, Refusal> Agree(const std::vector<Participant>& participants,
                                            const Settings& settings) {
  const bool sized = std::any_of(
      participants.begin(), participants.end(),
      [](const Participant& participant) { return AsksForSize(ConstraintsOf(participant)); });
  if (!sized) return Refusal{NobodyAsksForSize(), participants.size()};

  SanitisedConstraints total = NeutralConstraints();
  Refusal no;
  for (size_t i = 0; i < participants.size(); ++i) {
    if (!AddTo(total, participants[i], i, settings, no)) return no;
  }
  OrRejection<SanitisedConstraints> agreed = Finish(std::move(total), settings);
  if (!agreed.ok()) return Refusal{std::move(agreed).failure(), participants.size()};
  return std::move(agreed).value();
}

Result<Plan, Refusal> TryToPlan(const std::vector<Participant>& participants,
                                const Settings& settings) {
  const Result<SanitisedConstraints, Refusal> agreed = Agree(participants, settings);
  if (!agreed.ok()) return agreed.failure();
  OrRejection<Plan> plan = PlanBuffers(agreed.value(), settings);
  if (!plan.ok()) return Refusal{std::move(plan).failure(), participants.size()};
  return std::move(plan).value();
}

Result<Plan> Negotiate(const std::vector<Participant>& participants, const Settings& settings) {
  Result<Plan, Refusal> plan = TryToPlan(participants, settings);
  if (!plan.ok()) return Blame(plan.failure(), participants);
  return std::move(plan).value();
}

Failure Blame(const Refusal& refusal, const std::vector<Participant>& participants) {
  if (refusal.alone) return BlameAlone(refusal.why, participants[*refusal.alone]);
  return Blame(refusal.why, participants);
}

std::optional<Rejection> ConflictBetween(const std::vector<Participant>& participants,
                                         const Members& members, const Settings& settings) {
  SanitisedConstraints total = NeutralConstraints();
  Refusal no;
  for (size_t i : members) {
    if (!AddTo(total, participants[i], i, settings, no)) return std::move(no.why);
  }
  AskForTheLeast(total);
  OrRejection<SanitisedConstraints> agreed = Finish(total, settings);
  if (!agreed.ok() && agreed.failure().by_absence) {
    total.image_formats.clear();  // whatever is indefinite here may be made definite by others
    agreed = Finish(std::move(total), settings);
  }
  if (!agreed.ok()) return std::move(agreed).failure();
  OrRejection<Plan> plan = PlanBuffers(agreed.value(), settings);
  if (!plan.ok()) return std::move(plan).failure();
  return std::nullopt;
}

}  // namespace sysmem::core
