// SPDX-License-Identifier: Apache-2.0
//
// sysmem-heap-provider: a sample of a program that serves a heap. See sysmem-heap-provider(1).
//
// Written against the public interface alone, to be copied. What there is to a provider is in this
// file: connect, serve, dispatch until told to end. What the heap is made of is in pool.h.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <optional>
#include <string>
#include <sysmem/sysmem.hpp>
#include <utility>

#include "tools/heap_provider/pool.h"
#include "tools/heap_provider/text.h"

namespace sysmem::heap_provider {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kDefaultBytes = 64 << 20;
constexpr uint64_t kMostBytes = uint64_t{1} << 50;  // far beyond any, and far from overflow

enum ExitCode { kDone = 0, kFailed = 1, kUsage = 2, kUnreachable = 3, kForbidden = 6 };

struct Options {
  std::string socket;
  std::string heap = "linux.sample.sysmem.heap.HEAP_TYPE.POOL";
  uint64_t id = 0;
  uint64_t bytes = 0;
  std::string file;
};

int Complain(const Failure& failure) {
  std::cerr << "sysmem-heap-provider: " << failure.ToString() << "\n";
  if (failure.status == Status::kUnreachable) return kUnreachable;
  return failure.error == Error::kHandleAccessDenied ? kForbidden : kFailed;
}
int Complain(const std::string& what) {
  std::cerr << "sysmem-heap-provider: " << what << "\n";
  return kFailed;
}

// Signals that ask for the end, to be read from a descriptor.
UniqueFd EndSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC));
}

// Until a signal asks for the end, or the session is over.
int Serve(Client& client, const UniqueFd& signals, const std::optional<Failure>& closed) {
  while (true) {
    const Result<size_t> dispatched = client.Dispatch();
    if (closed) return Complain(*closed);
    if (!dispatched.ok()) return Complain(dispatched.failure());
    // As long as there is work it does not wait, but looks for a signal all the same.
    const int timeout = *dispatched > 0 ? 0 : -1;
    std::array<pollfd, 2> polled{{{client.fd(), POLLIN, 0}, {signals.get(), POLLIN, 0}}};
    if (::poll(polled.data(), polled.size(), timeout) < 0 && errno != EINTR) {
      return Complain(std::string("poll: ") + std::strerror(errno));
    }
    if (polled[1].revents != 0) return kDone;
  }
}

int Run(const Options& options, uint64_t bytes, UniqueFd content) {
  const UniqueFd signals = EndSignals();  // before the library starts threads
  Result<Client> client = Client::Connect(
      {.path = options.socket.empty() ? std::nullopt : std::optional(options.socket),
       .debug_name = "sysmem-heap-provider"});
  if (!client.ok()) return Complain(client.failure());

  const bool has_content = static_cast<bool>(content);
  Pool pool(bytes, std::move(content), std::cout);
  std::optional<Failure> closed;
  Result<ServedHeap> heap =
      client->ServeHeap(options.heap, options.id, {.cpu_domain = true, .ram_domain = true},
                        {.allocate = [&](HeapAllocation call) { pool.Allocate(std::move(call)); },
                         .take_back = [&](HeapDeletion call) { pool.TakeBack(std::move(call)); },
                         .closed = [&](const Failure& why) { closed = why; },
                         .refused = [](const Failure& why) { Complain(why); }});
  if (!heap.ok()) return Complain(heap.failure());
  std::cout << "serving " << options.heap << " " << options.id << ": " << SizeText(bytes)
            << (has_content ? " of " + options.file : " of zeros") << ", at " << client->path()
            << std::endl;
  return Serve(*client, signals, closed);
}

// The size of the pool, and the file behind it. An error text, or empty.
std::string Prepare(const Options& options, uint64_t& bytes, UniqueFd& content) {
  bytes = options.bytes;
  if (!options.file.empty()) {
    content.reset(::open(options.file.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (!content || ::fstat(content.get(), &status) != 0) {
      return options.file + ": " + std::strerror(errno);
    }
    if (bytes == 0) bytes = static_cast<uint64_t>(status.st_size);
  }
  if (bytes == 0) bytes = kDefaultBytes;
  if (bytes > kMostBytes) return "--size: at most " + SizeText(kMostBytes);
  bytes += (kPage - bytes % kPage) % kPage;
  return "";
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Serves a heap: a pool of memory of fixed size, for collections that permit it by its name.",
      "sysmem-heap-provider");
  app.add_option("--socket", options.socket,
                 "The daemon's socket (default: $SYSMEM_SOCKET, the user's own, the system's)")
      ->type_name("PATH");
  app.add_option("--heap", options.heap, "Type of the heap, by which participants permit it")
      ->capture_default_str()
      ->type_name("NAME");
  app.add_option("--id", options.id, "Tells heaps of one type apart")->capture_default_str();
  app.add_option("--size", options.bytes,
                 "Size of the pool, as 64MiB (default: that of --file, else 64MiB)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->type_name("SIZE");
  app.add_option("--file", options.file,
                 "Fill the pool with this: the first buffer begins with the first bytes of the "
                 "file, and so on")
      ->type_name("FILE")
      ->check(CLI::ExistingFile);
  app.footer(
      "Exit status: 0 ended by SIGINT or SIGTERM, 1 failed, 2 usage, 3 daemon unreachable,\n"
      "6 this user may not serve heaps (see --heap-providers in sysmemd(8)).");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& outcome) {  // --help is such an outcome too
    return app.exit(outcome) == 0 ? kDone : kUsage;
  }
  uint64_t bytes = 0;
  UniqueFd content;
  if (const std::string error = Prepare(options, bytes, content); !error.empty()) {
    return Complain(error);
  }
  return Run(options, bytes, std::move(content));
}

}  // namespace
}  // namespace sysmem::heap_provider

int main(int argc, char** argv) { return sysmem::heap_provider::Main(argc, argv); }
