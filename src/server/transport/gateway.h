// SPDX-License-Identifier: Apache-2.0
//
// The way from the wire into the engine.
//
//   listener --OnHello--> Gateway: opens the session, answers WELCOME, hands our end of the call
//                                  channel to gRPC
//   gRPC --ArrivedCall--> Gateway: finds the session by the connection, Session::Submit
//
// One object for the daemon's life. A call is known to be a session's by the connection it came on;
// a connection is known to gRPC by its descriptor's number, which is not used again before every
// call on it has ended.
//
// Thread-safety: OnHello and Shutdown on one thread, the event loop's; calls arrive from gRPC's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "server/engine.h"
#include "server/event_loop.h"
#include "server/inspection.h"

namespace sysmem::server::transport {

struct GatewayOptions {
  // Test seam: calls are delivered in an order drawn from this seed (shuffler.h).
  std::optional<uint64_t> shuffle_seed;
};

class Gateway {
 public:
  // `engine` and `loop` outlive the gateway. The loop is used by the test seam only.
  static absl::StatusOr<std::unique_ptr<Gateway>> Start(Engine& engine, EventLoop& loop,
                                                        GatewayOptions options = {});
  // Shuts down.
  ~Gateway();

  // A client has said hello on `connection`, which becomes the session's handle channel. It is
  // answered with WELCOME, or with SESSION_ENDED and the reason when there can be no session.
  void OnHello(PeerInfo peer, base::UniqueFd connection, const std::string& hello_body);

  // Ends every call and connection; returns when none is left, also while calls wait or are held.
  // Shut the engine down first: it ends its calls with a better reason. Hold no lock.
  void Shutdown();

 private:
  class Impl;
  explicit Gateway(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace sysmem::server::transport
