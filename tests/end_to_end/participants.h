// SPDX-License-Identifier: Apache-2.0
//
// What participants in these tests have in common: how they connect, what they need, and how they
// recognise memory.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <sysmem/sysmem.hpp>

#include "base/unique_fd.h"

namespace sysmem::testing {

// Descriptors between the library's owner and ours.
inline sysmem::UniqueFd ForLibrary(base::UniqueFd fd) { return sysmem::UniqueFd(fd.release()); }
inline base::UniqueFd FromLibrary(sysmem::UniqueFd fd) { return base::UniqueFd(fd.release()); }

// Buffers of `bytes` for the CPU: one who writes, one who only reads.
sysmem::Constraints WriterNeeds(uint32_t buffers, uint64_t bytes);
sysmem::Constraints ReaderNeeds(uint32_t buffers = 1);

// By when a test gives up waiting.
sysmem::Deadline Patience();

// A session, or the end of the process: nothing here works without one.
sysmem::Client ConnectOrDie(const std::string& path);

// "device:inode device:inode ...", the same for everybody who has the same memory.
std::string NameMemory(const sysmem::Buffers& buffers);

// Waits until `fd` is readable or hangs up. False after kPatience.
bool AwaitReadable(int fd);

// The content of a buffer becomes, or is, a pattern of this seed.
void WritePattern(const sysmem::Buffers& buffers, size_t index, uint8_t seed);
bool HasPattern(const sysmem::Buffers& buffers, size_t index, uint8_t seed);

// A whole life with one participant.
void ExpectServed(sysmem::Client& client);

}  // namespace sysmem::testing

// The value of a Result, or the end of the test with what the failure says.
#define SYSMEM_ASSERT_OK(result) ASSERT_TRUE((result).ok()) << (result).failure().text
#define SYSMEM_EXPECT_OK(expression)                                   \
  if (auto&& sysmem_outcome = (expression); true) {                    \
    EXPECT_TRUE(sysmem_outcome.ok()) << sysmem_outcome.failure().text; \
  }
// A Result without value, for this reason.
#define SYSMEM_EXPECT_STATUS(expression, expected)                                         \
  if (auto&& sysmem_outcome = (expression); sysmem_outcome.ok()) {                         \
    ADD_FAILURE() << #expression << " went well";                                          \
  } else {                                                                                 \
    EXPECT_EQ(sysmem_outcome.failure().status, expected) << sysmem_outcome.failure().text; \
  }
