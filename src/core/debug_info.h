// SPDX-License-Identifier: Apache-2.0
//
// Names that participants give themselves: how they change and how they are shortened.
//
// Names come from clients. They may hold any bytes and be long; whatever is cut here stays valid
// UTF-8 if it was. Nothing is escaped: whoever prints a name does that.
// Pure functions; thread-safe.
#pragma once

#include <cstddef>
#include <string_view>

#include "core/event.h"

namespace sysmem::core {

// The longest beginning of `text` of at most `max_bytes` that ends between two characters.
std::string_view CutUtf8(std::string_view text, size_t max_bytes);

// DBG-2: what a node that was called `before` is called after SetDebugClientInfo(wanted). An
// earlier name is kept in the form "new (was old)", cut to `max_bytes`; the id is replaced.
DebugInfo Renamed(const DebugInfo& before, const DebugInfo& wanted, size_t max_bytes);

// The name that was given last: without the "(was old)" that Renamed adds.
std::string_view NewestName(std::string_view name);

// DBG-3: what a token is called that was attached to a collection called `parent`.
DebugInfo Attached(const DebugInfo& parent, size_t max_bytes);

}  // namespace sysmem::core
