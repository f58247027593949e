// SPDX-License-Identifier: Apache-2.0
//
// The constraints object is the wire's own message: setters set its fields, presence included, and
// nothing needs translating when it is sent.
#pragma once

#include <sysmem/constraints.h>

#include <optional>

#include "client/failure.h"
#include "sysmem2/constraints.pb.h"

struct sysmem_constraints {
  sysmem2::BufferCollectionConstraints message;
};

namespace sysmem::client {

sysmem2::SizeU ToWire(sysmem_size size);

// Why these constraints cannot be sent: too large for one message, or text that is not UTF-8. NULL
// is fine.
std::optional<Failure> CheckConstraints(const sysmem_constraints* constraints);

}  // namespace sysmem::client
