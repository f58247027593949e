// SPDX-License-Identifier: Apache-2.0
//
// SIGKILL to each of three participants at each step of its life: the others learn of it as an
// event, the daemon keeps nothing, and the next negotiation works.
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/end_to_end/observer.h"
#include "tests/end_to_end/participants.h"

namespace sysmem::testing {
namespace {

constexpr size_t kParticipants = 3;  // the first begins the collection and writes
constexpr uint32_t kBuffers = 4;
constexpr uint64_t kBytes = 64 << 10;

enum class Step { kConnected, kTokenHeld, kBound, kConstrained, kWaiting, kStreaming };
using Pause = std::optional<Step>;

const char* NameOf(Step step) {
  constexpr std::array kNames = {"AfterConnect",       "WithATokenHeld", "Bound",
                                 "WithConstraintsSet", "Waiting",        "Streaming"};
  return kNames[static_cast<size_t>(step)];
}

uid_t UidOf(size_t index) { return index == 1 ? kOtherClientUid : kClientUid; }

// One participant's life, which stops at `pause`.
class Participant {
 public:
  Participant(ControlChannel& test, const std::string& path, size_t index, Pause pause)
      : test_(test), index_(index), pause_(pause), client_(ConnectOrDie(path)) {}

  void Live() {
    if (PausesAt(Step::kConnected)) return;
    std::optional<sysmem::Token> token = index_ == 0 ? BeginCollection() : ReceiveToken();
    if (!token || PausesAt(Step::kTokenHeld)) return;
    auto bound = std::move(*token).Bind();
    SYSMEM_ASSERT_OK(bound);
    sysmem::Collection collection = *std::move(bound);
    auto closed = collection.ClosedFd();
    SYSMEM_ASSERT_OK(closed);
    SYSMEM_EXPECT_OK(client_.Roundtrip(Patience()));
    if (PausesAt(Step::kBound)) return AwaitClosure(collection, *closed);
    SYSMEM_EXPECT_OK(
        collection.SetConstraints(index_ == 0 ? WriterNeeds(kBuffers - 2, kBytes) : ReaderNeeds()));
    SYSMEM_EXPECT_OK(client_.Roundtrip(Patience()));
    if (PausesAt(Step::kConstrained)) return;
    Stream(collection, *closed);
  }

 private:
  // Says that this is the place, and whether to go on somewhere else: told so, or killed.
  bool PausesAt(Step step) {
    if (pause_ != step) return false;
    test_.Send("paused");
    test_.Receive();
    return true;
  }

  std::optional<sysmem::Token> BeginCollection() {
    auto token = client_.CreateToken();
    if (!token.ok()) ADD_FAILURE() << token.failure().text;
    for (size_t i = 1; i < kParticipants; ++i) {
      auto child = token->DuplicateExported();
      if (!child.ok()) ADD_FAILURE() << child.failure().text;
      test_.Send("token", FromLibrary(*std::move(child)));
    }
    return *std::move(token);
  }

  std::optional<sysmem::Token> ReceiveToken() {
    Word word = test_.Receive();
    if (word.text == "none") return std::nullopt;
    auto token = client_.ImportToken(ForLibrary(word.TakeDescriptor()));
    if (!token.ok()) ADD_FAILURE() << token.failure().text;
    SYSMEM_EXPECT_OK(client_.Roundtrip(Patience()));
    return *std::move(token);
  }

  void Stream(sysmem::Collection& collection, const sysmem::UniqueFd& closed) {
    auto wait = collection.StartWait(Patience());
    SYSMEM_ASSERT_OK(wait);
    SYSMEM_EXPECT_OK(client_.Roundtrip(Patience()));
    test_.Send("waiting");
    if (PausesAt(Step::kWaiting)) return;
    EXPECT_TRUE(AwaitReadable(wait->fd()));
    auto buffers = wait->Finish(Patience());
    if (!buffers.ok()) {  // somebody died first
      EXPECT_EQ(buffers.failure().status, sysmem::Status::kClosed) << buffers.failure().text;
      return AwaitClosure(collection, closed);
    }
    EXPECT_EQ(buffers->count(), kBuffers);
    if (index_ == 0) WritePattern(*buffers, 0, 3);
    test_.Send(NameMemory(*buffers));
    if (PausesAt(Step::kStreaming)) return;
    const std::string next = test_.Receive().text;
    if (next == "leave") return;
    AwaitClosure(collection, closed);
    // What was negotiated outlives the negotiation.
    if (next == "go and look") {
      EXPECT_TRUE(HasPattern(*buffers, 0, 3));
    }
  }

  void AwaitClosure(sysmem::Collection& collection, const sysmem::UniqueFd& closed) {
    EXPECT_TRUE(AwaitReadable(closed.get()));
    EXPECT_TRUE(collection.is_closed());
    SYSMEM_EXPECT_STATUS(collection.Sync(Patience()), sysmem::Status::kClosed);
    test_.Send("learned");
  }

  ControlChannel& test_;
  const size_t index_;
  const Pause pause_;
  sysmem::Client client_;
};

class Killed : public ::testing::TestWithParam<Step> {
 protected:
  void SetUp() override { ASSERT_TRUE(daemon_.ready()); }

  // Processes of one negotiation; tokens wait here until they are passed on.
  struct Round {
    std::vector<ClientProcess> processes;
    std::vector<base::UniqueFd> tokens;  // [i] is for participant i + 1
  };

  Round Begin(const std::array<Pause, kParticipants>& pauses) {
    Round round;
    for (size_t i = 0; i < kParticipants; ++i) {
      round.processes.emplace_back(UidOf(i), [this, i, &pauses](ControlChannel& test) {
        Participant(test, daemon_.socket_path(), i, pauses[i]).Live();
      });
    }
    if (pauses[0] == Step::kConnected) return round;
    for (size_t i = 1; i < kParticipants; ++i) {
      round.tokens.push_back(round.processes[0].control().Expect("token").TakeDescriptor());
    }
    for (size_t i = 1; i < kParticipants; ++i) {
      if (pauses[i] == Step::kConnected) continue;  // would not take it
      round.processes[i].control().Send("token", std::move(round.tokens[i - 1]));
    }
    return round;
  }

  void ExpectAGoodRound() {
    Round round = Begin({});
    std::vector<std::string> memory;
    for (ClientProcess& process : round.processes) process.control().Expect("waiting");
    for (ClientProcess& process : round.processes) {
      memory.push_back(process.control().Receive().text);
    }
    EXPECT_EQ(memory[0], memory[1]);
    EXPECT_EQ(memory[0], memory[2]);
    for (ClientProcess& process : round.processes) process.control().Send("leave");
    for (ClientProcess& process : round.processes) process.ExpectSuccess();
  }

  void KillOne(size_t victim, Step step) {
    std::array<Pause, kParticipants> pauses;
    pauses[victim] = step;
    // For somebody to wait, another must not have answered yet.
    const size_t withheld = (victim + 1) % kParticipants;
    if (step == Step::kWaiting) pauses[withheld] = Step::kBound;
    Round round = Begin(pauses);
    const bool streams = step == Step::kConstrained || step == Step::kStreaming;
    // Everybody gets as far as can be without the victim.
    for (size_t i = 0; i < kParticipants; ++i) {
      ControlChannel& control = round.processes[i].control();
      if (step == Step::kConnected && victim == 0 && i != 0) continue;  // has no token to go on
      if (i == victim) {
        if (step >= Step::kWaiting) control.Expect("waiting");
        if (step == Step::kStreaming) control.Receive();
        control.Expect("paused");
      } else if (pauses[i]) {
        control.Expect("paused");
      } else {
        control.Expect("waiting");
        if (streams) {
          EXPECT_FALSE(control.Receive().text.empty());
        }
      }
    }
    round.processes[victim].Kill();
    round.tokens.clear();  // the one that the victim did not take
    ExpectSurvivorsLearn(round, victim, step, streams);
  }

  static void ExpectSurvivorsLearn(Round& round, size_t victim, Step step, bool streams) {
    for (size_t i = 0; i < kParticipants; ++i) {
      if (i == victim) continue;
      ControlChannel& control = round.processes[i].control();
      if (step == Step::kConnected && victim == 0) {
        control.Send("none");
      } else {
        const bool withheld = step == Step::kWaiting && i == (victim + 1) % kParticipants;
        if (withheld || streams) {
          const bool is_written = streams && (victim != 0 || step == Step::kStreaming);
          control.Send(is_written ? "go and look" : "go");
        }
        control.Expect("learned");
      }
      round.processes[i].ExpectSuccess();
    }
  }

  DaemonProcess& daemon() { return daemon_; }

 private:
  DaemonProcess daemon_;
};

TEST_P(Killed, IsAnEventForTheOthersAndLeavesNothingBehind) {
  Observer observer(daemon());
  ExpectAGoodRound();  // so that what is made on first use is there
  observer.TakeBaseline();
  for (size_t victim = 0; victim < kParticipants; ++victim) {
    SCOPED_TRACE("the victim is participant " + std::to_string(victim));
    KillOne(victim, GetParam());
    observer.ExpectBackToBaseline();
    ExpectAGoodRound();
    observer.ExpectBackToBaseline();
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(AParticipant, Killed,
                         ::testing::Values(Step::kConnected, Step::kTokenHeld, Step::kBound,
                                           Step::kConstrained, Step::kWaiting, Step::kStreaming),
                         [](const auto& step) { return std::string(NameOf(step.param)); });

}  // namespace
}  // namespace sysmem::testing
