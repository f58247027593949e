// SPDX-License-Identifier: Apache-2.0
//
// What the descriptors that a client sends stand for, and what becomes of them. Every message that
// names one uses it up, whether the message succeeds or not.
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/unix_socket.h"
#include "server/session_impl.h"

namespace sysmem::server {

using core::Error;
using core::NodeKind;
using core::Refused;

core::Result<ForeignFd> Session::Impl::Claim(const std::optional<DescriptorNumber>& number,
                                             const char* field) {
  if (!number || *number == 0) {
    return Refused(Error::kProtocolDeviation, "WIRE-DESCRIPTOR", field, "the field is missing");
  }
  std::optional<SessionEnd> end;
  auto claimed = incoming_.Claim(*number, end);
  if (end) {
    core::Failure failure =
        Refused(Error::kProtocolDeviation, "WIRE-DESCRIPTOR", field, end->message);
    session_.End(std::move(*end));
    return failure;
  }
  if (!claimed) {
    return Refused(Error::kNotFound, "WIRE-DESCRIPTOR", field,
                   absl::StrCat("descriptor ", *number, " was never sent, or was used before"));
  }
  return std::move(*claimed);
}

std::optional<uint64_t> Session::Impl::CookieOf(const ForeignFd& fd) {
  if (fd.kind() != base::DescriptorKind::kUnixSocket) return std::nullopt;
  const auto cookie = base::SocketCookie(fd.fd());
  return cookie.ok() ? std::optional(*cookie) : std::nullopt;
}

core::Result<Session::Impl::ExportedEnd> Session::Impl::ClaimExportedEnd(
    const std::optional<DescriptorNumber>& number, const char* field) {
  auto claimed = Claim(number, field);
  if (!claimed.ok()) return std::move(claimed).failure();
  ForeignFd end = std::move(claimed).value();
  if (const auto cookie = CookieOf(end)) return ExportedEnd{*cookie, std::move(end)};
  return Refused(Error::kNotFound, "WIRE-DESCRIPTOR", field,
                 absl::StrCat("descriptor ", *number, " is a ",
                              std::string(base::DescriptorKindName(end.kind())),
                              ", not the exported end of a node"));
}

// What a refused message names is gone all the same.
void Session::Impl::UseUp(const std::vector<DescriptorNumber>& numbers) {
  for (const DescriptorNumber number : numbers) {
    std::optional<SessionEnd> end;
    incoming_.Claim(number, end);  // and closed at once
    if (!end) continue;
    session_.End(std::move(*end));
    break;
  }
}

// ---- Exported ends ---------------------------------------------------------------------------

core::Result<NodeRef> Session::Impl::TakeExported(uint64_t cookie, std::optional<NodeKind> kind,
                                                  const char* field) {
  auto found = engine_.exports->Find(cookie);
  if (found && kind && found->kind != *kind) {
    return Refused(Error::kProtocolDeviation, "CONV-2", field,
                   absl::StrCat("this descriptor is the exported end of a ",
                                NodeKindName(found->kind), ", not of a ", NodeKindName(*kind)));
  }
  auto taken = engine_.exports->Take(cookie);
  if (!taken) {
    return Refused(Error::kNotFound, "CONV-3", field,
                   "no node stands behind this descriptor: it was imported or closed, or "
                   "never was one");
  }
  return std::move(*taken);
}

// ---- Node references, tracking ends and buffers ----------------------------------------------

namespace {

// The field of the message that names a descriptor.
const char* DescriptorFieldOf(const core::Event& event) {
  if (std::holds_alternative<core::event::SetConstraints>(event)) return "must_match_vmo";
  if (std::holds_alternative<core::event::IsAlternateFor>(event)) return "node_ref";
  return "server_end";
}

}  // namespace

// A number that names no descriptor fails the node as a handle that is none would.
void Session::Impl::WithDescriptor(const CallSlot& slot, const NodeRef& ref,
                                   op::NodeMessage& what) {
  if (std::holds_alternative<core::event::BadMessage>(what.event)) {
    UseUp({*what.descriptor});
    return ref.host->PostEvent(std::move(what.event), slot);
  }
  auto claimed = Claim(what.descriptor, DescriptorFieldOf(what.event));
  if (!claimed.ok()) {
    return ref.host->PostEvent(core::event::BadMessage{0, ref.node, std::move(claimed).failure()},
                               slot);
  }
  if (auto* constraints = std::get_if<core::event::SetConstraints>(&what.event)) {
    return Match(slot, ref, std::move(*constraints), *what.descriptor, std::move(claimed).value());
  }
  if (std::holds_alternative<core::event::IsAlternateFor>(what.event)) {
    return Compare(slot, ref, claimed.value());
  }
  Track(slot, ref, what.event, std::move(claimed).value());
}

void Session::Impl::Compare(const CallSlot& slot, const NodeRef& ref, const ForeignFd& node_ref) {
  if (const auto cookie = CookieOf(node_ref)) {
    return ref.host->PostIsAlternateFor(ref.node, *cookie, slot);
  }
  ref.host->PostEvent(core::event::IsAlternateFor{.node = ref.node, .unreadable = true}, slot);
}

// AttachNodeTracking and AttachLifetimeTracking.
void Session::Impl::Track(const CallSlot& slot, const NodeRef& ref, const core::Event& event,
                          ForeignFd server_end) {
  const auto* const lifetime = std::get_if<core::event::AttachLifetimeTracking>(&event);
  const base::DescriptorKind kind = server_end.kind();
  if (kind != base::DescriptorKind::kPipe && kind != base::DescriptorKind::kUnixSocket) {
    const core::Failure why =
        Refused(Error::kProtocolDeviation, lifetime != nullptr ? "2.7" : "2.4", "server_end",
                absl::StrCat("server_end is a ", std::string(base::DescriptorKindName(kind)),
                             ", whose close nobody would see; a pipe or a socket is needed"));
    return ref.host->PostEvent(core::event::BadMessage{0, ref.node, why}, slot);
  }
  auto lease = engine_.held->Take(peer.uid);
  if (!lease.ok()) return slot.Resolve(OperationResult(std::move(lease).failure()));
  Tracking tracking{std::move(server_end), std::move(lease).value()};
  if (lifetime == nullptr) return ref.host->PostTracking(ref.node, std::move(tracking), slot);
  ref.host->PostLifetimeTracking(ref.node, std::move(tracking), lifetime->buffers_remaining, slot);
}

// PART-3: what matters is how the buffer was made. Its descriptor is let go of.
void Session::Impl::Match(const CallSlot& slot, const NodeRef& ref,
                          core::event::SetConstraints event, DescriptorNumber number,
                          ForeignFd buffer) {
  if (const auto known = LookUp(buffer, "must_match_vmo"); known.ok()) {
    event.must_match = *known.value()->facts().settings;
    buffer.CloseHere();
  } else {
    event.not_a_buffer = absl::StrCat("descriptor ", number, ", a ",
                                      std::string(base::DescriptorKindName(buffer.kind())),
                                      IsMemory(buffer) ? " that was made elsewhere" : "");
  }
  ref.host->PostEvent(std::move(event), slot);
}

}  // namespace sysmem::server
