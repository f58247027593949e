// SPDX-License-Identifier: Apache-2.0
//
// A program that inherits a token: joins as a reader and prints the memory it gets.
//
//   token_participant SOCKET TOKEN_DESCRIPTOR
#include <cstdio>
#include <cstdlib>

#include "tests/end_to_end/participants.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  sysmem::Client client = sysmem::testing::ConnectOrDie(argv[1]);
  auto joined = client.Join(sysmem::UniqueFd(std::atoi(argv[2])), sysmem::testing::ReaderNeeds(),
                            sysmem::testing::Patience());
  if (!joined.ok()) {
    std::printf("%s\n", joined.failure().text.c_str());
    return 1;
  }
  std::printf("%s", sysmem::testing::NameMemory(joined->buffers).c_str());
  return 0;
}
