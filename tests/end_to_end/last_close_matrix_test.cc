// SPDX-License-Identifier: Apache-2.0
//
// Every way to hold a buffer, each for readers and writers, strong and weak: its end is noticed
// when the last one goes and not before.
//
// Method: a holder in a process of its own keeps nothing but what is tried. Everybody else lets go,
// so that the kernel announces closes and the daemon looks; then a call is answered that the daemon
// takes only after it has looked at all of them. What lives then lives because of the holder. No
// case waits for time to pass.
#include <signal.h>
#include <sys/wait.h>

#include <memory>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>

#include "tests/end_to_end/buffer_owner.h"
#include "tests/end_to_end/observer.h"
#include "tests/end_to_end/participants.h"
#include "tests/support/holding.h"

namespace sysmem::testing {
namespace {

enum class Access { kReadOnly, kWritable };
enum class Ending { kTold, kKilled, kStopped };

struct Way {
  const char* name;
  Hold hold = HoldAsDescriptor;
  Ending ending = Ending::kTold;
  // Opening a buffer anew takes the daemon's own uid. It makes a holder whom the daemon does not
  // know: he keeps the memory, but nobody's hand-out.
  bool untracked = false;
};
constexpr Way kWays[] = {
    {.name = "Descriptor", .hold = HoldAsDescriptor},
    {.name = "Duplicate", .hold = HoldAsDuplicate},
    {.name = "MappingOnly", .hold = HoldAsMapping},
    {.name = "DescriptorInFlight", .hold = HoldInFlight},
    {.name = "ForkedChild", .hold = HoldInAForkedChild},
    {.name = "ReopenedDescriptor", .hold = HoldOpenedAnew, .untracked = true},
    {.name = "FileRegisteredWithIoUring", .hold = HoldRegisteredWithIoUring},
    {.name = "ProcessThatIsKilled", .ending = Ending::kKilled},
    {.name = "ProcessThatIsStopped", .ending = Ending::kStopped},
};
void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }

// Joins, keeps the buffer in the one way only, lets go when told.
void HoldOne(ControlChannel& test, const std::string& path, Access access, Hold hold) {
  sysmem::Client client = ConnectOrDie(path);
  base::UniqueFd hand_out;
  {
    auto joined = client.Join(ForLibrary(test.Expect("token").TakeDescriptor()),
                              access == Access::kReadOnly ? ReaderNeeds(0) : WriterNeeds(0, 4096),
                              Patience());
    SYSMEM_ASSERT_OK(joined);
    hand_out = base::Dup(base::BorrowedFd(joined->buffers[0].fd));
  }
  const LetGo let_go = hold(std::move(hand_out));
  test.Send(let_go ? "holding" : "refused");
  if (!let_go) return;
  test.Expect("let go");
  let_go();
  test.Expect("end");  // not its death is what ends the hold
}

// One daemon for all cases: starting one is dear in the virtual machine. A new one after a failure.
struct World {
  World() : observer(daemon), owner(daemon) { observer.TakeBaseline(/*sessions=*/2); }
  DaemonProcess daemon;
  Observer observer;
  BufferOwner owner;
};

class EachHolder : public ::testing::TestWithParam<std::tuple<Way, Access, Strength>> {
 protected:
  void SetUp() override {
    if (!world_) world_ = std::make_unique<World>();
    ASSERT_TRUE(world_->daemon.ready());
  }
  void TearDown() override {
    if (HasFailure()) world_.reset();
  }
  static void TearDownTestSuite() { world_.reset(); }

  const Way& way() const { return std::get<Way>(GetParam()); }
  Access access() const { return std::get<Access>(GetParam()); }
  Strength strength() const { return std::get<Strength>(GetParam()); }
  bool keeps_it_strong() const { return strength() == Strength::kStrong && !way().untracked; }

  // False: the kernel refuses this way.
  bool Begin() {
    holder_ = std::make_unique<ClientProcess>(
        way().untracked ? kDaemonUid : kOtherClientUid, [this](ControlChannel& test) {
          HoldOne(test, world_->daemon.socket_path(), access(), way().hold);
        });
    holder_->control().Send("token", world_->owner.Share(strength()));
    buffer_ = world_->owner.Complete();
    const bool holds = holder_->control().Receive().text == "holding";
    world_->owner.Leave();
    return holds;
  }

  // What the daemon says of the only buffer now: who holds it.
  void ExpectHolders(size_t hand_outs) {
    const nlohmann::json shown = world_->observer.Ask(
        "ShowCollection", R"({"buffer_collection_id": ")" + buffer_.collection_id + "\"}");
    ASSERT_EQ(shown["buffers"].size(), 1u) << shown;
    const nlohmann::json& buffer = shown["buffers"][0];
    EXPECT_EQ(shown["summary"]["state"], "COLLECTION_STATE_OUTLIVED");
    EXPECT_EQ(buffer["state"],
              keeps_it_strong() ? "BUFFER_STATE_STRONG" : "BUFFER_STATE_WEAK_ONLY");
    EXPECT_EQ(buffer["holders"].size(), hand_outs) << buffer;
    size_t found = 0;
    for (const nlohmann::json& holder : buffer["holders"]) {
      if (Observer::Number(holder["given_to"], "pid") != uint64_t(holder_->process().pid()))
        continue;
      ++found;
      EXPECT_EQ(holder["weak"], strength() == Strength::kWeak);
      EXPECT_EQ(holder["read_only"], access() == Access::kReadOnly);
    }
    EXPECT_EQ(found, way().untracked ? 0u : 1u) << buffer;
  }

  // A stopped process holds on, even when it was told to let go.
  void Stop() {
    holder_->process().Signal(SIGSTOP);
    siginfo_t stopped{};
    ASSERT_EQ(::waitid(P_PID, holder_->process().pid(), &stopped, WSTOPPED | WNOWAIT), 0);
    holder_->control().Send("let go");
  }
  void LetGo() {
    if (way().ending == Ending::kKilled) return holder_->Kill();
    if (way().ending == Ending::kStopped) return holder_->process().Signal(SIGCONT);
    holder_->control().Send("let go");
  }
  void EndHolder() {
    if (!holder_->process().running()) return;
    holder_->control().Send("end");
    holder_->ExpectSuccess();
  }

  static std::unique_ptr<World> world_;
  std::unique_ptr<ClientProcess> holder_;
  SharedBuffer buffer_;
};
std::unique_ptr<World> EachHolder::world_;

TEST_P(EachHolder, KeepsTheBufferUntilItLetsGoAndNoLonger) {
  if (way().untracked) SYSMEM_NEEDS_SEVERAL_UIDS();
  if (!Begin()) {
    buffer_ = {};
    holder_->ExpectSuccess();
    GTEST_SKIP() << way().name << ": the kernel refuses it";
  }
  if (way().ending == Ending::kStopped) Stop();
  if (keeps_it_strong()) {
    world_->owner.Settle();
    EXPECT_FALSE(HasHungUp(buffer_.close_weak_asap));
    ExpectHolders(2);  // the other one is the test, weakly
    EXPECT_FALSE(HasHungUp(buffer_.lifetime));
    LetGo();
    EXPECT_TRUE(HangsUp(buffer_.close_weak_asap));
    world_->owner.Settle();
    EXPECT_FALSE(HasHungUp(buffer_.lifetime)) << "a weak hand-out is left";
    buffer_.weak.reset();
  } else {
    EXPECT_TRUE(HangsUp(buffer_.close_weak_asap));
    buffer_.weak.reset();
    world_->owner.Settle();
    ExpectHolders(way().untracked ? 0 : 1);
    EXPECT_FALSE(HasHungUp(buffer_.lifetime));
    LetGo();
  }
  EXPECT_TRUE(HangsUp(buffer_.lifetime));
  EndHolder();
  world_->observer.ExpectBackToBaseline();
}

INSTANTIATE_TEST_SUITE_P(
    , EachHolder,
    ::testing::Combine(::testing::ValuesIn(kWays),
                       ::testing::Values(Access::kReadOnly, Access::kWritable),
                       ::testing::Values(Strength::kStrong, Strength::kWeak)),
    [](const auto& tried) {
      return std::string(std::get<Strength>(tried.param) == Strength::kStrong ? "Strong" : "Weak") +
             (std::get<Access>(tried.param) == Access::kReadOnly ? "ReadOnly" : "Writable") +
             std::get<Way>(tried.param).name;
    });

}  // namespace
}  // namespace sysmem::testing
