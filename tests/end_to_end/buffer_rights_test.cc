// SPDX-License-Identifier: Apache-2.0
//
// Rights masks of tokens, seen by those whom they bind: what the kernel lets them do with the
// descriptors they get (TREE-6, RES-1, RES-2).
//
// A giver owns the collection and writes; a taker, who says that it writes as well, joins with a
// token that the giver made in one way or another. Both under uids of their own.
#include <sys/mman.h>
#include <unistd.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/end_to_end/participants.h"
#include "tests/end_to_end/rights_checks.h"
#include "tests/support/client_process.h"
#include "tests/support/daemon_process.h"

namespace sysmem::testing {
namespace {

constexpr uint64_t kBytes = 8192;
constexpr uint32_t kSpare = 4;  // buffers for those who come later
constexpr uint32_t kEverything = 0x7fffffff;
constexpr uint32_t kHandOutRights = 0xc0ef;  // RES-1, of one who writes

template <typename T>
T Must(sysmem::Result<T> result) {
  EXPECT_TRUE(result.ok()) << result.failure().text;
  return *std::move(result);
}

// What the giver has to make tokens from. `group` and `chosen` only where a way needs them.
struct Giver {
  sysmem::Client& client;
  sysmem::Token root;
  std::optional<sysmem::Collection> collection;
  std::optional<sysmem::Group> group;
};

// A way to make a token with a mask.
struct Way {
  std::string name;
  bool is_late = false;  // needs the allocated collection
  std::function<sysmem::UniqueFd(Giver& giver, uint32_t mask)> make;
};

sysmem::UniqueFd Exported(sysmem::Token token) { return Must(std::move(token).Export()); }

sysmem::Group& GroupOf(Giver& giver) {
  giver.group.emplace(Must(giver.root.CreateGroup()));
  return *giver.group;
}

std::vector<Way> AllWays() {
  return {
      {.name = "Duplicate",
       .make = [](Giver& giver,
                  uint32_t mask) { return Exported(Must(giver.root.Duplicate(mask))); }},
      {.name = "Duplicate, exported",
       .make = [](Giver& giver,
                  uint32_t mask) { return Must(giver.root.DuplicateExported(mask)); }},
      {.name = "DuplicateSync",
       .make =
           [](Giver& giver, uint32_t mask) {
             const uint32_t masks[] = {mask};
             return Exported(std::move(Must(giver.root.DuplicateSync(masks)).at(0)));
           }},
      {.name = "CreateChild",
       .make = [](Giver& giver,
                  uint32_t mask) { return Exported(Must(GroupOf(giver).CreateChild(mask))); }},
      {.name = "CreateChild, exported",
       .make = [](Giver& giver,
                  uint32_t mask) { return Must(GroupOf(giver).CreateChildExported(mask)); }},
      {.name = "CreateChildrenSync",
       .make =
           [](Giver& giver, uint32_t mask) {
             const uint32_t masks[] = {mask};
             return Exported(std::move(Must(GroupOf(giver).CreateChildrenSync(masks)).at(0)));
           }},
      {.name = "AttachToken",
       .is_late = true,
       .make = [](Giver& giver,
                  uint32_t mask) { return Exported(Must(giver.collection->AttachToken(mask))); }},
      {.name = "AttachToken, exported",
       .is_late = true,
       .make = [](Giver& giver,
                  uint32_t mask) { return Must(giver.collection->AttachTokenExported(mask)); }},
  };
}

sysmem::Constraints GiverNeeds() {
  sysmem::Constraints needs = WriterNeeds(1, kBytes);
  needs.min_buffer_count = kSpare;
  return needs;
}

// Makes a collection, hands out a token made like that, and writes what the taker must see.
void Give(ControlChannel& test, sysmem::Client& client, const Way& way, uint32_t mask) {
  Giver giver{.client = client, .root = Must(client.CreateToken())};
  std::optional<sysmem::UniqueFd> token;
  if (!way.is_late) token = way.make(giver, mask);
  if (giver.group) SYSMEM_EXPECT_OK(giver.group->AllChildrenPresent());
  giver.collection.emplace(Must(std::move(giver.root).Bind()));
  SYSMEM_EXPECT_OK(giver.collection->SetConstraints(GiverNeeds()));
  if (token) test.Send("token", FromLibrary(*std::exchange(token, std::nullopt)));
  auto buffers = giver.collection->Wait(Patience());
  SYSMEM_ASSERT_OK(buffers);
  EXPECT_FALSE(buffers->settings().read_only) << "a mask binds those below it";
  EXPECT_EQ(buffers->settings().rights, kHandOutRights);
  WritePattern(*buffers, 0, 17);
  if (way.is_late) test.Send("token", FromLibrary(way.make(giver, mask)));
  test.Send(NameMemory(*buffers));
  test.Expect("next");
}

void ExpectCanWrite(const sysmem::Buffers& buffers, size_t index) {
  EXPECT_FALSE(buffers.settings().read_only);
  EXPECT_EQ(::pwrite(buffers[index].fd, "x", 1, 0), 1);
  void* const mapped =
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, buffers[index].fd, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  static_cast<char*>(mapped)[1] = 'y';
  ::munmap(mapped, 4096);
  char bytes[2] = {};
  EXPECT_EQ(::pread(buffers[index].fd, bytes, 2, 0), 2);
  EXPECT_EQ(std::string(bytes, 2), "xy");
}

void ExpectMayNotWrite(const sysmem::Buffers& buffers) {
  EXPECT_TRUE(buffers.settings().read_only);
  EXPECT_EQ(buffers.settings().rights & SYSMEM_RIGHT_WRITE, 0u);
  for (size_t i = 0; i < buffers.count(); ++i) {
    ExpectCannotWrite(buffers, i);
    if (IsRoot()) ExpectCannotReopen(buffers, i);  // else everybody is the daemon's user
  }
}

// Joins with the token that comes, as one who writes; tries everything.
void Take(ControlChannel& test, sysmem::Client& client, bool may_write) {
  base::UniqueFd token = test.Expect("token").TakeDescriptor();
  auto joined = client.Join(ForLibrary(std::move(token)), WriterNeeds(1, kBytes), Patience());
  SYSMEM_ASSERT_OK(joined);
  test.Expect("written");
  EXPECT_TRUE(HasPattern(joined->buffers, 0, 17));
  if (may_write) {
    ExpectCanWrite(joined->buffers, 1);
  } else {
    ExpectMayNotWrite(joined->buffers);
  }
  test.Send(NameMemory(joined->buffers));
}

TEST(BufferRights, AreTakenAwayByTheMaskOfATokenHoweverItIsMade) {
  struct Mask {
    uint32_t bits;
    bool may_write;
  };
  const std::vector<Mask> masks = {{SYSMEM_RIGHTS_WITHOUT_WRITE, false},
                                   {SYSMEM_SAME_RIGHTS, true},
                                   {kEverything, true},
                                   // Same rights and another bit is a mask like any other.
                                   {SYSMEM_SAME_RIGHTS | SYSMEM_RIGHT_READ, false}};
  DaemonProcess daemon;
  ASSERT_TRUE(daemon.ready());
  ClientProcess giver(kClientUid, [&](ControlChannel& test) {
    sysmem::Client client = ConnectOrDie(daemon.socket_path());
    for (const Way& way : AllWays()) {
      for (const Mask& mask : masks) Give(test, client, way, mask.bits);
    }
  });
  ClientProcess taker(kOtherClientUid, [&](ControlChannel& test) {
    sysmem::Client client = ConnectOrDie(daemon.socket_path());
    for (const Way& way : AllWays()) {
      for (const Mask& mask : masks) {
        SCOPED_TRACE(way.name + ", mask " + std::to_string(mask.bits));
        Take(test, client, mask.may_write);
      }
    }
  });
  for (size_t i = 0; i < AllWays().size() * masks.size(); ++i) {
    taker.control().Send("token", giver.control().Expect("token").TakeDescriptor());
    const std::string memory = giver.control().Receive().text;
    taker.control().Send("written");
    EXPECT_EQ(taker.control().Receive().text, memory);
    giver.control().Send("next");
  }
  giver.ExpectSuccess();
  taker.ExpectSuccess();
}

// TREE-6.
TEST(BufferRights, OnlyEverShrinkOnTheWayDownTheTree) {
  DaemonProcess daemon;
  ASSERT_TRUE(daemon.ready());
  ClientProcess client_process(kClientUid, [&](ControlChannel&) {
    sysmem::Client client = ConnectOrDie(daemon.socket_path());
    sysmem::Token root = Must(client.CreateToken());
    sysmem::Token no_map = Must(root.Duplicate(kEverything & ~SYSMEM_RIGHT_MAP));
    sysmem::Token no_write = Must(no_map.Duplicate(SYSMEM_RIGHTS_WITHOUT_WRITE));
    sysmem::Token asks_for_all = Must(no_write.Duplicate(kEverything));
    sysmem::Token same = Must(no_map.Duplicate(SYSMEM_SAME_RIGHTS));
    struct Expected {
      sysmem::Token token;
      uint32_t rights;
    };
    std::vector<Expected> all;
    all.push_back({std::move(root), kHandOutRights});
    all.push_back({std::move(no_map), kHandOutRights & ~SYSMEM_RIGHT_MAP});
    all.push_back({std::move(no_write), kHandOutRights & ~SYSMEM_RIGHT_MAP & ~SYSMEM_RIGHT_WRITE});
    all.push_back(
        {std::move(asks_for_all), kHandOutRights & ~SYSMEM_RIGHT_MAP & ~SYSMEM_RIGHT_WRITE});
    all.push_back({std::move(same), kHandOutRights & ~SYSMEM_RIGHT_MAP});
    std::vector<sysmem::Collection> collections;
    for (Expected& each : all) {
      collections.push_back(Must(std::move(each.token).Bind()));
      SYSMEM_EXPECT_OK(collections.back().SetConstraints(WriterNeeds(1, kBytes)));
    }
    for (size_t i = 0; i < all.size(); ++i) {
      SCOPED_TRACE(i);
      auto buffers = collections[i].Wait(Patience());
      SYSMEM_ASSERT_OK(buffers);
      EXPECT_EQ(buffers->settings().rights, all[i].rights);
      if ((all[i].rights & SYSMEM_RIGHT_WRITE) != 0) {
        ExpectCanWrite(*buffers, i);
      } else {
        ExpectMayNotWrite(*buffers);
      }
    }
  });
  client_process.ExpectSuccess();
}

// RES-2: which usages write; RES-1: the others get no right to. Weak buffers as strong ones.
TEST(BufferRights, GoOnlyToParticipantsWhoseUsageWrites) {
  struct Case {
    sysmem::Usage usage;
    bool writes;
  };
  const std::vector<Case> cases = {
      {{.cpu = SYSMEM_CPU_USAGE_READ}, false},
      {{.cpu = SYSMEM_CPU_USAGE_READ_OFTEN}, false},
      {{.cpu = SYSMEM_CPU_USAGE_WRITE}, true},
      {{.cpu = SYSMEM_CPU_USAGE_WRITE_OFTEN}, true},
      {{.vulkan = SYSMEM_VULKAN_IMAGE_USAGE_SAMPLED}, false},
      {{.vulkan = SYSMEM_VULKAN_IMAGE_USAGE_TRANSFER_SRC}, false},
      {{.vulkan = SYSMEM_VULKAN_IMAGE_USAGE_TRANSFER_DST}, true},
      {{.vulkan = SYSMEM_VULKAN_IMAGE_USAGE_STORAGE}, true},
      {{.display = SYSMEM_DISPLAY_USAGE_LAYER}, false},
      {{.video = SYSMEM_VIDEO_USAGE_CAPTURE}, false},
      {{.video = SYSMEM_VIDEO_USAGE_HW_DECODER}, true},
      {{.video = SYSMEM_VIDEO_USAGE_HW_DECODER_INTERNAL}, true},
      {{.video = SYSMEM_VIDEO_USAGE_DECRYPTOR_OUTPUT}, true},
      {{.video = SYSMEM_VIDEO_USAGE_HW_ENCODER}, true},
      {{.none = SYSMEM_NONE_USAGE | SYSMEM_NONE_USAGE_PERMIT_ALLOCATION}, false},
  };
  DaemonProcess daemon;
  ASSERT_TRUE(daemon.ready());
  ClientProcess client_process(kClientUid, [&](ControlChannel&) {
    sysmem::Client client = ConnectOrDie(daemon.socket_path());
    for (size_t i = 0; i < 2 * cases.size(); ++i) {
      SCOPED_TRACE(i);
      const Case& each = cases[i / 2];
      const bool weak = i % 2 == 1;
      sysmem::Token root = Must(client.CreateToken());
      sysmem::Token child = Must(root.Duplicate());
      if (weak) SYSMEM_EXPECT_OK(child.SetWeak());
      sysmem::Collection owner = Must(std::move(root).Bind());
      sysmem::Collection user = Must(std::move(child).Bind());
      SYSMEM_EXPECT_OK(owner.SetConstraints(WriterNeeds(1, kBytes)));
      SYSMEM_EXPECT_OK(user.SetConstraints(sysmem::Constraints{.usage = each.usage}));
      auto buffers = user.Wait(Patience());
      SYSMEM_ASSERT_OK(buffers);
      EXPECT_EQ((*buffers)[0].is_weak, weak);
      if (each.writes) {
        ExpectCanWrite(*buffers, 0);
      } else {
        ExpectMayNotWrite(*buffers);
      }
    }
  });
  client_process.ExpectSuccess();
}

}  // namespace
}  // namespace sysmem::testing
