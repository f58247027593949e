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

const Constraints& ConstraintsOf(const Participant& participant) {
  static const Constraints none;
  return participant.constraints != nullptr ? *participant.constraints : none;
}

Rejection NobodyAsksForSize() {
  return {.rule = "MINSIZE",
          .fields = {std::string(kMemoryPath) + "min_size_bytes"},
          .message =
              "no participant asks for a size: min_size_bytes, or min_size, "
              "required_max_size or required_max_size_list of an image format"};
}

// A message wrong by itself is blamed on its sender alone.
Failure BlameAlone(const Rejection& rejection, const Participant& participant) {
  Failure failure = Blame(rejection, {participant});
  if (failure.participants.empty()) {
    failure.participants.push_back({participant.node, participant.name, "unset"});
  }
  return failure;
}

}  // namespace

Result<Plan> Negotiate(const std::vector<Participant>& participants, const Settings& settings) {
  const bool sized = std::any_of(
      participants.begin(), participants.end(),
      [](const Participant& participant) { return AsksForSize(ConstraintsOf(participant)); });
  if (!sized) return Blame(NobodyAsksForSize(), participants);

  SanitisedConstraints total = NeutralConstraints();
  for (const Participant& participant : participants) {
    OrRejection<SanitisedConstraints> sane =
        SanitiseParticipant(ConstraintsOf(participant), settings);
    if (!sane.ok()) return BlameAlone(sane.failure(), participant);
    if (participant.exists_already) {
      SanitisedMemory& memory = sane.value().memory;
      memory.existing_size_bytes = std::exchange(memory.max_size_bytes, UINT64_MAX);
    }
    if (MaybeRejection no = Merge(total, std::move(sane).value(), settings.limits)) {
      return Blame(*no, participants);
    }
  }
  if (MaybeRejection no = ReduceRequiredSizes(total, settings.limits)) {
    return Blame(*no, participants);
  }
  const OrRejection<SanitisedConstraints> agreed = SanitiseAggregate(std::move(total), settings);
  if (!agreed.ok()) return Blame(agreed.failure(), participants);
  OrRejection<Plan> plan = PlanBuffers(agreed.value(), settings);
  if (!plan.ok()) return Blame(plan.failure(), participants);
  return std::move(plan).value();
}

}  // namespace sysmem::core
