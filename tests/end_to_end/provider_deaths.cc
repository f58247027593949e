// SPDX-License-Identifier: Apache-2.0
#include "tests/end_to_end/provider_deaths.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/seqpacket.h"
#include "base/unix_socket.h"
#include "tests/end_to_end/message_boundaries.h"
#include "tests/end_to_end/observer.h"
#include "tests/end_to_end/participants.h"
#include "tests/end_to_end/provider_process.h"
#include "tests/support/eventually.h"

namespace sysmem::testing {
namespace {

constexpr char kServing[] = "serving";
constexpr char kEnd[] = "end";
constexpr int kRounds = 2;

// ---- The provider -------------------------------------------------------------------------------

// Answers some calls at once and others when the next one comes.
class FickleProvider {
 public:
  explicit FickleProvider(uint64_t seed) : random_(seed) {}

  sysmem::HeapListener Listener() {
    return {.allocate =
                [this](sysmem::HeapAllocation call) {
                  allocations_.push_back(std::move(call));
                  AnswerSome();
                },
            .take_back =
                [this](sysmem::HeapDeletion call) {
                  deletions_.push_back(std::move(call));
                  AnswerSome();
                }};
  }
  void AnswerAll() {
    for (auto& call : std::exchange(allocations_, {})) {
      static_cast<void>(std::move(call).GiveOffered());
    }
    for (auto& call : std::exchange(deletions_, {})) static_cast<void>(std::move(call).Finish());
  }

 private:
  void AnswerSome() {
    if (random_() % 3 > 0) AnswerAll();
  }

  std::mt19937_64 random_;
  std::vector<sysmem::HeapAllocation> allocations_;
  std::vector<sysmem::HeapDeletion> deletions_;
};

void LiveAndDie(ControlChannel& test, const std::string& path, uint64_t seed, uint64_t boundary) {
  DieAtBoundary(boundary, test.socket().get());
  sysmem::Client client = ConnectOrDie(path);
  FickleProvider provider(seed);
  auto served =
      client.ServeHeap(kProvidedHeap, 0, {.cpu_domain = true, .need_clear = seed % 2 == 0},
                       provider.Listener(), Patience());
  SYSMEM_ASSERT_OK(served);
  test.Send(kServing);
  DispatchUntilTold(test, client, [&] { provider.AnswerAll(); });
  test.Send(std::to_string(BoundariesPassed()));
}

// What a provider says next; nothing if it has died.
std::optional<std::string> HearFrom(ClientProcess& provider) {
  const base::UniqueFd& socket = provider.control().socket();
  auto readable = base::WaitReadable(socket, kPatience);
  EXPECT_TRUE(readable.ok() && *readable) << "a provider neither serves nor dies";
  std::array<char, 32> text{};
  auto received = base::Receive(socket, std::as_writable_bytes(std::span(text)));
  if (!received.ok() || received->outcome != base::ReceiveOutcome::kMessage) return std::nullopt;
  return std::string(text.data(), received->size);
}

// ---- Its client ---------------------------------------------------------------------------------

// What works as long as there is a daemon; without one nothing here does.
template <typename T>
T OrDie(sysmem::Result<T> result) {
  if (result.ok()) return *std::move(result);
  std::cerr << result.failure().text << std::endl;
  std::abort();
}

// One client of the heap, through one provider's life.
class HeapUser {
 public:
  HeapUser(sysmem::Client& client, uint64_t seed) : client_(client), random_(seed) {}

  // Wants collections of the heap, and lets go of some that it gets, in whatever order.
  void Allocate() {
    for (int round = 0; round < kRounds; ++round) {
      std::vector<Wanted> wanted;
      for (int i = 0; i < 2; ++i) wanted.push_back(Want());
      ExpectServed(client_);
      for (Wanted& one : wanted) Finish(std::move(one));
      if (!held_.empty() && random_() % 2 == 0) held_.erase(held_.begin());
    }
    SYSMEM_EXPECT_OK(client_.Roundtrip(Patience()));
  }

  // After the provider's death.
  void ExpectItsOwnAreClosed() {
    for (Held& held : held_) {
      EXPECT_TRUE(AwaitReadable(held.closed.get())) << "a collection on the heap goes on";
      if (!held.buffers) continue;
      for (size_t i = 0; i < held.buffers->count(); ++i) {
        EXPECT_EQ(::pwrite((*held.buffers)[i].fd, "x", 1, 0), 1) << "who has it keeps it";
      }
    }
    auto late = Want();
    EXPECT_FALSE(late.wait.Finish(Patience()).ok()) << "nobody serves this heap";
  }

 private:
  struct Held {
    sysmem::Collection collection;
    sysmem::UniqueFd closed;
    std::optional<sysmem::Buffers> buffers;
  };
  struct Wanted {
    Held held;
    sysmem::PendingWait wait;
  };

  Wanted Want() {
    sysmem::Collection collection = OrDie(client_.CreateNonSharedCollection());
    sysmem::UniqueFd closed = OrDie(collection.ClosedFd());
    const auto count = static_cast<uint32_t>(1 + random_() % 3);
    SYSMEM_EXPECT_OK(collection.SetConstraints(NeedsOf(kProvidedHeap, count)));
    sysmem::PendingWait wait = OrDie(collection.StartWait(Patience()));
    return {{std::move(collection), std::move(closed), std::nullopt}, std::move(wait)};
  }

  void Finish(Wanted wanted) {
    EXPECT_TRUE(AwaitReadable(wanted.wait.fd())) << "a wait that nobody ends";
    auto buffers = wanted.wait.Finish(Patience());
    if (buffers.ok()) wanted.held.buffers = *std::move(buffers);
    held_.push_back(std::move(wanted.held));
  }

  sysmem::Client& client_;
  std::mt19937_64 random_;
  std::vector<Held> held_;
};

void UseHeaps(ControlChannel& test, const std::string& path) {
  sysmem::Client client = ConnectOrDie(path);
  test.Send("here");
  while (true) {
    const std::string word = test.ReceiveOneDay().text;
    if (word == kEnd) return;
    {
      HeapUser user(client, std::stoull(word));
      auto ram = client.CreateNonSharedCollection();
      SYSMEM_ASSERT_OK(ram);
      SYSMEM_EXPECT_OK(ram->SetConstraints(WriterNeeds(1, 4096)));
      auto buffers = ram->Wait(Patience());
      SYSMEM_ASSERT_OK(buffers);
      user.Allocate();
      test.Send("allocated");
      test.Expect("it is dead");
      user.ExpectItsOwnAreClosed();
      SYSMEM_EXPECT_OK(ram->Sync(Patience()));
      EXPECT_FALSE(ram->is_closed()) << "a collection on another heap";
    }
    SYSMEM_EXPECT_OK(client.Roundtrip(Patience()));
    ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << word;
    test.Send("clean");
  }
}

// Somebody who has nothing to do with the heap.
void StandBy(ControlChannel& test, const std::string& path) {
  sysmem::Client client = ConnectOrDie(path);
  auto collection = client.CreateNonSharedCollection();
  SYSMEM_ASSERT_OK(collection);
  SYSMEM_EXPECT_OK(collection->SetConstraints(WriterNeeds(2, 4096)));
  auto buffers = collection->Wait(Patience());
  SYSMEM_ASSERT_OK(buffers);
  test.Send("here");
  while (test.ReceiveOneDay().text != kEnd) {
    ExpectServed(client);
    SYSMEM_EXPECT_OK(collection->Sync(Patience()));
    test.Send("served");
  }
}

// ---- The test -----------------------------------------------------------------------------------

class Deaths {
 public:
  Deaths()
      : observer_(daemon_),
        user_(kOtherClientUid,
              [this](ControlChannel& test) { UseHeaps(test, daemon_.socket_path()); }),
        bystander_(kBystanderUid,
                   [this](ControlChannel& test) { StandBy(test, daemon_.socket_path()); }) {
    user_.control().Expect("here");
    bystander_.control().Expect("here");
  }
  ~Deaths() {
    user_.control().Send(kEnd);
    user_.ExpectSuccess();
    bystander_.control().Send(kEnd);
    bystander_.ExpectSuccess();
  }

  // How many boundaries a provider has that nobody ends. What is made on first use is made.
  uint64_t CountBoundaries() {
    uint64_t most = 0;
    for (uint64_t seed = 0; seed < 3; ++seed) {
      ClientProcess provider = Start(seed, kNoBoundary);
      EXPECT_EQ(HearFrom(provider), kServing);
      user_.control().Send(std::to_string(seed));
      user_.control().Expect("allocated");
      provider.control().Send(kEnd);
      most = std::max<uint64_t>(most, std::stoull(provider.control().Receive().text));
      provider.Kill();
      Learn();
    }
    return most;
  }
  void TakeBaseline() {
    observer_.TakeBaseline(kSessions, kNodes);
    watches_ = daemon_.process().InotifyWatchCount();
  }
  void ExpectBackToBaseline() {
    observer_.ExpectBackToBaseline();
    EXPECT_EQ(daemon_.process().InotifyWatchCount(), watches_);
  }

  // True if it died by itself, not by our hand after everything.
  bool Run(uint64_t seed, uint64_t boundary) {
    ClientProcess provider = Start(seed, boundary);
    HearFrom(provider);
    user_.control().Send(std::to_string(seed));
    bystander_.control().Send("serve");
    user_.control().Expect("allocated");
    bystander_.control().Expect("served");
    pollfd ended{provider.process().pidfd().get(), POLLIN, 0};
    const bool by_itself = ::poll(&ended, 1, 0) == 1;
    provider.Kill();
    Learn();
    return by_itself;
  }

 private:
  static constexpr uid_t kBystanderUid = 61004;
  static constexpr uint64_t kSessions = 3;  // the observer's, the user's and the bystander's
  static constexpr uint64_t kNodes = 1;     // the bystander's

  ClientProcess Start(uint64_t seed, uint64_t boundary) {
    return ClientProcess(kClientUid, [this, seed, boundary](ControlChannel& test) {
      LiveAndDie(test, daemon_.socket_path(), seed, boundary);
    });
  }
  // The provider is dead, and the daemon knows.
  void Learn() {
    EXPECT_TRUE(Eventually([&] { return observer_.Take().sessions == kSessions; }));
    user_.control().Send("it is dead");
    user_.control().Expect("clean");
  }

  DaemonProcess daemon_{WithProviders()};
  Observer observer_;
  ClientProcess user_;
  ClientProcess bystander_;
  uint64_t watches_ = 0;
};

}  // namespace

void ExpectDeathsHarmNobodyElse(uint64_t schedules) {
  Deaths deaths;
  const uint64_t boundaries = deaths.CountBoundaries();
  EXPECT_GT(boundaries, 50u) << "messages are not counted";
  deaths.TakeBaseline();
  uint64_t died = 0;
  for (uint64_t seed = 0; seed < schedules; ++seed) {
    const uint64_t boundary = std::mt19937_64(seed)() % boundaries;
    SCOPED_TRACE("seed " + std::to_string(seed) + ", boundary " + std::to_string(boundary));
    died += deaths.Run(seed, boundary) ? 1 : 0;
    deaths.ExpectBackToBaseline();
    if (::testing::Test::HasFailure()) return;
  }
  std::cout << "providers: " << died << " of " << schedules << " died at one of " << boundaries
            << " boundaries, the others when all was done\n";
  EXPECT_GT(died, schedules / 2);
}

}  // namespace sysmem::testing
