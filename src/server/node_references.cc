// SPDX-License-Identifier: Apache-2.0
#include "server/node_references.h"

#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "base/errno_status.h"
#include "base/unix_socket.h"

namespace sysmem::server {
namespace {

core::Failure NoSocket(absl::string_view why) {
  core::Failure failure;
  failure.error = core::Error::kNoMemory;
  failure.rule = "LIMIT-HELD";
  failure.message = std::string(why);
  return failure;
}

}  // namespace

core::Result<base::UniqueFd> NodeReferences::CopyFor(core::NodeId node, uid_t uid) {
  auto found = by_node_.find(node);
  if (found == by_node_.end()) {
    auto lease = budget_->Take(uid);
    if (!lease.ok()) return std::move(lease).failure();
    base::UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    // Whoever holds a copy could else use it, and us who keep it, as a letter box for descriptors.
    if (!socket || ::shutdown(socket.get(), SHUT_RDWR) != 0) {
      return NoSocket(base::ErrnoStatus(errno, "making a node's reference").message());
    }
    const auto cookie = base::SocketCookie(socket);
    if (!cookie.ok()) return NoSocket(cookie.status().message());
    by_cookie_.emplace(*cookie, node);
    Entry entry{std::move(socket), *cookie, std::move(lease).value()};
    found = by_node_.emplace(node, std::move(entry)).first;
  }
  base::UniqueFd copy = base::Dup(found->second.socket);
  if (!copy) return NoSocket(base::ErrnoStatus(errno, "copying a node's reference").message());
  return copy;
}

core::NodeId NodeReferences::Find(uint64_t cookie) const {
  const auto found = by_cookie_.find(cookie);
  return found == by_cookie_.end() ? 0 : found->second;
}

void NodeReferences::Forget(core::NodeId node) {
  const auto found = by_node_.find(node);
  if (found == by_node_.end()) return;
  by_cookie_.erase(found->second.cookie);
  by_node_.erase(found);
}

}  // namespace sysmem::server
