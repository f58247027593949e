// SPDX-License-Identifier: Apache-2.0
//
// sysmem-demo-decoder: see decoder.h.
#include "tools/demo/decoder.h"

int main(int argc, char** argv) {
  using namespace sysmem::demo;
  const ParsedOptions parsed = ParseParticipant(argc, argv, Role::kDecoder);
  if (!parsed.options) return parsed.exit_code;
  return Conclude(Role::kDecoder, Decoder(*parsed.options).Run());
}
