// SPDX-License-Identifier: Apache-2.0
//
// The last message on a connection: why it ends.
//
// The wire's form of a SessionEnd is the transport's knowledge; whoever ends a connection is given
// a function that makes it.
//
// Thread-safe.
#pragma once

#include <functional>
#include <string>

#include "base/unique_fd.h"
#include "server/closer.h"
#include "server/session_end.h"

namespace sysmem::server {

// Body of a SESSION_ENDED message.
using SessionEndEncoder = std::function<std::string(const SessionEnd&)>;

// Sends SESSION_ENDED with `body`, if the peer still listens and has room, and leaves `connection`
// to `closer`. Never waits.
void SayGoodbye(base::UniqueFd connection, std::string body, Closer& closer);

}  // namespace sysmem::server
