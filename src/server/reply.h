// SPDX-License-Identifier: Apache-2.0
//
// What a session gets back: one result per operation, and the one-method interface through which a
// reply leaves for the wire.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/effect.h"
#include "core/failure.h"
#include "core/plan.h"
#include "server/inspection.h"
#include "server/provider_call.h"
#include "server/request.h"
#include "server/watch_event.h"

namespace sysmem::server {

// New nodes that were exported at birth, or the one that Export moved: in order.
struct ExportedNodes {
  std::vector<DescriptorNumber> descriptors;
};

// WaitForAllBuffersAllocated's result. One number per buffer, 0 = none; both lists are empty where
// no buffer has one (RES-3, RES-4).
struct GrantedBuffers {
  core::Plan plan;
  uint64_t buffer_collection_id = 0;
  std::vector<DescriptorNumber> descriptors;
  std::vector<DescriptorNumber> close_weak_asap;
  HandOutInfo hand_out;
};

// GetVmoInfo's result (interface.md 4.1). Descriptor numbers: 0 = none.
struct VmoInfoResult {
  uint64_t buffer_collection_id = 0;
  uint64_t buffer_index = 0;
  DescriptorNumber close_weak_asap = 0;
  DescriptorNumber weak_vmo = 0;
  HandOutInfo hand_out;                                        // of weak_vmo
  std::shared_ptr<const core::SingleBufferSettings> settings;  // if they were asked for
  std::optional<bool> constraints_ok;
  std::optional<bool> vmo_settings_match;
};

// GetNodeRef's result.
struct NodeReference {
  DescriptorNumber descriptor = 0;
};

// IsAlternateFor's result.
struct IsAlternate {
  bool is_alternate = false;
};

// TakeProviderCall's result.
struct TakenProviderCall {
  uint64_t call_id = 0;
  ProviderCallKind what;
  DescriptorNumber descriptor = 0;
};

struct TokenKnown {
  bool is_known = false;
};

using OperationResult =
    std::variant<core::Nothing, core::Failure, ExportedNodes, GrantedBuffers, VmoInfoResult,
                 uint64_t /* buffer_collection_id */, NodeReference, IsAlternate, TokenKnown,
                 TakenProviderCall, ServerInfo, StatusInfo, std::vector<CollectionSummary>,
                 CollectionDetail, std::vector<HeapInfo>, std::vector<SessionInfo>, WatchedEvents>;

struct Reply {
  uint64_t order = 0;                    // place among all the daemon sends this session, from 1
  std::vector<OperationResult> results;  // as many as the request had operations
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
