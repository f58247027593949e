// SPDX-License-Identifier: Apache-2.0
//
// What it takes to tell why a collection has the plan it has, or none: apart from the collection,
// which may go on meanwhile.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/constraints.h"
#include "core/plan.h"
#include "core/report.h"
#include "core/settings.h"
#include "core/shared_value.h"

namespace sysmem::core {

using RefusedTries = std::vector<RefusedTry>;

struct PlanStory {
  // Took part when the plan was made; may be gone since.
  struct Voice {
    NodeId node = 0;
    std::string name;
    SharedValue<Constraints> constraints;
    SharedValue<Constraints> must_match;
  };

  std::vector<Voice> voices;
  std::optional<Plan> plan;                     // unset: nothing is decided, or it failed
  std::shared_ptr<const RefusedTries> refused;  // before it came to the plan; null: none
  std::shared_ptr<const Report> failure;        // told already when it failed
  std::shared_ptr<const Settings> settings;

  // Takes as long as negotiating once more. Empty while nothing is decided.
  Report Tell() const;
};

}  // namespace sysmem::core
