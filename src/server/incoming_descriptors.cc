// SPDX-License-Identifier: Apache-2.0
#include "server/incoming_descriptors.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/handle_channel.h"

namespace sysmem::server {

IncomingDescriptors::IncomingDescriptors(std::shared_ptr<base::UniqueFd> channel, Closer& closer,
                                         size_t max_waiting)
    : channel_(std::move(channel)), closer_(closer), max_waiting_(max_waiting) {}

std::optional<ForeignFd> IncomingDescriptors::Claim(DescriptorNumber number,
                                                    std::optional<SessionEnd>& end) {
  auto found = waiting_.find(number);
  if (found == waiting_.end()) {
    end = DrainUpTo(number);
    if (end) return std::nullopt;
    found = waiting_.find(number);
  }
  if (found == waiting_.end()) return std::nullopt;
  return std::move(waiting_.extract(found).mapped());
}

// No further than to `number`: a client may send many calls back to back, and descriptors for the
// later ones are no reason to blame it.
std::optional<SessionEnd> IncomingDescriptors::DrainUpTo(DescriptorNumber number) {
  base::ReceiveOptions options;
  options.dispose = [this](std::vector<base::UniqueFd> refused) {
    for (base::UniqueFd& fd : refused) closer_.Close(std::move(fd));
  };
  while (last_ < number) {
    auto received =
        base::ReceiveHandleMessage(*channel_, base::HandleMessageSender::kClient, options);
    if (!received.ok()) {
      return SessionEnd{EndReason::kBadMessage, std::string(received.status().message())};
    }
    // A client that is gone is noticed by the watch on its channel.
    if (received->outcome != base::ReceiveOutcome::kMessage) return std::nullopt;
    base::HandleMessage& message = received->message;
    std::optional<SessionEnd> end;
    if (message.kind != base::HandleMessageKind::kDescriptors) {
      end = SessionEnd{EndReason::kBadMessage,
                       absl::StrCat("a ", std::string(HandleMessageKindName(message.kind)),
                                    " message after the first one")};
    } else if (message.first != last_ + 1) {
      end = SessionEnd{
          EndReason::kBadMessage,
          absl::StrCat("descriptors numbered from ", message.first, ", expected ", last_ + 1)};
    }
    for (base::UniqueFd& fd : message.descriptors) {
      const base::DescriptorKind kind = base::ClassifyDescriptor(fd);
      ++last_;
      if (!end && kind == base::DescriptorKind::kOther) {
        end = SessionEnd{
            EndReason::kForbiddenDescriptor,
            absl::StrCat("descriptor ", last_, " is no Unix socket, pipe, memfd or dma-buf")};
      }
      if (!end && waiting_.size() >= max_waiting_) {
        end = SessionEnd{
            EndReason::kLimit,
            absl::StrCat("more than ", max_waiting_, " descriptors sent that no call has named")};
      }
      if (end) {
        closer_.Close(std::move(fd));
      } else {
        waiting_.emplace(last_, ForeignFd(std::move(fd), kind, closer_));
      }
    }
    if (end) return end;
  }
  return std::nullopt;
}

}  // namespace sysmem::server
