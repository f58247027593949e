// SPDX-License-Identifier: Apache-2.0
//
// A request uses up the descriptors it names, also when it is refused before anybody looks at them.
#pragma once

#include <google/protobuf/message.h>

#include <vector>

#include "server/request.h"

namespace sysmem::server::transport {

// The descriptor numbers named anywhere in `request`.
std::vector<DescriptorNumber> DescriptorsNamedIn(const google::protobuf::Message& request);

// Notes them in `operation` if that is op::Malformed, or a message that fails its node; every other
// operation carries its own.
void NoteUsedUp(const google::protobuf::Message& request, Operation& operation);

}  // namespace sysmem::server::transport
