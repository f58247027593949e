// SPDX-License-Identifier: Apache-2.0
//
// The kernel's makers of dma-bufs, for tests that are skipped, by name, where it has none.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/unique_fd.h"

namespace sysmem::heaps {

inline constexpr char kDmaHeapSystem[] = "/dev/dma_heap/system";
inline constexpr char kUdmabuf[] = "/dev/udmabuf";

inline base::UniqueFd OpenNode(const char* path) {
  return base::UniqueFd(::open(path, O_RDONLY | O_CLOEXEC));
}

}  // namespace sysmem::heaps

// First statement of a test.
#define SYSMEM_NEEDS_NODE(path)                                                     \
  if (!::sysmem::heaps::OpenNode(path)) {                                           \
    GTEST_SKIP() << ::testing::UnitTest::GetInstance()->current_test_info()->name() \
                 << ": this process cannot open " << (path);                        \
  }
