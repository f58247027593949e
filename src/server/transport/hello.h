// SPDX-License-Identifier: Apache-2.0
//
// Bodies of the messages that begin and end a connection on the handle channel: HELLO, WELCOME and
// SESSION_ENDED (session.proto).
//
// Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/session_end.h"

namespace sysmem::server::transport {

// What a client says of itself. Claims, all of it.
struct Hello {
  std::vector<std::string> features;
  std::string library;  // "libsysmem 0.1.0"
  std::string command;
};

// Fields this version does not know are ignored. Nullopt: `body` is no Hello.
std::optional<Hello> ParseHello(const std::string& body);

struct Welcome {
  std::vector<std::string> features;
  std::string server_version;
  uint64_t session_id = 0;
};

std::string EncodeWelcome(const Welcome& welcome);

// Those of `wanted` that are also in `known`, in their order and each once.
std::vector<std::string> FeaturesOfBoth(const std::vector<std::string>& wanted,
                                        const std::vector<std::string>& known);

// For EngineOptions::encode_session_end and ListenerOptions::encode_end.
std::string EncodeSessionEnd(const SessionEnd& end);

}  // namespace sysmem::server::transport
