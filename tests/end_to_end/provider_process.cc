// SPDX-License-Identifier: Apache-2.0
#include "tests/end_to_end/provider_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "tests/end_to_end/participants.h"

namespace sysmem::testing {
namespace {

constexpr char kServing[] = "serving";
constexpr char kTakenBack[] = "taken back";
constexpr char kEnd[] = "end";
constexpr char kEnded[] = "ended";

}  // namespace

Manner Honest(const std::string& text) {
  return [text](sysmem::HeapAllocation call) {
    EXPECT_EQ(::pwrite(call.offered_fd(), text.data(), text.size(), 0),
              static_cast<ssize_t>(text.size()));
    SYSMEM_EXPECT_OK(std::move(call).GiveOffered());
  };
}

Manner GivesItsOwn(uint64_t bytes) {
  return [bytes](sysmem::HeapAllocation call) {
    sysmem::UniqueFd own(::memfd_create("own", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(::ftruncate(own.get(), static_cast<off_t>(bytes)), 0);
    SYSMEM_EXPECT_OK(std::move(call).Give(std::move(own)));
  };
}

Manner GivesAPipe() {
  return [](sysmem::HeapAllocation call) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const sysmem::UniqueFd other(ends[1]);
    SYSMEM_EXPECT_OK(std::move(call).Give(sysmem::UniqueFd(ends[0])));
  };
}

Manner Refuses(const std::string& why) {
  return [why](sysmem::HeapAllocation call) { SYSMEM_EXPECT_OK(std::move(call).Refuse(why)); };
}

Manner Hangs() {
  const auto kept = std::make_shared<std::vector<sysmem::HeapAllocation>>();
  return [kept](sysmem::HeapAllocation call) { kept->push_back(std::move(call)); };
}

DaemonOptions WithProviders() {
  return {.arguments = {"--heap-providers", std::to_string(kClientUid)}};
}

void ServeUntilTold(ControlChannel& test, sysmem::Client& client, const std::string& heap,
                    const Manner& manner) {
  auto served = client.ServeHeap(heap, 0, {.cpu_domain = true},
                                 {.allocate = manner,
                                  .take_back =
                                      [&test](sysmem::HeapDeletion call) {
                                        SYSMEM_EXPECT_OK(std::move(call).Finish());
                                        test.Send(kTakenBack);
                                      }},
                                 Patience());
  SYSMEM_ASSERT_OK(served);
  test.Send(kServing);
  DispatchUntilTold(test, client);
  served->Reset();
  SYSMEM_EXPECT_OK(client.Roundtrip(Patience()));
  test.Send(kEnded);
  test.ReceiveOneDay();
}

void DispatchUntilTold(ControlChannel& test, sysmem::Client& client,
                       const std::function<void()>& idle) {
  while (true) {
    auto dispatched = client.Dispatch();
    SYSMEM_ASSERT_OK(dispatched);
    if (*dispatched > 0) continue;
    if (idle) idle();
    std::array<pollfd, 2> polled{{{client.fd(), POLLIN, 0}, {test.socket().get(), POLLIN, 0}}};
    ASSERT_GT(::poll(polled.data(), polled.size(), -1), 0);
    if (polled[1].revents != 0) break;
  }
  test.Expect(kEnd);
}

ProviderProcess::ProviderProcess(const DaemonProcess& daemon, const Manner& manner,
                                 const std::string& heap, uid_t uid)
    : process_(uid, [&](ControlChannel& test) {
        sysmem::Client client = ConnectOrDie(daemon.socket_path());
        ServeUntilTold(test, client, heap, manner);
      }) {
  process_.control().Expect(kServing);
}

void ProviderProcess::Stop() {
  process_.control().Send(kEnd);
  for (std::string said; said != kEnded;) {
    said = process_.control().Receive().text;
    ASSERT_TRUE(said == kEnded || said == kTakenBack) << said;
    taken_back_ += said == kTakenBack ? 1 : 0;
  }
}

void ProviderProcess::AwaitTakenBack(size_t count) {
  for (; taken_back_ < count; ++taken_back_) process_.control().Expect(kTakenBack);
}

sysmem::Constraints NeedsOf(const std::string& heap, uint32_t count, uint64_t bytes) {
  sysmem::Constraints needs = WriterNeeds(count, bytes);
  needs.memory->permitted_heaps = {{sysmem::HeapChoice{.heap_type = heap}}};
  return needs;
}

}  // namespace sysmem::testing
