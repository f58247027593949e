// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace sysmem::core {

// Kinds of node. An orphan keeps the kind it had (1.1); NodeSnapshot::connected tells it apart.
enum class NodeKind : uint8_t { kToken, kCollection, kGroup };
const char* NodeKindName(NodeKind kind);

}  // namespace sysmem::core
