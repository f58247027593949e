// SPDX-License-Identifier: Apache-2.0
//
// A message on the handle channel, as a stranger sends it. It is refused, and its descriptors stay
// with the caller; or it is accepted, and then it is exactly what the sender's own encoder would
// have written.
//
// Input: a byte (bit 0: who sent it; the others: how many descriptors came with it), the message.
#include <fcntl.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/handle_channel.h"
#include "base/unique_fd.h"
#include "tests/fuzz/require.h"

namespace sysmem::fuzz {
namespace {

std::vector<base::UniqueFd> SomeDescriptors(size_t count) {
  static const base::UniqueFd kNull(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  std::vector<base::UniqueFd> descriptors;
  for (size_t i = 0; i < count; ++i) descriptors.push_back(base::Dup(kNull));
  return descriptors;
}

void Receive(uint8_t circumstances, std::span<const uint8_t> message) {
  const auto sender = (circumstances & 1) != 0 ? base::HandleMessageSender::kClient
                                               : base::HandleMessageSender::kDaemon;
  const size_t count = circumstances >> 1;
  std::vector<base::UniqueFd> descriptors = SomeDescriptors(count);
  const std::span<const std::byte> bytes = std::as_bytes(message);
  auto decoded = base::DecodeHandleMessage(sender, bytes, descriptors);
  if (!decoded.ok()) {
    Require(descriptors.size() == count, "a refused message leaves its descriptors");
    return;
  }
  Require(descriptors.empty() && decoded->descriptors.size() == count,
          "an accepted message takes its descriptors");
  auto encoded = base::EncodeHandleMessage(*decoded);
  Require(encoded.ok(), "what is accepted can be sent");
  Require(std::equal(bytes.begin(), bytes.end(), encoded->begin(), encoded->end()),
          "a message is written in one way only");
}

}  // namespace
}  // namespace sysmem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0) sysmem::fuzz::Receive(data[0], {data + 1, size - 1});
  return 0;
}
