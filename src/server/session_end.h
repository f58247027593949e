// SPDX-License-Identifier: Apache-2.0
//
// Why a session ended. Sent to its client as SESSION_ENDED where it still listens, and kept for
// the inspector. The names are the protocol's (proto SessionEnded.Reason).
#pragma once

#include <cstdint>
#include <string>

namespace sysmem::server {

enum class EndReason : uint8_t {
  kHangUp,               // the client closed its handle channel, or died
  kSequenceGap,          // a running number never came, came twice, or too many calls waited for it
  kBadMessage,           // a message that breaks the handle channel's or a call's frame
  kForbiddenDescriptor,  // a descriptor of a kind nobody asked for
  kUnreadDescriptors,    // pushed descriptors were not read for too long
  kLimit,                // a cap per user or per daemon was reached
  kNoHello,              // connected and said nothing
  kShutdown,             // the daemon ends
};

const char* EndReasonName(EndReason reason);  // "SEQUENCE_GAP"

struct SessionEnd {
  EndReason reason = EndReason::kHangUp;
  std::string message;  // one sentence that names the figure, the limit and the rule
};

}  // namespace sysmem::server
