// SPDX-License-Identifier: Apache-2.0
//
// What a scenario's participant needs, as a program that links the library says it.
#pragma once

#include <sysmem/sysmem.hpp>

#include "core/constraints.h"

namespace sysmem::ctl {

// Field by field: what is unset stays unset.
Constraints ToClient(const core::Constraints& constraints);

}  // namespace sysmem::ctl
