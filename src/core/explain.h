// SPDX-License-Identifier: Apache-2.0
//
// Makes the report (report.h) of a negotiation that is over, from what the participants asked for.
// Nothing of it is recorded on the way: a negotiation that works pays nothing, one that does not is
// gone through again.
//
//   GroupSearch search = FindAgreement(tree, pruned, settings);
//   if (!search.result.ok()) return Explained(search, tree, pruned, nullptr, settings);
//
// Explaining a refusal takes about as long again as finding it did, and a bounded time besides
// (kExplainWork). What that does not suffice for is told as less certain, or counted as untold.
// Pure functions; thread-safe on values that do not change meanwhile.
#pragma once

#include <cstdint>
#include <vector>

#include "core/attempt.h"
#include "core/negotiate.h"
#include "core/plan.h"
#include "core/report.h"
#include "core/settings.h"

namespace sysmem::core {

// What explaining may cost beyond the cost of what is explained, in the units of
// smallest_conflict.h. A few milliseconds.
inline constexpr uint64_t kExplainWork = 20'000;

// The failure of a search that found nothing: names the participants of a smallest conflict of the
// preferred choice, says so in one sentence, and has the report of all tries. `existing` is the
// plan of the buffers for those who come late, or nullptr.
// REQUIRES: `search` is what FindAgreement (FindLateAgreement) returned for the same arguments.
Failure Explained(const GroupSearch& search, const NodeTree& tree,
                  const std::vector<NodeId>& pruned, const Plan* existing,
                  const Settings& settings);

// The same for a list of participants without a tree.
// REQUIRES: TryToPlan refuses them.
Failure Explained(const std::vector<Participant>& participants, const Settings& settings);

// The refused tries of a search that found something in the end, without looking for smallest
// conflicts: cheap. None if it was the first try that worked.
// REQUIRES: as above, of FindAgreement.
std::vector<RefusedTry> InShort(const GroupSearch& search, const NodeTree& tree,
                                const std::vector<NodeId>& pruned);

// Why these participants got this plan.
// REQUIRES: `plan` is what Negotiate returns for them.
Report ExplainPlan(const std::vector<Participant>& participants, const Plan& plan,
                   const Settings& settings);

}  // namespace sysmem::core
