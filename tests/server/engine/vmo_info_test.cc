// SPDX-License-Identifier: Apache-2.0
//
// GetVmoInfo through sessions: every field, and every way to say no, in their order (5.6).
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/reopen.h"
#include "base/unix_socket.h"
#include "gtest/gtest.h"
#include "server/collection_host.h"
#include "server/internals.h"
#include "tests/server/engine/engine_harness.h"
#include "tests/support/eventually.h"

namespace sysmem::server {
namespace {

using core::Error;

constexpr Handle kOne = 1;
constexpr Handle kTwo = 2;

core::Constraints Reader(uint64_t bytes) {
  core::Constraints constraints = CpuConstraints(0, bytes);
  constraints.usage->cpu = core::kCpuUsageRead;
  return constraints;
}

std::vector<base::UniqueFd> BuffersOf(TestClient& client, Handle handle) {
  const OperationResult& result = client.Do(Wait(handle));
  const auto* granted = std::get_if<GrantedBuffers>(&result);
  std::vector<base::UniqueFd> all;
  if (granted == nullptr) {
    ADD_FAILURE() << AsFailure(result)->message;
    return all;
  }
  for (DescriptorNumber number : granted->descriptors) all.push_back(client.Take(number));
  for (DescriptorNumber number : granted->close_weak_asap) client.Take(number);
  return all;
}

class VmoInfoTest : public ::testing::Test {
 protected:
  VmoInfoTest() : client_(engine_, 1000) {}

  // A collection of one node with two buffers of `bytes`.
  std::vector<base::UniqueFd> Make(Handle handle, uint64_t bytes) {
    EXPECT_OK(client_.Do(op::AllocateNonSharedCollection{handle}));
    EXPECT_OK(client_.Do(SetConstraints(handle, CpuConstraints(2, bytes))));
    return BuffersOf(client_, handle);
  }
  op::GetVmoInfo About(const base::UniqueFd& vmo) {
    op::GetVmoInfo ask;
    ask.vmo = client_.Push(base::Dup(vmo));
    return ask;
  }
  VmoInfoResult InfoOf(op::GetVmoInfo ask) {
    const OperationResult& result = client_.Do(std::move(ask));
    if (const core::Failure* failure = AsFailure(result)) {
      ADD_FAILURE() << failure->rule << ": " << failure->message;
      return {};
    }
    return std::get<VmoInfoResult>(result);
  }
  std::string WhyNot(op::GetVmoInfo ask, Error error) {
    const OperationResult& result = client_.Do(std::move(ask));
    const core::Failure* failure = AsFailure(result);
    if (failure == nullptr) return "answered";
    EXPECT_EQ(failure->error, error) << failure->message;
    EXPECT_EQ(failure->outcome, core::Outcome::kError);
    return failure->rule + " " + failure->field;
  }

  TestEngine engine_;
  TestClient client_;
};

TEST_F(VmoInfoTest, TellsCollectionAndIndexAndNothingThatWasNotAskedFor_G5) {
  const auto buffers = Make(kOne, 4096);
  const auto others = Make(kTwo, 4096);
  const VmoInfoResult first = InfoOf(About(buffers[0]));
  const VmoInfoResult second = InfoOf(About(buffers[1]));
  EXPECT_EQ(first.buffer_index, 0u);
  EXPECT_EQ(second.buffer_index, 1u);
  EXPECT_NE(first.buffer_collection_id, 0u);
  EXPECT_EQ(first.buffer_collection_id, second.buffer_collection_id);
  EXPECT_NE(first.buffer_collection_id, InfoOf(About(others[0])).buffer_collection_id);
  EXPECT_EQ(first.close_weak_asap, 0u) << "G7: strong, and no weak one was asked for";
  EXPECT_EQ(first.weak_vmo, 0u);
  EXPECT_EQ(first.settings, nullptr);
  EXPECT_FALSE(first.constraints_ok || first.vmo_settings_match);
}

TEST_F(VmoInfoTest, TellsTheSettings_G8) {
  const auto buffers = Make(kOne, 5000);
  op::GetVmoInfo ask = About(buffers[1]);
  ask.need_settings = true;
  const VmoInfoResult info = InfoOf(std::move(ask));
  ASSERT_NE(info.settings, nullptr);
  EXPECT_EQ(info.settings->buffer.size_bytes, 5000u);
  EXPECT_EQ(info.settings->buffer.raw_vmo_size, 8192u);
}

TEST_F(VmoInfoTest, ComparesConstraintsWithoutCounts_G9_GVI_1) {
  const auto buffers = Make(kOne, 5000);
  const auto fits = [&](const core::Constraints& constraints) {
    op::GetVmoInfo ask = About(buffers[0]);
    ask.constraints_to_check = constraints;
    return InfoOf(std::move(ask)).constraints_ok;
  };
  EXPECT_EQ(fits(CpuConstraints(1000, 5000)), true) << "counts are not compared";
  EXPECT_EQ(fits(CpuConstraints(1, 5001)), false);
  core::Constraints permits;
  permits.usage = core::BufferUsage{.none = core::kNoneUsage};
  EXPECT_EQ(fits(permits), false) << "nobody uses it";
  EXPECT_EQ(fits(core::Constraints{}), false);
  permits.usage->none |= core::kNoneUsagePermitAllocation;
  EXPECT_EQ(fits(permits), true);
}

TEST_F(VmoInfoTest, ComparesSettingsWithAnotherBuffers_G10) {
  const auto buffers = Make(kOne, 5000);
  const auto same = Make(kTwo, 5000);
  const auto larger = Make(3, 9000);
  const auto match = [&](const base::UniqueFd& other, bool ignore_size) {
    op::GetVmoInfo ask = About(buffers[0]);
    ask.vmo_settings_to_check = client_.Push(base::Dup(other));
    ask.ignore_size = ignore_size;
    return InfoOf(std::move(ask)).vmo_settings_match;
  };
  EXPECT_EQ(match(buffers[1], false), true);
  EXPECT_EQ(match(same[0], false), true);
  EXPECT_EQ(match(larger[0], false), false);
  EXPECT_EQ(match(larger[0], true), true);
}

TEST_F(VmoInfoTest, GivesAWeakHandleOfTheSameMemory_G6) {
  const auto buffers = Make(kOne, 4096);
  op::GetVmoInfo ask = About(buffers[0]);
  ask.need_weak = true;
  const VmoInfoResult info = InfoOf(std::move(ask));
  const base::UniqueFd weak = client_.Take(info.weak_vmo);
  const base::UniqueFd signal = client_.Take(info.close_weak_asap);
  ASSERT_TRUE(weak && signal);
  EXPECT_EQ(*heaps::IdentityOf(weak), *heaps::IdentityOf(buffers[0]));
  const char byte = 1;
  EXPECT_EQ(::pwrite(weak.get(), &byte, 1, 0), 1);
  EXPECT_FALSE(info.hand_out.read_only);
  EXPECT_NE(InfoOf(About(weak)).close_weak_asap, 0u) << "G7: it is known to be weak";
}

TEST_F(VmoInfoTest, GivesNoMoreRightsThanItWasShown_GVI_H1) {
  ASSERT_OK(client_.Do(op::AllocateSharedCollection{kOne, false}));
  ASSERT_OK(client_.Do(op::Duplicate{kOne, core::kSameRights, kTwo, false}));
  for (Handle handle : {kOne, kTwo}) {
    ASSERT_OK(client_.Do(op::BindSharedCollection{handle, std::nullopt, handle}));
  }
  ASSERT_OK(client_.Do(SetConstraints(kOne, CpuConstraints(1, 4096))));
  ASSERT_OK(client_.Do(SetConstraints(kTwo, Reader(4096))));
  const auto readable = BuffersOf(client_, kTwo);
  op::GetVmoInfo ask = About(readable[0]);
  ask.need_weak = true;
  const VmoInfoResult info = InfoOf(std::move(ask));
  const base::UniqueFd weak = client_.Take(info.weak_vmo);
  EXPECT_EQ(::fcntl(weak.get(), F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_TRUE(info.hand_out.read_only);
  EXPECT_EQ(info.hand_out.rights & core::kRightWrite, 0u);
  EXPECT_TRUE(info.hand_out.read_only_enforced);
}

TEST_F(VmoInfoTest, TakesWhatAClientOpenedItselfForWeak) {
  const auto buffers = Make(kOne, 4096);
  const VmoInfoResult info = InfoOf(About(*base::Reopen(buffers[0], O_RDONLY)));
  EXPECT_EQ(info.buffer_index, 0u);
  EXPECT_NE(info.close_weak_asap, 0u);
}

TEST_F(VmoInfoTest, WorksWhenTheTreeIsGone_GVI_2) {
  const auto buffers = Make(kOne, 4096);
  ASSERT_OK(client_.Do(op::CloseHandle{kOne}));
  op::GetVmoInfo ask = About(buffers[1]);
  ask.need_weak = true;
  ask.need_settings = true;
  const VmoInfoResult info = InfoOf(std::move(ask));
  EXPECT_EQ(info.buffer_index, 1u);
  EXPECT_NE(info.weak_vmo, 0u) << "a strong handle is there, the one that was shown";
}

TEST_F(VmoInfoTest, GivesNoWeakHandleWhenNothingStrongIsLeft_G6) {
  auto buffers = Make(kOne, 4096);
  op::GetVmoInfo ask = About(buffers[0]);
  ask.need_weak = true;
  const VmoInfoResult info = InfoOf(std::move(ask));
  const base::UniqueFd weak = client_.Take(info.weak_vmo);
  client_.Take(info.close_weak_asap);
  ASSERT_OK(client_.Do(op::CloseHandle{kOne}));
  buffers.clear();
  op::GetVmoInfo again = About(weak);
  again.need_weak = true;
  EXPECT_EQ(WhyNot(std::move(again), Error::kNoMoreStrongVmoHandles), "G6 need_weak")
      << "what was closed before the call is gone for it";
  EXPECT_NE(InfoOf(About(weak)).close_weak_asap, 0u);
}

TEST_F(VmoInfoTest, RefusesWhatIsNoBuffer_G1_G3_G4) {
  const auto buffers = Make(kOne, 4096);
  EXPECT_EQ(WhyNot({}, Error::kProtocolDeviation), "G1 vmo");
  op::GetVmoInfo never_sent;
  never_sent.vmo = 4711;
  EXPECT_EQ(WhyNot(std::move(never_sent), Error::kProtocolDeviation), "G1 vmo");
  auto sockets = std::move(base::SocketPair(SOCK_STREAM)).value();
  EXPECT_EQ(WhyNot(About(sockets.first), Error::kProtocolDeviation), "G3 vmo");
  const base::UniqueFd foreign(::memfd_create("mine", MFD_CLOEXEC));
  EXPECT_EQ(WhyNot(About(foreign), Error::kNotFound), "G4 vmo");
  op::GetVmoInfo compare = About(buffers[0]);
  compare.vmo_settings_to_check = client_.Push(base::Dup(foreign));
  EXPECT_EQ(WhyNot(std::move(compare), Error::kNotFound), "G4 vmo_settings_to_check");
  op::GetVmoInfo socket = About(buffers[0]);
  socket.vmo_settings_to_check = client_.Push(std::move(sockets.second));
  EXPECT_EQ(WhyNot(std::move(socket), Error::kProtocolDeviation), "G3 vmo_settings_to_check");
  EXPECT_OK(client_.Do(Sync(kOne))) << "nobody is harmed";
}

TEST_F(VmoInfoTest, PromisesNothingThatALaterStepTakesBack) {
  auto buffers = Make(kOne, 4096);
  op::GetVmoInfo ask = About(buffers[0]);
  ask.need_weak = true;
  ask.vmo_settings_to_check = client_.Push(base::UniqueFd(::memfd_create("mine", MFD_CLOEXEC)));
  EXPECT_EQ(WhyNot(std::move(ask), Error::kNotFound), "G4 vmo_settings_to_check");
  ASSERT_OK(client_.Do(op::CloseHandle{kOne}));
  buffers.clear();
  EXPECT_TRUE(::sysmem::testing::Eventually(
      [&] { return engine_.engine().internals().ledger->descriptors() == 0; }));
}

TEST_F(VmoInfoTest, UsesUpEveryDescriptorItNames) {
  const auto buffers = Make(kOne, 4096);
  for (int i = 0; i < 200; ++i) {  // 64 may lie unnamed
    op::GetVmoInfo ask;
    ask.vmo = client_.Push(base::UniqueFd(::memfd_create("mine", MFD_CLOEXEC)));
    ask.vmo_settings_to_check = client_.Push(base::Dup(buffers[0]));
    ASSERT_EQ(WhyNot(std::move(ask), Error::kNotFound), "G4 vmo") << i;
  }
}

}  // namespace
}  // namespace sysmem::server
