// SPDX-License-Identifier: Apache-2.0
#include "server/known_buffers.h"

#include <gtest/gtest.h>

#include <memory>

namespace sysmem::server {
namespace {

constexpr uid_t kAnn = 1000;
constexpr uid_t kBob = 1001;

heaps::BufferIdentity Buffer(ino_t inode, int64_t born_ns = 1) {
  return {.device = 1, .inode = inode, .born_ns = born_ns};
}
KnownBuffers::Settings OfSize(uint64_t bytes) {
  core::SingleBufferSettings settings;
  settings.buffer.size_bytes = bytes;
  return std::make_shared<const core::SingleBufferSettings>(settings);
}
uint64_t SizeOf(const KnownBuffers& known, const heaps::BufferIdentity& buffer) {
  const KnownBuffers::Settings settings = known.Find(buffer);
  return settings == nullptr ? 0 : settings->buffer.size_bytes;
}

TEST(KnownBuffers, AreKnownByTheirMemory) {
  KnownBuffers known(8);
  known.Add({Buffer(1), Buffer(2)}, OfSize(10));
  known.Add({Buffer(3)}, OfSize(30));
  EXPECT_EQ(SizeOf(known, Buffer(2)), 10u);
  EXPECT_EQ(SizeOf(known, Buffer(3)), 30u);
  EXPECT_EQ(known.Find(Buffer(4)), nullptr);
  EXPECT_EQ(known.Find({.device = 2, .inode = 1, .born_ns = 1}), nullptr);
  EXPECT_EQ(known.Find(Buffer(1, 2)), nullptr) << "a later file with the same number";
}

TEST(KnownBuffers, AreStillKnownWhenTheDaemonHoldsThemNoMore) {
  KnownBuffers known(8);
  known.Add({Buffer(1), Buffer(2)}, OfSize(10));
  known.LetGo({Buffer(1), Buffer(2)}, kAnn, true);
  EXPECT_EQ(SizeOf(known, Buffer(1)), 10u);
  EXPECT_EQ(known.former(), 2u);
}

TEST(KnownBuffers, AreForgottenAtOnceIfNobodyCanHaveThem) {
  KnownBuffers known(8);
  known.Add({Buffer(1)}, OfSize(10));
  known.LetGo({Buffer(1)}, kAnn, false);
  EXPECT_EQ(known.Find(Buffer(1)), nullptr);
  EXPECT_EQ(known.former(), 0u);
}

TEST(KnownBuffers, AreForgottenAtOnceIfTheirNumberMayComeAgain) {
  KnownBuffers known(8);
  known.Add({Buffer(1, 0)}, OfSize(10));
  EXPECT_EQ(SizeOf(known, Buffer(1, 0)), 10u) << "as long as it is held, nothing else has it";
  known.LetGo({Buffer(1, 0)}, kAnn, true);
  EXPECT_EQ(known.Find(Buffer(1, 0)), nullptr);
  EXPECT_EQ(known.former(), 0u);
}

TEST(KnownBuffers, GoOldestFirstAndFirstThoseOfWhoHasMost) {
  KnownBuffers known(4);
  known.Add({Buffer(1)}, OfSize(10));
  known.LetGo({Buffer(1)}, kBob, true);
  for (ino_t inode = 10; inode < 20; ++inode) {
    known.Add({Buffer(inode)}, OfSize(inode));
    known.LetGo({Buffer(inode)}, kAnn, true);
  }
  EXPECT_EQ(known.former(), 4u);
  EXPECT_EQ(SizeOf(known, Buffer(1)), 10u) << "another user's";
  EXPECT_EQ(known.Find(Buffer(16)), nullptr);
  for (ino_t inode = 17; inode < 20; ++inode) EXPECT_EQ(SizeOf(known, Buffer(inode)), inode);
}

TEST(KnownBuffers, AreNoneWithoutRoomForAny) {
  KnownBuffers known(0);
  known.Add({Buffer(1)}, OfSize(10));
  known.LetGo({Buffer(1)}, kAnn, true);
  EXPECT_EQ(known.Find(Buffer(1)), nullptr);
}

}  // namespace
}  // namespace sysmem::server
