// SPDX-License-Identifier: Apache-2.0
#include "server/transport/hello.h"

#include <algorithm>

#include "server/transport/text.h"
#include "sysmem2/session.pb.h"

namespace sysmem::server::transport {
namespace {

// A message of the handle channel is small; the sentence comes first, whatever it quotes.
constexpr size_t kMaxEndMessageBytes = 1000;

sysmem2::SessionEndReason EncodeReason(EndReason reason) {
  switch (reason) {
    case EndReason::kHangUp:
      return sysmem2::SESSION_END_REASON_HANG_UP;
    case EndReason::kSequenceGap:
      return sysmem2::SESSION_END_REASON_SEQUENCE_GAP;
    case EndReason::kBadMessage:
      return sysmem2::SESSION_END_REASON_BAD_MESSAGE;
    case EndReason::kForbiddenDescriptor:
      return sysmem2::SESSION_END_REASON_FORBIDDEN_DESCRIPTOR;
    case EndReason::kUnreadDescriptors:
      return sysmem2::SESSION_END_REASON_UNREAD_DESCRIPTORS;
    case EndReason::kLimit:
      return sysmem2::SESSION_END_REASON_LIMIT;
    case EndReason::kNoHello:
      return sysmem2::SESSION_END_REASON_NO_HELLO;
    case EndReason::kShutdown:
      return sysmem2::SESSION_END_REASON_SHUTDOWN;
  }
  return sysmem2::SESSION_END_REASON_UNSPECIFIED;
}

bool Contains(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

}  // namespace

std::optional<Hello> ParseHello(const std::string& body) {
  sysmem2::Hello from;
  if (!from.ParseFromString(body)) return std::nullopt;
  return Hello{.features = {from.features().begin(), from.features().end()},
               .library = from.library(),
               .command = from.command()};
}

std::string EncodeWelcome(const Welcome& welcome) {
  sysmem2::Welcome to;
  for (const std::string& feature : welcome.features) to.add_features(feature);
  to.set_server_version(ValidUtf8(welcome.server_version));
  to.set_session_id(welcome.session_id);
  return to.SerializeAsString();
}

std::vector<std::string> FeaturesOfBoth(const std::vector<std::string>& wanted,
                                        const std::vector<std::string>& known) {
  std::vector<std::string> both;
  for (const std::string& feature : wanted) {
    if (Contains(known, feature) && !Contains(both, feature)) both.push_back(feature);
  }
  return both;
}

std::string EncodeSessionEnd(const SessionEnd& end) {
  sysmem2::SessionEnded to;
  to.set_reason(EncodeReason(end.reason));
  to.set_message(ValidUtf8(end.message, kMaxEndMessageBytes));
  return to.SerializeAsString();
}

}  // namespace sysmem::server::transport
