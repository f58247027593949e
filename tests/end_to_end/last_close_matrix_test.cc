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

#include "tests/end_to_end/buffer_holder.h"
#include "tests/end_to_end/lifetime_fixture.h"
#include "tests/support/holding.h"

namespace sysmem::testing {
namespace {

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

class EachHolder : public LifetimeTest,
                   public ::testing::WithParamInterface<std::tuple<Way, Access, Strength>> {
 protected:
  const Way& way() const { return std::get<Way>(GetParam()); }
  Access access() const { return std::get<Access>(GetParam()); }
  Strength strength() const { return std::get<Strength>(GetParam()); }
  bool keeps_it_strong() const { return strength() == Strength::kStrong && !way().untracked; }

  // False: the kernel refuses this way.
  bool Begin() {
    holder_ = std::make_unique<BufferHolder>(
        daemon(), way().untracked ? kDaemonUid : kOtherClientUid, access(), way().hold);
    holder_->Join(owner().Share(strength()));
    buffer_ = owner().Complete();
    const bool holds = holder_->Holds();
    owner().Leave();
    return holds;
  }

  // What the daemon says of the only buffer now: who holds it.
  void ExpectHolders(size_t hand_outs) {
    const nlohmann::json buffer = Look(buffer_);
    EXPECT_EQ(buffer["state"],
              keeps_it_strong() ? "BUFFER_STATE_STRONG" : "BUFFER_STATE_WEAK_ONLY");
    EXPECT_EQ(buffer["holders"].size(), hand_outs) << buffer;
    size_t found = 0;
    for (const nlohmann::json& holder : buffer["holders"]) {
      if (holder["given_to"]["pid"] != holder_->process().pid()) continue;
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
    holder_->LetGo();
  }
  void LetGo() {
    if (way().ending == Ending::kKilled) return holder_->process().Kill();
    if (way().ending == Ending::kStopped) return holder_->process().Signal(SIGCONT);
    holder_->LetGo();
  }

  std::unique_ptr<BufferHolder> holder_;
  SharedBuffer buffer_;
};

TEST_P(EachHolder, KeepsTheBufferUntilItLetsGoAndNoLonger) {
  if (way().untracked) SYSMEM_NEEDS_SEVERAL_UIDS();
  if (!Begin()) {
    EXPECT_EQ(holder_->process().WaitForExit(), 0);
    GTEST_SKIP() << way().name << ": the kernel refuses it";
  }
  if (way().ending == Ending::kStopped) Stop();
  if (keeps_it_strong()) {
    owner().Settle();
    EXPECT_FALSE(HasHungUp(buffer_.close_weak_asap));
    ExpectHolders(2);  // the other one is the test, weakly
    EXPECT_FALSE(HasHungUp(buffer_.lifetime));
    LetGo();
    EXPECT_TRUE(HangsUp(buffer_.close_weak_asap));
    owner().Settle();
    EXPECT_FALSE(HasHungUp(buffer_.lifetime)) << "a weak hand-out is left";
    buffer_.weak.reset();
  } else {
    EXPECT_TRUE(HangsUp(buffer_.close_weak_asap));
    buffer_.weak.reset();
    owner().Settle();
    ExpectHolders(way().untracked ? 0 : 1);
    EXPECT_FALSE(HasHungUp(buffer_.lifetime));
    LetGo();
  }
  EXPECT_TRUE(HangsUp(buffer_.lifetime));
  holder_->End();
  observer().ExpectBackToBaseline();
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
