// SPDX-License-Identifier: Apache-2.0
#include "server/transport/session_directory.h"

namespace sysmem::server::transport {

void SessionDirectory::Add(const std::string& connection, const std::shared_ptr<Session>& session) {
  std::lock_guard lock(mutex_);
  std::erase_if(sessions_, [](const auto& entry) { return entry.second.expired(); });
  sessions_.insert_or_assign(connection, session);
}

std::shared_ptr<Session> SessionDirectory::Find(const std::string& connection) const {
  std::lock_guard lock(mutex_);
  const auto found = sessions_.find(connection);
  return found == sessions_.end() ? nullptr : found->second.lock();
}

}  // namespace sysmem::server::transport
