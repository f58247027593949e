// SPDX-License-Identifier: Apache-2.0
//
// Conformance: buffers as long as somebody has them (LIFE, the part of WEAK that speaks of buffers,
// and the worked consequences of both), through the library and the wire.
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/end_to_end/conformance_recipes.h"
#include "tests/support/eventually.h"

namespace sysmem::testing {
namespace {

bool HasHungUp(int fd) { return sysmem::AwaitHangup(fd, sysmem::Deadline::Passed()).ok(); }

// A strong and a weak collection, allocated.
struct StrongAndWeak {
  sysmem::Collection strong;
  sysmem::Collection weak;
};

class Lives : public Conformance {
 protected:
  // Weak by SetWeak on its token, with these numbers of buffers for camping.
  StrongAndWeak MakeStrongAndWeak(uint32_t strong_count, uint32_t weak_count) {
    sysmem::Token root = Root();
    sysmem::Token child = Dup(root);
    SYSMEM_EXPECT_OK(child.SetWeak());
    StrongAndWeak made{Bind(std::move(root)), Bind(std::move(child))};
    SYSMEM_EXPECT_OK(made.strong.SetConstraints(Camp(strong_count)));
    SYSMEM_EXPECT_OK(made.weak.SetConstraints(Camp(weak_count)));
    SYSMEM_EXPECT_OK(made.weak.SetWeakOk());
    return made;
  }
  sysmem::Tracking Track(sysmem::Collection& collection, uint32_t remaining) {
    auto tracking = collection.TrackLifetime(remaining);
    EXPECT_TRUE(tracking.ok()) << tracking.failure().text;
    return *std::move(tracking);
  }
  // How many buffers there are, whoever has them.
  uint64_t LiveBuffers() {
    auto status = other().Inspect("GetStatus");
    EXPECT_TRUE(status.ok()) << status.failure().text;
    return std::stoull(nlohmann::json::parse(*status).at("live_buffers").get<std::string>());
  }
};

class Life : public Lives {
 protected:
  // Exactly the trackings of `first` buffers remaining and more are over. Waits for those.
  void ExpectOverFrom(size_t first) {
    for (size_t i = first; i < ends_.size(); ++i) {
      SYSMEM_EXPECT_OK(ends_[i].Await(Patience()));
    }
    for (size_t i = 0; i < first; ++i) EXPECT_FALSE(ends_[i].IsOver()) << i;
  }
  std::vector<sysmem::Tracking> ends_;
};

// Case LIFE-1
TEST_F(Life, TrackingEndsWhenSoManyBuffersAreLeftInTheWorld) {
  sysmem::Collection collection = Single();
  SYSMEM_EXPECT_OK(collection.Sync());
  for (uint32_t remaining = 0; remaining <= 5; ++remaining) {
    ends_.push_back(Track(collection, remaining));
  }
  Settle();
  ExpectOverFrom(6);  // nobody knows yet how many there will be

  sysmem::Constraints three = Camp(3);
  three.memory = CpuOnly(65536, 131072);
  SYSMEM_EXPECT_OK(collection.SetConstraints(three));
  auto buffers = Wait(collection);
  SYSMEM_ASSERT_OK(buffers);
  ASSERT_EQ(buffers->count(), 3u);
  ExpectOverFrom(3);

  auto attached = collection.AttachToken();
  SYSMEM_ASSERT_OK(attached);
  SYSMEM_EXPECT_OK(collection.Sync());
  sysmem::Collection late = Bind(*std::move(attached));
  SYSMEM_EXPECT_OK(late.Sync());
  const sysmem::Tracking of_late = Track(late, 0);
  Settle();
  EXPECT_FALSE(of_late.IsOver());
  sysmem::Constraints one_more = three;
  one_more.min_buffer_count_for_camping = 1;
  SYSMEM_EXPECT_OK(late.SetConstraints(one_more));
  SYSMEM_EXPECT_OK(other().Flush());
  SYSMEM_EXPECT_OK(of_late.Await(Patience()));  // it failed, although there are buffers
  SYSMEM_EXPECT_OK(collection.Sync());

  collection.Close();
  Settle();
  ExpectOverFrom(3);
  for (size_t left = 3; left-- > 0;) {
    buffers->Close(left);
    ExpectOverFrom(left);
  }
}

// LIFE-2, row 30.
TEST_F(Life, TrackingOfAsManyBuffersAsThereAreEndsAtOnce_row_30) {
  sysmem::Collection collection = Single();
  SYSMEM_EXPECT_OK(collection.SetConstraints(Camp(2)));
  auto buffers = Wait(collection);
  SYSMEM_ASSERT_OK(buffers);
  const sysmem::Tracking two = Track(collection, 2);
  const sysmem::Tracking one = Track(collection, 1);
  SYSMEM_EXPECT_OK(client().Flush());
  SYSMEM_EXPECT_OK(two.Await(Patience()));
  EXPECT_FALSE(one.IsOver());
}

TEST_F(Life, TrackingsAreDuplicatedAndSayTheSame) {
  sysmem::Collection collection = Single();
  SYSMEM_EXPECT_OK(collection.SetConstraints(Camp(1)));
  auto buffers = Wait(collection);
  SYSMEM_ASSERT_OK(buffers);
  const sysmem::Tracking one = Track(collection, 0);
  const sysmem::Tracking other(one.DupFd());
  ASSERT_NE(one.fd(), other.fd());
  SYSMEM_EXPECT_OK(collection.Sync());
  SYSMEM_EXPECT_STATUS(other.Await(sysmem::Deadline::Passed()), sysmem::Status::kTimeout);
  collection.Reset();
  buffers->Close(0);
  SYSMEM_EXPECT_OK(one.Await(Patience()));
  SYSMEM_EXPECT_OK(other.Await(Patience()));
}

TEST_F(Life, AMappingHoldsItsBufferAfterEverythingElseIsGone) {
  sysmem::Collection collection = Single();
  SYSMEM_EXPECT_OK(collection.SetConstraints(Camp(2)));
  std::optional<sysmem::Tracking> one_left;
  std::optional<sysmem::Tracking> none_left;
  std::optional<sysmem::Mapping> mapping;
  {
    auto buffers = Wait(collection);
    SYSMEM_ASSERT_OK(buffers);
    one_left.emplace(Track(collection, 1));
    none_left.emplace(Track(collection, 0));
    auto mapped = buffers->Map(1, SYSMEM_ACCESS_READ | SYSMEM_ACCESS_WRITE);
    SYSMEM_ASSERT_OK(mapped);
    mapping.emplace(*std::move(mapped));
  }
  collection.Reset();
  SYSMEM_EXPECT_OK(one_left->Await(Patience()));
  Settle();
  EXPECT_FALSE(none_left->IsOver());
  EXPECT_EQ(LiveBuffers(), 1u);
  mapping->data()[kPage - 1] = 7;
  EXPECT_EQ(mapping->data()[kPage - 1], 7);
  mapping.reset();
  SYSMEM_EXPECT_OK(none_left->Await(Patience()));
  EXPECT_TRUE(Eventually([&] { return LiveBuffers() == 0; }));
}

// Row 6: everybody has left, the memory lives with those who have it.
TEST_F(Life, BuffersLiveWithTheirHoldersWhenEverybodyHasLeft_row_6) {
  StrongAndWeak made = MakeStrongAndWeak(2, 0);
  auto buffers = Wait(made.strong);
  SYSMEM_ASSERT_OK(buffers);
  const sysmem::Tracking gone = Track(made.strong, 0);
  made.strong.Reset();
  made.weak.Reset();
  Settle();
  EXPECT_FALSE(gone.IsOver());
  WritePattern(*buffers, 1, 3);
  EXPECT_TRUE(HasPattern(*buffers, 1, 3));
  {
    auto info = client().GetVmoInfo((*buffers)[1].fd, {.need_weak = true});  // GVI-2
    SYSMEM_ASSERT_OK(info);
    EXPECT_EQ(info->buffer_index(), 1u);
    buffers->Close(0);
    buffers->Close(1);
    SYSMEM_EXPECT_OK(sysmem::AwaitHangup(info->close_weak_asap_fd(), Patience()));
    EXPECT_FALSE(gone.IsOver()) << "the weak one is still open";
  }
  SYSMEM_EXPECT_OK(gone.Await(Patience()));
}

class WeakBuffers : public Lives {};

// Case WEAK-4
TEST_F(WeakBuffers, ArriveWithoutThoseThatAreGone) {
  StrongAndWeak made = MakeStrongAndWeak(0, 10);
  SYSMEM_EXPECT_OK(made.strong.Sync());
  SYSMEM_EXPECT_OK(made.weak.Sync());
  auto strong = Wait(made.strong);
  SYSMEM_ASSERT_OK(strong);
  ASSERT_EQ(strong->count(), 10u);
  const sysmem::Tracking eight_left = Track(made.strong, 8);
  strong->Close(0);
  strong->Close(9);
  Settle();
  EXPECT_FALSE(eight_left.IsOver()) << "a strong node keeps all of them";
  SYSMEM_EXPECT_OK(made.strong.Release());
  made.strong.Close();
  SYSMEM_EXPECT_OK(other().Flush());
  SYSMEM_EXPECT_OK(eight_left.Await(Patience()));

  auto weak = Wait(made.weak);
  SYSMEM_ASSERT_OK(weak);
  ASSERT_EQ(weak->count(), 10u);
  for (size_t i = 0; i < 10; ++i) {
    const sysmem::Buffer& buffer = (*weak)[i];
    const bool there = i != 0 && i != 9;
    EXPECT_EQ(buffer.fd >= 0, there) << i;
    EXPECT_EQ(buffer.close_weak_asap_fd >= 0, there) << i;
    EXPECT_TRUE(buffer.is_weak) << i;
    EXPECT_FALSE(weak->MustClose(i)) << i;
    if (there) {
      WritePattern(*strong, i, static_cast<uint8_t>(i));
      EXPECT_TRUE(HasPattern(*weak, i, static_cast<uint8_t>(i))) << i;
    }
  }
}

// Case WEAK-7
TEST_F(WeakBuffers, ThatAreNotClosedAreComplainedOfByName) {
  StrongAndWeak made = MakeStrongAndWeak(0, 1);
  SYSMEM_EXPECT_OK(made.weak.SetDebugClientInfo("hoarder", 77));
  auto weak = Wait(made.weak);
  SYSMEM_ASSERT_OK(weak);
  ASSERT_EQ(weak->count(), 1u);
  EXPECT_GE((*weak)[0].fd, 0);
  EXPECT_GE((*weak)[0].close_weak_asap_fd, 0);
  made.strong.Close();
  SYSMEM_EXPECT_OK(other().Flush());
  SYSMEM_EXPECT_OK(sysmem::AwaitHangup((*weak)[0].close_weak_asap_fd, Patience()));
  EXPECT_TRUE(weak->MustClose(0));
  const std::string line = daemon().AwaitLogLine("END-6");
  for (const std::string& part :
       {std::string("hoarder"), std::string("(id 77"), "process " + std::to_string(::getpid()),
        "user " + std::to_string(::getuid())}) {
    EXPECT_NE(line.find(part), std::string::npos) << part << " in: " << line;
  }
  SYSMEM_EXPECT_OK(Root().Sync());
  WritePattern(*weak, 0, 5);
  EXPECT_TRUE(HasPattern(*weak, 0, 5)) << "it is a complaint and no more";
}

// WEAK-3, RES-5.
TEST_F(WeakBuffers, AreHandedOutAfreshWhileOneStrongHandleLives_row_28_and_row_29) {
  StrongAndWeak made = MakeStrongAndWeak(2, 0);
  auto strong = Wait(made.strong);
  SYSMEM_ASSERT_OK(strong);
  auto first = Wait(made.weak);
  SYSMEM_ASSERT_OK(first);
  made.strong.Reset();
  Settle();
  auto again = Wait(made.weak);  // row 28
  SYSMEM_ASSERT_OK(again);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_GE((*again)[i].fd, 0) << i;
    EXPECT_FALSE(again->MustClose(i)) << i;
    EXPECT_FALSE(first->MustClose(i)) << i;
  }
  EXPECT_EQ(NameMemory(*again), NameMemory(*first));

  auto node_gone = made.weak.TrackNode();
  SYSMEM_ASSERT_OK(node_gone);
  SYSMEM_EXPECT_OK(made.weak.Sync());
  strong->Close(0);
  SYSMEM_EXPECT_OK(sysmem::AwaitHangup((*first)[0].close_weak_asap_fd, Patience()));
  EXPECT_TRUE(again->MustClose(0));
  EXPECT_FALSE(again->MustClose(1)) << "each buffer for itself (END-7)";
  EXPECT_FALSE(node_gone->IsOver());
  strong->Close(1);  // row 29
  SYSMEM_EXPECT_OK(sysmem::AwaitHangup((*again)[1].close_weak_asap_fd, Patience()));
  SYSMEM_EXPECT_OK(node_gone->Await(Patience()));
  EXPECT_TRUE(HasHungUp((*first)[1].close_weak_asap_fd));
  EXPECT_TRUE(IsClosed(Why(made.weak.Sync(Patience()))));
}

TEST_F(WeakBuffers, AreLetGoOneByOneAndTheMemoryWithThem) {
  StrongAndWeak made = MakeStrongAndWeak(2, 0);
  auto strong = Wait(made.strong);
  SYSMEM_ASSERT_OK(strong);
  auto weak = Wait(made.weak);
  SYSMEM_ASSERT_OK(weak);
  const sysmem::Tracking one_left = Track(made.strong, 1);
  made.strong.Reset();
  strong->Close(0);
  SYSMEM_EXPECT_OK(sysmem::AwaitHangup((*weak)[0].close_weak_asap_fd, Patience()));
  EXPECT_FALSE(one_left.IsOver()) << "the weak holder has it still";
  weak->Close(0);
  SYSMEM_EXPECT_OK(one_left.Await(Patience()));
  EXPECT_EQ((*weak)[0].fd, -1);
  EXPECT_EQ((*weak)[0].close_weak_asap_fd, -1);
  EXPECT_FALSE(weak->MustClose(0)) << "it is closed";
  EXPECT_TRUE((*weak)[0].is_weak);
  EXPECT_GE((*weak)[1].fd, 0);
}

}  // namespace
}  // namespace sysmem::testing
