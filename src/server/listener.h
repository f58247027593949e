// SPDX-License-Identifier: Apache-2.0
//
// Accepts connections and keeps them until they have said hello.
//
//   connect --Accept--> unheard --HELLO in time--> on_hello (the transport makes it a session)
//                          |
//                          +-- anything else, or nothing: SESSION_ENDED with a reason, closed
//
// A connection costs a descriptor from the moment it is accepted, so those that have said nothing
// yet are few: `hello_ns` old at most, `unheard_per_uid` per user and `unheard` in all. When a new
// one comes above that, the oldest of them ends: whoever fills the places with silence pushes out
// silence, and a client that speaks at once, as the library does, is not in the way.
//
// When descriptors run out, a reserved one is given up to accept the connection, tell it so and
// close it; the others stay in the kernel's queue until the listener has paused for `backoff_ns`.
//
// All methods, and the callbacks, on the event loop's thread (Start also before the loop runs).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/listening_socket.h"
#include "base/unique_fd.h"
#include "server/closer.h"
#include "server/event_loop.h"
#include "server/goodbye.h"
#include "server/inspection.h"

namespace sysmem::server {

struct ListenerOptions {
  int64_t hello_ns = 5'000'000'000;  // what a busy machine needs, with much to spare
  uint32_t unheard_per_uid = 16;     // a program that starts all its clients at once
  uint32_t unheard = 64;             // in all; a sixteenth of the usual limit of descriptors
  int64_t backoff_ns = 100'000'000;  // others may close something meanwhile
  // A connection has said hello, with this body. Its descriptor is non-blocking.
  std::function<void(PeerInfo peer, base::UniqueFd connection, const std::string& hello)> on_hello;
  SessionEndEncoder encode_end;
};

class Listener {
 public:
  // `loop` and `closer` outlive the listener. Fails when the loop cannot watch the socket or there
  // is no descriptor to reserve.
  static absl::StatusOr<std::unique_ptr<Listener>> Start(base::ListeningSocket socket,
                                                         EventLoop& loop, Closer& closer,
                                                         ListenerOptions options);
  // Closes the listening socket, removes its file, and ends the connections that have not said
  // hello (kShutdown).
  ~Listener();

  const std::string& path() const;
  size_t unheard() const;  // connections waiting to say hello

 private:
  class Impl;
  explicit Listener(std::shared_ptr<Impl> impl);
  const std::shared_ptr<Impl> impl_;
};

}  // namespace sysmem::server
