// SPDX-License-Identifier: Apache-2.0
#include "tests/end_to_end/participants.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/unix_socket.h"
#include "tests/support/patience.h"

namespace sysmem::testing {

sysmem::Constraints WriterNeeds(uint32_t buffers, uint64_t bytes) {
  return {.usage = sysmem::Usage{.cpu = SYSMEM_CPU_USAGE_READ | SYSMEM_CPU_USAGE_WRITE},
          .min_buffer_count_for_camping = buffers,
          .memory = sysmem::MemoryConstraints{.min_size_bytes = bytes}};
}

sysmem::Constraints ReaderNeeds(uint32_t buffers) {
  return {.usage = sysmem::Usage{.cpu = SYSMEM_CPU_USAGE_READ},
          .min_buffer_count_for_camping = buffers};
}

sysmem::Deadline Patience() { return kPatience; }

sysmem::Client ConnectOrDie(const std::string& path) {
  auto client = sysmem::Client::Connect({.path = path, .timeout = kPatience});
  if (client.ok()) return *std::move(client);
  std::fprintf(stderr, "%s\n", client.failure().text.c_str());
  std::fflush(nullptr);
  ::_exit(EXIT_FAILURE);
}

std::string NameMemory(const sysmem::Buffers& buffers) {
  std::string names;
  for (size_t i = 0; i < buffers.count(); ++i) {
    struct stat status {};
    EXPECT_EQ(::fstat(buffers[i].fd, &status), 0);
    EXPECT_EQ(status.st_dev, buffers[i].device);
    EXPECT_EQ(status.st_ino, buffers[i].inode);
    names += std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) + " ";
  }
  return names;
}

bool AwaitReadable(int fd) {
  auto readable = base::WaitReadable(base::BorrowedFd(fd), kPatience);
  EXPECT_TRUE(readable.ok()) << readable.status();
  return readable.ok() && *readable;
}

void WritePattern(const sysmem::Buffers& buffers, size_t index, uint8_t seed) {
  auto mapping = buffers.Map(index, SYSMEM_ACCESS_WRITE);
  SYSMEM_ASSERT_OK(mapping);
  auto access = mapping->Access(SYSMEM_ACCESS_WRITE);
  SYSMEM_ASSERT_OK(access);
  for (size_t i = 0; i < mapping->size(); ++i) {
    mapping->data()[i] = static_cast<uint8_t>(seed + i * 7);
  }
}

bool HasPattern(const sysmem::Buffers& buffers, size_t index, uint8_t seed) {
  auto mapping = buffers.Map(index, SYSMEM_ACCESS_READ);
  if (!mapping.ok()) return false;
  auto access = mapping->Access(SYSMEM_ACCESS_READ);
  if (!access.ok()) return false;
  for (size_t i = 0; i < mapping->size(); ++i) {
    if (mapping->data()[i] != static_cast<uint8_t>(seed + i * 7)) return false;
  }
  return true;
}

void ExpectServed(sysmem::Client& client) {
  auto collection = client.CreateNonSharedCollection();
  SYSMEM_ASSERT_OK(collection);
  SYSMEM_EXPECT_OK(collection->SetConstraints(WriterNeeds(1, 4096)));
  auto buffers = collection->Wait(Patience());
  SYSMEM_ASSERT_OK(buffers);
  EXPECT_EQ(buffers->count(), 1u);
}

}  // namespace sysmem::testing
