// SPDX-License-Identifier: Apache-2.0
#include "server/export_table.h"

#include <sys/socket.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/errno_status.h"
#include "base/unix_socket.h"

namespace sysmem::server {
namespace {

core::Failure OutOfDescriptors(absl::string_view why) {
  core::Failure failure;
  failure.error = core::Error::kNoMemory;
  failure.rule = "LIMIT-EXPORTS";
  failure.message = std::string(why);
  return failure;
}

}  // namespace

ExportTable::ExportTable(EventLoop& loop, uint64_t max_exports, HangUp hang_up)
    : loop_(loop), max_exports_(max_exports), hang_up_(std::move(hang_up)) {}

ExportTable::~ExportTable() {
  for (auto& [cookie, entry] : entries_) loop_.RemoveWatch(entry.watch);
}

core::Result<ExportTable::Made> ExportTable::Add(NodeRef node) {
  if (size() >= max_exports_) {
    return OutOfDescriptors(absl::StrCat(
        "the daemon has ", max_exports_,
        " exported nodes, its limit (it follows RLIMIT_NOFILE); import or close some"));
  }
  auto pair = base::SocketPair(SOCK_SEQPACKET);
  if (!pair.ok()) return OutOfDescriptors(pair.status().message());
  auto& [daemon_end, client_end] = *pair;
  // Nobody has anything to say on it: what a holder would write must not pile up in here.
  if (::shutdown(daemon_end.get(), SHUT_RD) != 0) {
    return OutOfDescriptors(
        base::ErrnoStatus(errno, "closing an exported end for reading").message());
  }
  auto cookie = base::SocketCookie(client_end);
  if (!cookie.ok()) return OutOfDescriptors(cookie.status().message());
  const int fd = daemon_end.get();
  {
    std::lock_guard lock(mutex_);
    entries_.emplace(*cookie, Entry{std::move(node), std::move(daemon_end), 0});
  }
  auto watch = loop_.AddHangUpWatch(fd, [weak = weak_from_this(), cookie = *cookie] {
    if (auto self = weak.lock()) self->OnHangUp(cookie);
  });
  if (!watch.ok()) {
    Extract(*cookie);
    return OutOfDescriptors(watch.status().message());
  }
  std::lock_guard lock(mutex_);
  if (auto found = entries_.find(*cookie); found != entries_.end()) found->second.watch = *watch;
  return Made{*cookie, std::move(client_end)};
}

std::optional<NodeRef> ExportTable::Take(uint64_t cookie) {
  auto entry = Extract(cookie);
  if (!entry) return std::nullopt;
  return std::move(entry->node);
}

void ExportTable::Drop(uint64_t cookie) { Extract(cookie); }

bool ExportTable::Contains(uint64_t cookie) const {
  std::lock_guard lock(mutex_);
  return entries_.contains(cookie);
}

std::optional<NodeRef> ExportTable::Find(uint64_t cookie) const {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(cookie);
  if (found == entries_.end()) return std::nullopt;
  return found->second.node;
}

size_t ExportTable::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

void ExportTable::OnHangUp(uint64_t cookie) {
  if (auto entry = Extract(cookie)) hang_up_(entry->node, cookie);
}

// The watch goes before its descriptor is closed (by the caller, with the entry).
std::optional<ExportTable::Entry> ExportTable::Extract(uint64_t cookie) {
  std::optional<Entry> entry;
  {
    std::lock_guard lock(mutex_);
    auto found = entries_.find(cookie);
    if (found == entries_.end()) return std::nullopt;
    entry = std::move(found->second);
    entries_.erase(found);
  }
  if (entry->watch != 0) loop_.RemoveWatch(entry->watch);
  return entry;
}

}  // namespace sysmem::server
