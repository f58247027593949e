// SPDX-License-Identifier: Apache-2.0
//
// How much work an event may bring about, before it is carried out.
//
// An attempt looks at every image format of every participant, once for each choice of group
// children that it tries; wildcards meet each of the others' formats. Most attempts look at a dozen
// entries and are over in microseconds; what one client may lawfully send can take seconds. The
// engine asks first, and does what is dear where it keeps nobody waiting.
//
// Pure functions, linear in the number of nodes; thread-safe on a tree that does not change.
#pragma once

#include <cstdint>

#include "core/constraints_weight.h"
#include "core/event.h"
#include "core/node_tree.h"
#include "core/settings.h"

namespace sysmem::core {

// What the message adds: its constraints, and the image format of the buffers to match.
ConstraintsWeight WeightOf(const event::SetConstraints& message);

// No less than the entries looked at in one attempt on the whole tree, were `more` part of it as
// well. Saturates.
uint64_t AttemptCost(const NodeTree& tree, const ConstraintsWeight& more, const Limits& limits);

}  // namespace sysmem::core
