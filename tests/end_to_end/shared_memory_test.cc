// SPDX-License-Identifier: Apache-2.0
//
// Three processes, one memory: a writer and two readers, as a decoder, an analyser and a presenter
// would be.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/end_to_end/observer.h"
#include "tests/end_to_end/participants.h"
#include "tests/end_to_end/rights_checks.h"

namespace sysmem::testing {
namespace {

constexpr uint32_t kBuffers = 5;
constexpr uint64_t kBytes = 96 << 10;
constexpr uint8_t kSeed = 41;

// Creates the collection, hands out `readers` tokens, takes part, writes when told.
void Write(ControlChannel& test, const std::string& path, size_t readers) {
  sysmem::Client client = ConnectOrDie(path);
  auto token = client.CreateToken();
  SYSMEM_ASSERT_OK(token);
  for (size_t i = 0; i < readers; ++i) {
    auto child = token->DuplicateExported();
    SYSMEM_ASSERT_OK(child);
    test.Send("token", FromLibrary(*std::move(child)));
  }
  auto joined = std::move(*token).Join(WriterNeeds(kBuffers - 2, kBytes), Patience());
  SYSMEM_ASSERT_OK(joined);
  ASSERT_EQ(joined->buffers.count(), kBuffers);
  EXPECT_FALSE(joined->buffers.settings().read_only);
  for (size_t i = 0; i < kBuffers; ++i) {
    WritePattern(joined->buffers, i, static_cast<uint8_t>(kSeed + i));
  }
  test.Send(NameMemory(joined->buffers));
  test.Expect("leave");
}

void ExpectSealed(const sysmem::Buffers& buffers, size_t index) {
  const int seals = ::fcntl(buffers[index].fd, F_GET_SEALS);
  EXPECT_EQ(seals & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
            F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  struct stat status {};
  EXPECT_EQ(::fstat(buffers[index].fd, &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_GE(static_cast<uint64_t>(status.st_size), kBytes);
  EXPECT_EQ(static_cast<uint64_t>(status.st_size), buffers.settings().raw_size_bytes);
}

// Joins with the token it is given; looks at the memory when told.
void Read(ControlChannel& test, const std::string& path, bool under_own_uid) {
  sysmem::Client client = ConnectOrDie(path);
  base::UniqueFd token = test.Expect("token").TakeDescriptor();
  auto joined = client.Join(ForLibrary(std::move(token)), ReaderNeeds(), Patience());
  SYSMEM_ASSERT_OK(joined);
  const sysmem::Buffers& buffers = joined->buffers;
  ASSERT_EQ(buffers.count(), kBuffers);
  EXPECT_TRUE(buffers.settings().read_only);
  for (size_t i = 0; i < kBuffers; ++i) {
    ExpectSealed(buffers, i);
    ExpectCannotWrite(buffers, i);
    if (under_own_uid) ExpectCannotReopen(buffers, i);
  }
  test.Send(NameMemory(buffers));
  test.Expect("look");
  for (size_t i = 0; i < kBuffers; ++i) {
    EXPECT_TRUE(HasPattern(buffers, i, static_cast<uint8_t>(kSeed + i))) << "buffer " << i;
  }
}

// The whole story, with readers under these uids.
void Share(const std::vector<uid_t>& readers_uids, bool under_own_uid) {
  DaemonProcess daemon;
  ASSERT_TRUE(daemon.ready());
  Observer observer(daemon);
  observer.TakeBaseline();
  ClientProcess writer(kClientUid, [&](ControlChannel& test) {
    Write(test, daemon.socket_path(), readers_uids.size());
  });
  std::vector<ClientProcess> readers;
  for (uid_t uid : readers_uids) {
    readers.emplace_back(
        uid, [&](ControlChannel& test) { Read(test, daemon.socket_path(), under_own_uid); });
    readers.back().control().Send("token", writer.control().Expect("token").TakeDescriptor());
  }
  const std::string memory = writer.control().Receive().text;  // the patterns are written
  for (ClientProcess& reader : readers) {
    EXPECT_EQ(reader.control().Receive().text, memory) << "device:inode per buffer";
    reader.control().Send("look");
    reader.ExpectSuccess();
  }
  writer.control().Send("leave");
  writer.ExpectSuccess();
  observer.ExpectBackToBaseline();
}

TEST(SharedMemory, IsTheSameForThreeProcessesAndOnlyTheWriterCanWrite) {
  Share({kClientUid, kOtherClientUid}, /*under_own_uid=*/false);
}

TEST(SharedMemory, CannotBeReopenedForWritingByReadersUnderOtherUidsThanTheDaemons) {
  SYSMEM_NEEDS_SEVERAL_UIDS();
  Share({kClientUid, kOtherClientUid}, /*under_own_uid=*/true);
}

TEST(SharedMemory, OfTheDaemonsOwnUidIsCalledAdvisory) {
  DaemonProcess daemon;
  ASSERT_TRUE(daemon.ready());
  ClientProcess reader(kDaemonUid, [&](ControlChannel&) {
    sysmem::Client client = ConnectOrDie(daemon.socket_path());
    auto collection = client.CreateNonSharedCollection();
    SYSMEM_ASSERT_OK(collection);
    SYSMEM_EXPECT_OK(collection->SetConstraints(
        sysmem::Constraints{.usage = sysmem::Usage{.cpu = SYSMEM_CPU_USAGE_READ},
                            .min_buffer_count_for_camping = 1,
                            .memory = sysmem::MemoryConstraints{.min_size_bytes = kBytes}}));
    auto buffers = collection->Wait(Patience());
    SYSMEM_ASSERT_OK(buffers);
    EXPECT_TRUE(buffers->settings().read_only);
    EXPECT_FALSE(buffers->settings().read_only_enforced);
  });
  reader.ExpectSuccess();
}

}  // namespace
}  // namespace sysmem::testing
