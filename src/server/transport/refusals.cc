// SPDX-License-Identifier: Apache-2.0
#include "server/transport/refusals.h"

#include <utility>

namespace sysmem::server::transport {
namespace {

Operation Refuse(std::string rule, std::string_view field, std::string message) {
  return op::Malformed{core::Refused(core::Error::kProtocolDeviation, std::move(rule),
                                     std::string(field), std::move(message))};
}

}  // namespace

std::optional<core::Failure> ExceedsBound(std::string_view field, size_t count,
                                          sysmem2::MessageLimit limit, std::string_view unit) {
  const auto at_most = static_cast<size_t>(limit);
  if (count <= at_most) return std::nullopt;
  return core::Refused(core::Error::kProtocolDeviation, "WIRE-BOUND", std::string(field),
                       std::to_string(count) + " " + std::string(unit) + ", at most " +
                           std::to_string(at_most) + " are allowed");
}

Operation TooLarge(std::string_view method, size_t bytes) {
  return Refuse("WIRE-SIZE", "",
                "a request to " + std::string(method) + " of " + std::to_string(bytes) +
                    " bytes, at most " + std::to_string(kMaxRequestBytes) + " are allowed");
}

Operation Unparsable(std::string_view method) {
  return Refuse("WIRE-PARSE", "",
                "the request to " + std::string(method) +
                    " cannot be parsed: broken encoding, or a string that is not UTF-8");
}

Operation BadFields(std::string_view field, std::string message) {
  return Refuse("WIRE-FIELDS", field, std::move(message));
}

Operation NotYet(std::string_view what) {
  return op::Malformed{{.outcome = core::Outcome::kUnimplemented,
                        .message = std::string(what) + " is not implemented in this version"}};
}

Operation FailsNode(std::optional<Handle> handle, std::optional<core::NodeKind> kind,
                    core::Failure why) {
  return op::NodeMessage{
      .handle = handle, .kind = kind, .event = core::event::BadMessage{.why = std::move(why)}};
}

}  // namespace sysmem::server::transport
