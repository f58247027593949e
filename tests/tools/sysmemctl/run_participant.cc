// SPDX-License-Identifier: Apache-2.0
//
// What tests let `sysmemctl run` start: a participant of a pipeline.
//
//   run_participant write TEXT     joins, writes TEXT to the first buffer, and prints its index
//   run_participant upper          joins, reads an index, makes what is in that buffer upper case,
//                                  and prints the index
//   run_participant read           joins, reads an index, and prints what is in that buffer
//   run_participant take           takes the token twice, and prints what came of it both times
//
// All end with 0, or with 1 and the reason on standard error.
#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstring>
#include <iostream>
#include <string>
#include <sysmem/sysmem.hpp>

namespace sysmem {
namespace {

constexpr std::chrono::seconds kPatience(30);

int Complain(const Failure& failure) {
  std::cerr << failure.ToString() << "\n";
  return 1;
}

Constraints Needs() {
  return {.usage = Usage{.cpu = SYSMEM_CPU_USAGE_READ | SYSMEM_CPU_USAGE_WRITE},
          .min_buffer_count_for_camping = 1,
          .memory = MemoryConstraints{.min_size_bytes = 4096}};
}

Result<void> Work(const std::string& what, const std::string& text, Joined& joined) {
  size_t index = 0;
  if (what != "write") std::cin >> index;
  auto mapping = joined.buffers.Map(index, SYSMEM_ACCESS_READ | SYSMEM_ACCESS_WRITE);
  if (!mapping.ok()) return mapping.failure();
  auto access = mapping->Access(SYSMEM_ACCESS_READ | SYSMEM_ACCESS_WRITE);
  if (!access.ok()) return access.failure();
  auto* const bytes = reinterpret_cast<char*>(mapping->data());
  if (what == "write") std::strcpy(bytes, text.c_str());
  if (what == "upper") {
    std::transform(bytes, bytes + std::strlen(bytes), bytes,
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  }
  const std::string found = bytes;
  if (Result<void> ended = access->End(); !ended.ok()) return ended;
  std::cout << (what == "read" ? found : std::to_string(index)) << std::endl;
  return {};
}

int Take() {
  for (int i = 0; i < 2; ++i) {
    const Result<UniqueFd> fd = Client::TokenFdFromEnvironment();
    std::cout << (fd.ok() ? "a token" : fd.failure().text) << std::endl;
  }
  return 0;
}

int Main(const std::string& what, const std::string& text) {
  if (what == "take") return Take();
  auto client = Client::Connect();
  if (!client.ok()) return Complain(client.failure());
  auto token = Client::TokenFdFromEnvironment();
  if (!token.ok()) return Complain(token.failure());
  auto joined = client->Join(*std::move(token), Needs(), kPatience);
  if (!joined.ok()) return Complain(joined.failure());
  const Result<void> done = Work(what, text, *joined);
  return done.ok() ? 0 : Complain(done.failure());
}

}  // namespace
}  // namespace sysmem

int main(int argc, char** argv) {
  return sysmem::Main(argc > 1 ? argv[1] : "", argc > 2 ? argv[2] : "");
}
