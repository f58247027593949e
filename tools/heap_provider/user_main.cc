// SPDX-License-Identifier: Apache-2.0
//
// sysmem-heap-user: takes buffers of one heap and shows what they begin with. The other half of the
// sample: how a participant asks for a heap that another program serves.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <limits>
#include <optional>
#include <string>
#include <sysmem/sysmem.hpp>
#include <utility>

namespace sysmem::heap_provider {
namespace {

using namespace std::chrono_literals;

constexpr size_t kShownBytes = 16;

enum ExitCode { kDone = 0, kFailed = 1, kUsage = 2, kUnreachable = 3 };

struct Options {
  std::string socket;
  std::string heap = "linux.sample.sysmem.heap.HEAP_TYPE.POOL";
  uint64_t id = 0;
  uint64_t bytes = 1 << 20;
  uint32_t count = 3;
  bool hold = false;
};

int Complain(const Failure& failure) {
  std::cerr << "sysmem-heap-user: " << failure.ToString() << "\n";
  return failure.status == Status::kUnreachable ? kUnreachable : kFailed;
}

Constraints Needs(const Options& options) {
  return {.usage = Usage{.cpu = SYSMEM_CPU_USAGE_READ},
          .min_buffer_count_for_camping = options.count,
          .memory = MemoryConstraints{
              .min_size_bytes = options.bytes,
              .permitted_heaps = {{HeapChoice{.heap_type = options.heap, .id = options.id}}}}};
}

Result<void> Show(const Buffers& buffers, size_t index) {
  Result<Mapping> mapping = buffers.Map(index, SYSMEM_ACCESS_READ);
  if (!mapping.ok()) return mapping.failure();
  const Result<CpuAccess> access = mapping->Access(SYSMEM_ACCESS_READ);
  if (!access.ok()) return access.failure();
  std::printf("buffer %zu begins with", index);
  for (size_t i = 0; i < std::min(kShownBytes, mapping->size()); ++i) {
    std::printf(" %02x", mapping->data()[i]);
  }
  std::printf("\n");
  return {};
}

int Run(const Options& options) {
  Result<Client> client = Client::Connect(
      {.path = options.socket.empty() ? std::nullopt : std::optional(options.socket),
       .debug_name = "sysmem-heap-user"});
  if (!client.ok()) return Complain(client.failure());
  Result<Collection> collection = client->CreateNonSharedCollection();
  if (!collection.ok()) return Complain(collection.failure());
  if (Result<void> set = collection->SetConstraints(Needs(options)); !set.ok()) {
    return Complain(set.failure());
  }
  const Result<Buffers> buffers = collection->Wait(10s);
  if (!buffers.ok()) return Complain(buffers.failure());
  std::printf("collection %llu: %zu buffers of %llu bytes from %s\n",
              static_cast<unsigned long long>(buffers->collection_id()), buffers->count(),
              static_cast<unsigned long long>(buffers->settings().raw_size_bytes),
              buffers->settings().heap_type);
  for (size_t i = 0; i < buffers->count(); ++i) {
    if (Result<void> shown = Show(*buffers, i); !shown.ok()) return Complain(shown.failure());
  }
  std::fflush(stdout);
  if (options.hold) std::cin.ignore(std::numeric_limits<std::streamsize>::max());
  return kDone;
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Takes buffers of one heap and shows what they begin with.", "sysmem-heap-user");
  app.add_option("--socket", options.socket,
                 "The daemon's socket (default: $SYSMEM_SOCKET, the user's own, the system's)")
      ->type_name("PATH");
  app.add_option("--heap", options.heap, "Type of the heap")
      ->capture_default_str()
      ->type_name("NAME");
  app.add_option("--id", options.id, "Tells heaps of one type apart")->capture_default_str();
  app.add_option("--size", options.bytes, "Size of each buffer, as 64KiB (default: 1MiB)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->type_name("SIZE");
  app.add_option("--count", options.count, "How many buffers")
      ->capture_default_str()
      ->check(CLI::Range(1, 128));
  app.add_flag("--hold", options.hold, "Keep them until standard input ends");
  app.footer("Exit status: 0 done, 1 failed, 2 usage, 3 daemon unreachable.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& outcome) {  // --help is such an outcome too
    return app.exit(outcome) == 0 ? kDone : kUsage;
  }
  return Run(options);
}

}  // namespace
}  // namespace sysmem::heap_provider

int main(int argc, char** argv) { return sysmem::heap_provider::Main(argc, argv); }
