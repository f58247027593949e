// SPDX-License-Identifier: Apache-2.0
//
// Heaps that other processes serve, well and badly: the daemon, the provider and whoever uses its
// memory are processes under uids of their own.
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/end_to_end/observer.h"
#include "tests/end_to_end/participants.h"
#include "tests/end_to_end/provider_process.h"

namespace sysmem::testing {
namespace {

constexpr uid_t kReaderUid = 61004;
constexpr uint64_t kBytes = 8192;
constexpr char kOtherHeap[] = "linux.test.sysmem.heap.HEAP_TYPE.OTHER";

// A collection of one participant, on a heap or on any (NULL).
sysmem::Collection Begin(sysmem::Client& client, const char* heap) {
  auto collection = client.CreateNonSharedCollection();
  EXPECT_TRUE(collection.ok());
  SYSMEM_EXPECT_OK(
      collection->SetConstraints(heap == nullptr ? WriterNeeds(1, kBytes) : NeedsOf(heap)));
  return *std::move(collection);
}

struct Had {
  sysmem::Collection collection;
  sysmem::Buffers buffers;
  bool IsWell() { return !collection.is_closed() && collection.Sync(Patience()).ok(); }
  void AwaitClosed() {
    auto closed = collection.ClosedFd();
    SYSMEM_ASSERT_OK(closed);
    EXPECT_TRUE(AwaitReadable(closed->get()));
  }
  std::string Text() const {
    std::array<char, 16> text{};
    EXPECT_GT(::pread(buffers[0].fd, text.data(), text.size() - 1, 0), 0);
    return text.data();
  }
};
Had Have(sysmem::Client& client, const char* heap) {
  sysmem::Collection collection = Begin(client, heap);
  auto buffers = collection.Wait(Patience());
  if (!buffers.ok()) {
    ADD_FAILURE() << buffers.failure().text;
    std::abort();
  }
  return {std::move(collection), *std::move(buffers)};
}
sysmem::Failure Lack(sysmem::Client& client, const char* heap) {
  auto buffers = Begin(client, heap).Wait(Patience());
  EXPECT_FALSE(buffers.ok());
  return buffers.ok() ? sysmem::Failure() : buffers.failure();
}
bool Mentions(const sysmem::Failure& failure, const std::string& part) {
  return failure.text.find(part) != std::string::npos;
}

class ProvidedHeaps : public ::testing::Test {
 protected:
  ProvidedHeaps() : daemon_(WithProviders()) {}
  void SetUp() override { ASSERT_TRUE(daemon_.ready()); }

  // A participant that plays the test's other side, word by word.
  ClientProcess Participant(uid_t uid, std::function<void(sysmem::Client&, ControlChannel&)> body) {
    return ClientProcess(uid, [this, body = std::move(body)](ControlChannel& test) {
      sysmem::Client client = ConnectOrDie(daemon_.socket_path());
      body(client, test);
    });
  }
  static void Tell(ClientProcess& process, const char* word) { process.control().Send(word); }

  DaemonProcess daemon_;
};

// Method: the provider writes into each buffer, one participant reads that and answers, the other
// sees the answer. When both have left, the provider has got each buffer back and the daemon has
// nothing of it.
TEST_F(ProvidedHeaps, ServeACollectionOfTwoParticipantsAndGetEverythingBack_EXT_6_EXT_7) {
  Observer observer(daemon_);
  ProviderProcess provider(daemon_, Honest("from the pool"));
  observer.TakeBaseline(/*sessions=*/2);
  const uint64_t watches = daemon_.process().InotifyWatchCount();
  ClientProcess writer = Participant(kOtherClientUid, [](auto& client, ControlChannel& test) {
    auto token = client.CreateToken();
    SYSMEM_ASSERT_OK(token);
    auto child = token->DuplicateExported();
    SYSMEM_ASSERT_OK(child);
    test.Send("token", FromLibrary(*std::move(child)));
    auto joined = std::move(*token).Join(NeedsOf(kProvidedHeap, 2, kBytes), Patience());
    SYSMEM_ASSERT_OK(joined);
    EXPECT_STREQ(joined->buffers.settings().heap_type, kProvidedHeap);
    EXPECT_EQ(joined->buffers.count(), 3u);
    EXPECT_TRUE(joined->buffers.settings().tells_holders_apart);
    Had had{std::move(joined->collection), std::move(joined->buffers)};
    EXPECT_EQ(had.Text(), "from the pool");
    WritePattern(had.buffers, 1, 5);
    test.Send(NameMemory(had.buffers));
    test.Expect("leave");
  });
  const bool enforced = IsRoot();  // of the test: the daemon and the reader are different users
  ClientProcess reader = Participant(kReaderUid, [enforced](auto& client, ControlChannel& test) {
    auto joined =
        client.Join(ForLibrary(test.Expect("token").TakeDescriptor()), ReaderNeeds(), Patience());
    SYSMEM_ASSERT_OK(joined);
    EXPECT_TRUE(joined->buffers.settings().read_only);
    EXPECT_EQ(joined->buffers.settings().read_only_enforced, enforced);
    test.Send(NameMemory(joined->buffers));
    test.Expect("written");
    EXPECT_TRUE(HasPattern(joined->buffers, 1, 5));
    test.Expect("leave");
  });
  reader.control().Send("token", writer.control().Expect("token").TakeDescriptor());
  const std::string memory = writer.control().Receive().text;
  EXPECT_EQ(reader.control().Receive().text, memory);
  Tell(reader, "written");
  Tell(writer, "leave");
  writer.ExpectSuccess();
  Tell(reader, "leave");
  reader.ExpectSuccess();
  provider.AwaitTakenBack(3);
  observer.ExpectBackToBaseline();
  EXPECT_EQ(daemon_.process().InotifyWatchCount(), watches);
  provider.Kill();
}

TEST_F(ProvidedHeaps, TakeThePlaceOfOneAnother_EXT_3) {
  ProviderProcess first(daemon_, Honest("first"));
  ClientProcess user = Participant(kOtherClientUid, [](auto& client, ControlChannel& test) {
    Had of_first = Have(client, kProvidedHeap);
    Had ram = Have(client, nullptr);
    test.Send("had");
    of_first.AwaitClosed();
    EXPECT_EQ(of_first.Text(), "first") << "who has it keeps it";
    test.Expect("replaced");
    Had of_second = Have(client, kProvidedHeap);
    EXPECT_EQ(of_second.Text(), "second");
    test.Send("had");
    test.Expect("the first has ended");
    EXPECT_TRUE(of_second.IsWell()) << "its provider is another one";
    EXPECT_EQ(Have(client, kProvidedHeap).Text(), "second");
    EXPECT_TRUE(ram.IsWell());
  });
  user.control().Expect("had");
  ProviderProcess second(daemon_, Honest("second"));
  Tell(user, "replaced");
  user.control().Expect("had");
  first.Stop();
  Tell(user, "the first has ended");
  user.ExpectSuccess();
}

// Stopped in order and killed, each with buffers in use and a call that nobody answers.
TEST_F(ProvidedHeaps, FailTheirOwnCollectionsAloneWhenTheyGo_EXT_4_EXT_5_EXT_H1_row_50) {
  Observer observer(daemon_);
  ProviderProcess other(daemon_, Honest("other"), kOtherHeap);
  observer.TakeBaseline(/*sessions=*/2);
  for (const bool killed : {false, true}) {
    SCOPED_TRACE(killed ? "killed" : "stopped");
    std::optional<ProviderProcess> provider;
    provider.emplace(daemon_, [honest = Honest("mine"), hangs = Hangs()](auto call) {
      call.size_bytes() > kBytes ? hangs(std::move(call)) : honest(std::move(call));
    });
    ClientProcess user = Participant(kOtherClientUid, [](auto& client, ControlChannel& test) {
      Had mine = Have(client, kProvidedHeap);
      Had others = Have(client, kOtherHeap);
      Had ram = Have(client, nullptr);
      sysmem::Collection hanging = *client.CreateNonSharedCollection();
      SYSMEM_EXPECT_OK(hanging.SetConstraints(NeedsOf(kProvidedHeap, 1, 2 * kBytes)));
      auto wait = hanging.StartWait(Patience());
      SYSMEM_ASSERT_OK(wait);
      SYSMEM_EXPECT_OK(client.Roundtrip(Patience()));
      test.Send("waiting");
      const auto outcome = wait->Finish(Patience());
      ASSERT_FALSE(outcome.ok());
      mine.AwaitClosed();
      EXPECT_EQ(mine.Text(), "mine") << "who has it keeps it";
      EXPECT_TRUE(others.IsWell());
      EXPECT_TRUE(ram.IsWell());
      EXPECT_FALSE(Lack(client, kProvidedHeap).text.empty());
      EXPECT_EQ(Have(client, kOtherHeap).Text(), "other");
      test.Send("learned");
      test.Expect("served again");
      EXPECT_EQ(Have(client, kProvidedHeap).Text(), "again");
    });
    user.control().Expect("waiting");
    killed ? provider->Kill() : provider->Stop();
    user.control().Expect("learned");
    {
      const ProviderProcess again(daemon_, Honest("again"));
      Tell(user, "served again");
      user.ExpectSuccess();
    }
    provider.reset();
    observer.ExpectBackToBaseline();
  }
}

TEST_F(ProvidedHeaps, ThatHangAreGivenUpAfterAWhileAndKeepNobodyElseWaiting) {
  const ProviderProcess hangs(daemon_, Hangs());
  const ProviderProcess other(daemon_, Honest("other"), kOtherHeap);
  ClientProcess user = Participant(kOtherClientUid, [](auto& client, ControlChannel&) {
    sysmem::Collection hanging = Begin(client, kProvidedHeap);
    auto wait = hanging.StartWait(Patience());
    SYSMEM_ASSERT_OK(wait);
    for (int i = 0; i < 20; ++i) {
      Have(client, nullptr);
      EXPECT_EQ(Have(client, kOtherHeap).Text(), "other");
    }
    auto outcome = wait->Finish(Patience());
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.failure().error, sysmem::Error::kNoMemory);
    EXPECT_TRUE(Mentions(outcome.failure(), "within 5000 ms (limit provider_answer)"))
        << outcome.failure().text;
    Have(client, kOtherHeap);
  });
  user.ExpectSuccess();
}

// A way to be a bad provider, and what whoever wants its memory is told.
struct Badness {
  const char* name;
  Manner manner;
  uid_t uid;
  const char* told;
};

class BadProvider : public ProvidedHeaps, public ::testing::WithParamInterface<Badness> {};

TEST_P(BadProvider, HurtsOnlyCollectionsOnItsOwnHeap) {
  if (GetParam().uid != kDaemonUid) SYSMEM_NEEDS_SEVERAL_UIDS();
  Observer observer(daemon_);
  ProviderProcess bad(daemon_, GetParam().manner, kProvidedHeap, GetParam().uid);
  ProviderProcess good(daemon_, Honest("good"), kOtherHeap);
  observer.TakeBaseline(/*sessions=*/3);
  ClientProcess user = Participant(kOtherClientUid, [](auto& client, ControlChannel&) {
    Had ram = Have(client, nullptr);
    Had goods = Have(client, kOtherHeap);
    for (int i = 0; i < 3; ++i) {
      const sysmem::Failure failure = Lack(client, kProvidedHeap);
      EXPECT_EQ(failure.error, sysmem::Error::kNoMemory) << "EXT-6";
      EXPECT_TRUE(Mentions(failure, GetParam().told)) << failure.text;
    }
    EXPECT_TRUE(ram.IsWell());
    EXPECT_TRUE(goods.IsWell());
    EXPECT_EQ(Have(client, kOtherHeap).Text(), "good");
    Have(client, nullptr);
  });
  user.ExpectSuccess();
  observer.ExpectBackToBaseline();
}

INSTANTIATE_TEST_SUITE_P(
    , BadProvider,
    ::testing::Values(
        Badness{"ThatGivesTooMuch", GivesItsOwn(3 * kBytes), kDaemonUid, "24576 bytes instead of"},
        Badness{"ThatGivesTooLittle", GivesItsOwn(0), kDaemonUid, "0 bytes instead of"},
        Badness{"ThatGivesAPipe", GivesAPipe(), kDaemonUid, "another kind than a memfd: pipe"},
        Badness{"ThatRefuses", Refuses("the pool is under water"), kDaemonUid,
                "the pool is under water"},
        Badness{"OfAnotherUserThatGivesMemoryOfItsOwn", GivesItsOwn(4096), kClientUid,
                "it has to fill and give back what it was offered"}),
    [](const auto& tried) { return std::string(tried.param.name); });

TEST(ProvidersWithoutPermission, AreRefused_EXT_1) {
  SYSMEM_NEEDS_SEVERAL_UIDS();
  DaemonProcess daemon;
  ASSERT_TRUE(daemon.ready());
  ClientProcess stranger(kClientUid, [&](ControlChannel&) {
    sysmem::Client client = ConnectOrDie(daemon.socket_path());
    auto served = client.ServeHeap(kProvidedHeap, 0, {.cpu_domain = true},
                                   {.allocate = Honest(), .take_back = [](auto) {}});
    ASSERT_FALSE(served.ok());
    EXPECT_EQ(served.failure().status, sysmem::Status::kRefused);
    EXPECT_EQ(served.failure().error, sysmem::Error::kHandleAccessDenied);
    SYSMEM_EXPECT_OK(client.Roundtrip(Patience()));
    Have(client, nullptr);
  });
  stranger.ExpectSuccess();
}

}  // namespace
}  // namespace sysmem::testing
