// SPDX-License-Identifier: Apache-2.0
//
// Weak buffers and their signals, trackings and GetVmoInfo, as the program sees what arrives.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "tests/client/session_fixture.h"

namespace sysmem::client {
namespace {

// The daemon's ends of the signals it gave.
struct Signal {
  Signal() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    given.reset(ends[0]);
    kept.reset(ends[1]);
  }
  base::UniqueFd given;
  base::UniqueFd kept;
};

base::UniqueFd Memfd() {
  base::UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(::ftruncate(fd.get(), 4096), 0);
  EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK), 0);
  return fd;
}

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

class LifetimesTest : public SessionTest {
 protected:
  // A wait that brings one buffer per entry: with a descriptor or not, with a signal or not.
  struct Share {
    bool vmo;
    bool signal;
  };
  Buffers WaitFor(const std::vector<Share>& shares) {
    collection_.emplace(MakeCollection());
    auto waited = Async([&] { return collection_->Wait(10s); });
    const FakeDaemon::Call call = daemon_.NextCall();
    sysmem2::RunReply reply;
    auto* info = reply.mutable_last()
                     ->mutable_wait_for_all_buffers_allocated()
                     ->mutable_buffer_collection_info();
    info->mutable_settings()->mutable_buffer_settings()->set_raw_vmo_size(4096);
    std::vector<base::UniqueFd> descriptors;
    for (const Share& share : shares) {
      auto* buffer = info->add_buffers();
      if (share.vmo) {
        descriptors.push_back(Memfd());
        buffer->set_vmo(descriptors.size());
      }
      Signal signal;
      if (share.signal) {
        descriptors.push_back(std::move(signal.given));
        buffer->set_close_weak_asap(descriptors.size());
      }
      signals_.push_back(std::move(signal));
    }
    daemon_.SendDescriptors(1, std::move(descriptors));
    daemon_.Reply(call, 2, reply);
    auto buffers = waited.get();
    EXPECT_TRUE(buffers.ok()) << buffers.failure().text;
    return *std::move(buffers);
  }
  // Plays GetVmoInfo of any descriptor; `fill` writes the result, `descriptors` come before it.
  Result<VmoInfo> Ask(const VmoInfoRequest& request, sysmem2::GetVmoInfoResult result,
                      std::vector<base::UniqueFd> descriptors) {
    const base::UniqueFd shown = Memfd();
    auto asked = Async([&] { return client_->GetVmoInfo(shown.get(), request, 10s); });
    const FakeDaemon::Call call = daemon_.NextCall();
    request_ = call.run.operations(call.run.operations_size() - 1).get_vmo_info();
    if (!descriptors.empty()) daemon_.SendDescriptors(1, std::move(descriptors));
    sysmem2::RunReply reply;
    *reply.mutable_last()->mutable_get_vmo_info() = std::move(result);
    daemon_.Reply(call, 2, reply);
    return asked.get();
  }

  std::optional<Collection> collection_;
  std::vector<Signal> signals_;
  sysmem2::GetVmoInfoRequest request_;
};

TEST_F(LifetimesTest, WeakBuffersTellWhenEachOfThemMustBeClosed) {
  Buffers buffers = WaitFor({{true, true}, {true, true}});
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(buffers[i].is_weak);
    EXPECT_FALSE(buffers.MustClose(i));
  }
  signals_[1].kept.reset();
  EXPECT_FALSE(buffers.MustClose(0));
  EXPECT_TRUE(buffers.MustClose(1));
  EXPECT_TRUE(AwaitHangup(buffers[1].close_weak_asap_fd, Deadline::Never()).ok());
}

TEST_F(LifetimesTest, ABufferIsClosedWithoutTheOthers) {
  Buffers buffers = WaitFor({{true, true}, {true, true}});
  const int fd = buffers[0].fd;
  const int signal = buffers[0].close_weak_asap_fd;
  const uint64_t inode = buffers[0].inode;
  ASSERT_TRUE(IsOpen(fd) && IsOpen(signal));
  signals_[0].kept.reset();
  buffers.Close(0);
  EXPECT_FALSE(IsOpen(fd) || IsOpen(signal));
  EXPECT_EQ(buffers[0].fd, -1);
  EXPECT_EQ(buffers[0].close_weak_asap_fd, -1);
  EXPECT_EQ(buffers[0].inode, inode) << "what it was is still known";
  EXPECT_TRUE(buffers[0].is_weak);
  EXPECT_FALSE(buffers.MustClose(0)) << "it is";
  EXPECT_EQ(buffers.Map(0, SYSMEM_ACCESS_READ).failure().field, "index");
  EXPECT_FALSE(buffers.DupFd(0).ok());
  EXPECT_TRUE(buffers.Map(1, SYSMEM_ACCESS_READ).ok());
  buffers.Close(0);
  buffers.Close(99);
  EXPECT_EQ(buffers.count(), 2u);
}

TEST_F(LifetimesTest, AMappingOutlivesTheCloseOfItsBuffer) {
  Buffers buffers = WaitFor({{true, false}});
  auto mapping = buffers.Map(0, SYSMEM_ACCESS_READ | SYSMEM_ACCESS_WRITE);
  ASSERT_TRUE(mapping.ok());
  buffers.Close(0);
  mapping->data()[0] = 1;
  EXPECT_EQ(mapping->data()[0], 1);
}

TEST_F(LifetimesTest, StrongBuffersHaveNothingToHeed) {
  const Buffers buffers = WaitFor({{true, false}});
  EXPECT_FALSE(buffers[0].is_weak);
  EXPECT_EQ(buffers[0].close_weak_asap_fd, -1);
  EXPECT_FALSE(buffers.MustClose(0));
}

TEST_F(LifetimesTest, AWeakBufferThatIsNoMoreLeavesTheOthersUsable) {
  const Buffers buffers = WaitFor({{false, false}, {true, true}});
  EXPECT_EQ(buffers[0].fd, -1);
  EXPECT_TRUE(buffers[0].is_weak) << "weak is who holds them, not one of them";
  EXPECT_FALSE(buffers[1].is_dma_buf);
  EXPECT_TRUE(buffers.Map(1, SYSMEM_ACCESS_READ).ok());
}

TEST_F(LifetimesTest, TrackingsGiveTheirWriteEndAwayAndKeepNoCopyOfIt) {
  Token token = MakeToken();
  Collection collection = MakeCollection();
  auto node = token.TrackNode();
  auto buffers = collection.TrackLifetime(3);
  ASSERT_TRUE(node.ok() && buffers.ok());
  const Tracking copy(buffers->DupFd());
  auto flushed = Async([&] { return client_->Roundtrip(); });
  const FakeDaemon::Call call = daemon_.NextCall();
  std::vector<base::UniqueFd> ends = daemon_.ReceiveFromClient().descriptors;
  daemon_.Reply(call, 2);
  EXPECT_TRUE(flushed.get().ok());
  ASSERT_EQ(ends.size(), 2u);
  EXPECT_EQ(call.run.operations(3).attach_lifetime_tracking().buffers_remaining(), 3u);
  EXPECT_EQ(buffers->Await(Deadline::Passed()).failure().status, Status::kTimeout);
  EXPECT_EQ(copy.Await(10ms).failure().status, Status::kTimeout);
  ends[1].reset();
  EXPECT_TRUE(buffers->Await(Deadline::Never()).ok());
  EXPECT_TRUE(copy.IsOver());
  EXPECT_FALSE(node->IsOver());
  ends[0].reset();
  EXPECT_TRUE(node->IsOver());
}

TEST_F(LifetimesTest, TrackingsOfANodeThatIsGoneAreNone) {
  Collection collection = MakeCollection();
  auto checked = Async([&] { return collection.Check(); });
  const FakeDaemon::Call call = daemon_.NextCall();
  daemon_.SendNodeClosed(
      2, call.run.operations(0).allocate_non_shared_collection().collection_handle(), "gone");
  daemon_.Reply(call, 3, Failing(1, sysmem2::OUTCOME_CLOSED));
  EXPECT_FALSE(checked.get().ok());
  EXPECT_EQ(collection.TrackLifetime().failure().status, Status::kClosed);
  EXPECT_EQ(collection.TrackNode().failure().status, Status::kClosed);
}

TEST_F(LifetimesTest, NothingCanBeAwaitedOnADescriptorThatIsNotOpen) {
  for (const int fd : {-1, 1 << 20}) {
    const auto outcome = AwaitHangup(fd, Deadline::Never());
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.failure().status, Status::kInvalidArgument);
    EXPECT_EQ(outcome.failure().field, "fd");
  }
}

TEST_F(LifetimesTest, VmoInfoTellsWhatWasAskedForAndNothingElse) {
  auto info = Ask({},
                  [] {
                    sysmem2::GetVmoInfoResult result;
                    result.set_buffer_collection_id(8);
                    result.set_buffer_index(9);
                    return result;
                  }(),
                  {});
  ASSERT_TRUE(info.ok()) << info.failure().text;
  EXPECT_FALSE(request_.need_weak() || request_.need_single_buffer_settings());
  EXPECT_FALSE(request_.has_constraints_to_check() || request_.has_vmo_settings_to_check());
  EXPECT_EQ(info->collection_id(), 8u);
  EXPECT_EQ(info->buffer_index(), 9u);
  EXPECT_EQ(info->weak_fd(), -1);
  EXPECT_EQ(info->close_weak_asap_fd(), -1);
  EXPECT_EQ(info->settings(), nullptr);
  EXPECT_EQ(info->constraints_ok(), std::nullopt);
  EXPECT_EQ(info->settings_match(), std::nullopt);
}

TEST_F(LifetimesTest, VmoInfoTellsEverything) {
  const base::UniqueFd other = Memfd();
  Signal signal;
  sysmem2::GetVmoInfoResult result;
  result.set_weak_vmo(1);
  result.set_close_weak_asap(2);
  result.mutable_single_buffer_settings()->mutable_buffer_settings()->set_size_bytes(77);
  result.set_constraints_ok(false);
  result.set_vmo_settings_match(true);
  std::vector<base::UniqueFd> descriptors;
  descriptors.push_back(Memfd());
  descriptors.push_back(std::move(signal.given));
  auto info = Ask({.need_weak = true,
                   .need_settings = true,
                   .constraints_to_check = Constraints{.min_buffer_count = 1},
                   .settings_to_check_fd = other.get(),
                   .settings_to_check_ignore_size = true},
                  result, std::move(descriptors));
  ASSERT_TRUE(info.ok()) << info.failure().text;
  EXPECT_TRUE(request_.need_weak() && request_.need_single_buffer_settings());
  EXPECT_EQ(request_.constraints_to_check().min_buffer_count(), 1u);
  EXPECT_TRUE(request_.has_vmo_settings_to_check());
  EXPECT_TRUE(request_.vmo_settings_to_check_ignore_size());
  EXPECT_TRUE(IsOpen(info->weak_fd()));
  EXPECT_FALSE(AwaitHangup(info->close_weak_asap_fd(), Deadline::Passed()).ok());
  signal.kept.reset();
  EXPECT_TRUE(AwaitHangup(info->close_weak_asap_fd(), Deadline::Passed()).ok());
  ASSERT_NE(info->settings(), nullptr);
  EXPECT_EQ(info->settings()->size_bytes, 77u);
  EXPECT_EQ(info->constraints_ok(), false);
  EXPECT_EQ(info->settings_match(), true);
}

TEST_F(LifetimesTest, VmoInfoWithoutADescriptorThatItNamesIsAFailure) {
  sysmem2::GetVmoInfoResult result;
  result.set_weak_vmo(1);
  EXPECT_EQ(Ask({.need_weak = true}, result, {}).failure().status, Status::kSystem);
}

}  // namespace
}  // namespace sysmem::client
