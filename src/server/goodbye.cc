// SPDX-License-Identifier: Apache-2.0
#include "server/goodbye.h"

#include <utility>

#include "base/handle_channel.h"

namespace sysmem::server {

void SayGoodbye(base::UniqueFd connection, std::string body, Closer& closer) {
  // Whether it arrives is the peer's business now.
  (void)base::SendHandleMessage(connection, base::SessionEndedMessage(std::move(body)));
  closer.CloseConnection(std::move(connection));
}

}  // namespace sysmem::server
