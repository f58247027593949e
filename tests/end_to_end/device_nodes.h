// SPDX-License-Identifier: Apache-2.0
//
// Device nodes that everybody may use for the length of a test: in the virtual machine the kernel
// made them for root, and the daemon and its clients are others there.
#pragma once

#include <sys/stat.h>

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace sysmem::testing {

inline constexpr char kDmaHeapNode[] = "/dev/dma_heap/system";
inline constexpr char kUdmabufNode[] = "/dev/udmabuf";
inline constexpr char kDmaHeapSystem[] = "linux.sysmem.heap.HEAP_TYPE.DMA_HEAP_SYSTEM";
inline constexpr char kUdmabuf[] = "linux.sysmem.heap.HEAP_TYPE.UDMABUF";

class NodesForEverybody {
 public:
  NodesForEverybody() = default;
  NodesForEverybody(const NodesForEverybody&) = delete;
  NodesForEverybody& operator=(const NodesForEverybody&) = delete;
  ~NodesForEverybody() {
    for (const auto& [node, mode] : modes_) EXPECT_EQ(::chmod(node.c_str(), mode), 0) << node;
  }
  // False if it is not there, or not ours to give.
  bool Open(const std::string& node) {
    struct stat status {};
    if (::stat(node.c_str(), &status) != 0 || ::chmod(node.c_str(), 0666) != 0) return false;
    modes_.emplace_back(node, status.st_mode & 07777);
    return true;
  }

 private:
  std::vector<std::pair<std::string, mode_t>> modes_;
};

}  // namespace sysmem::testing

// In SetUp: opens a node, or skips the test, by name.
#define SYSMEM_OPEN_NODE(nodes, node)                                                       \
  if (!(nodes).Open(node)) {                                                                \
    GTEST_SKIP() << ::testing::UnitTest::GetInstance()->current_test_info()->name() << ": " \
                 << (node) << " is not there for this test";                                \
  }
