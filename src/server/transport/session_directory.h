// SPDX-License-Identifier: Apache-2.0
//
// Which session a connection belongs to, by gRPC's name of the connection.
//
// Names are used again, but only after every call of the old connection is over (the descriptor
// that the name is made of stays open until then). So a later Add of the same name wins.
//
// Thread-safe; the lock is a leaf.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "server/session.h"

namespace sysmem::server::transport {

class SessionDirectory {
 public:
  // Also forgets the sessions that are gone.
  void Add(const std::string& connection, const std::shared_ptr<Session>& session);
  // Null when the session is gone, or there never was one.
  std::shared_ptr<Session> Find(const std::string& connection) const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::weak_ptr<Session>> sessions_;
};

}  // namespace sysmem::server::transport
