// SPDX-License-Identifier: Apache-2.0
//
// What a session gets back: one result per operation, and the one-method interface through which a
// reply leaves for the wire.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "core/effect.h"
#include "core/failure.h"
#include "core/plan.h"
#include "server/inspection.h"
#include "server/request.h"

namespace sysmem::server {

// New nodes that were exported at birth, or the one that Export moved: in order.
struct ExportedNodes {
  std::vector<DescriptorNumber> descriptors;
};

// WaitForAllBuffersAllocated's result. `descriptors` is empty for a participant without usage
// (RES-3), else one number per buffer.
struct GrantedBuffers {
  core::Plan plan;
  uint64_t buffer_collection_id = 0;
  std::vector<DescriptorNumber> descriptors;
  uint32_t rights = 0;              // core::Grant::rights
  bool read_only = false;           // the hand-outs were made without write access
  bool read_only_enforced = false;  // false = same uid as the daemon, or a heap that cannot
  core::HeapProperties heap;        // abilities of the heap the buffers come from
};

// GetNodeRef's result.
struct NodeReference {
  DescriptorNumber descriptor = 0;
};

// IsAlternateFor's result.
struct IsAlternate {
  bool is_alternate = false;
};

struct TokenKnown {
  bool is_known = false;
};

using OperationResult =
    std::variant<core::Nothing, core::Failure, ExportedNodes, GrantedBuffers,
                 uint64_t /* buffer_collection_id */, NodeReference, IsAlternate, TokenKnown,
                 ServerInfo, StatusInfo, std::vector<CollectionSummary>, CollectionDetail,
                 std::vector<HeapInfo>, std::vector<SessionInfo>>;

struct Reply {
  uint64_t order = 0;                    // place among all the daemon sends this session, from 1
  std::vector<OperationResult> results;  // as many as the request had operations
  // Let go of after the reply has left, because that takes time (descriptors to be closed).
  std::shared_ptr<const void> afterwards = nullptr;
};

// The caller's end of one call, implemented by the transport. Finish or Abort is called exactly
// once, from any thread, with no lock held.
class ReplyPort {
 public:
  virtual ~ReplyPort() = default;
  virtual void Finish(Reply reply) = 0;
  // The session is over: the call ends with a transport status and this reason.
  virtual void Abort(const std::string& reason) = 0;
};

}  // namespace sysmem::server
