// SPDX-License-Identifier: Apache-2.0
//
// The constraints of one participant, out of its table. Keys are the protocol's field names.
#pragma once

#include <optional>
#include <string>

#include "core/constraints.h"
#include "scenario/fields.h"

namespace sysmem::scenario {

// The keys of a participant that are constraints. Empty if it has none of them.
std::optional<core::Constraints> ReadConstraints(Fields& participant, Mistakes& mistakes);

// {cpu = ["READ"], video = ["CAPTURE"]}
core::BufferUsage ReadUsage(const Value& value, const std::string& path, Mistakes& mistakes);

}  // namespace sysmem::scenario
