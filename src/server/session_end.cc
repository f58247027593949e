// SPDX-License-Identifier: Apache-2.0
#include "server/session_end.h"

namespace sysmem::server {

const char* EndReasonName(EndReason reason) {
  switch (reason) {
    case EndReason::kHangUp:
      return "HANG_UP";
    case EndReason::kSequenceGap:
      return "SEQUENCE_GAP";
    case EndReason::kBadMessage:
      return "BAD_MESSAGE";
    case EndReason::kForbiddenDescriptor:
      return "FORBIDDEN_DESCRIPTOR";
    case EndReason::kUnreadDescriptors:
      return "UNREAD_DESCRIPTORS";
    case EndReason::kLimit:
      return "LIMIT";
    case EndReason::kNoHello:
      return "NO_HELLO";
    case EndReason::kShutdown:
      return "SHUTDOWN";
  }
  return "UNKNOWN";
}

}  // namespace sysmem::server
