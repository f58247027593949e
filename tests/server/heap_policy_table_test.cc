// SPDX-License-Identifier: Apache-2.0
//
// Policies of heaps, as configuration files say them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/config_file.h"

namespace sysmem::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

HeapPolicies Policies(const std::string& text) {
  const auto config = ParseConfig(text, "t.toml");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? config->heap_policies : HeapPolicies{};
}

TEST(HeapPolicyTable, NamesHeapsUsersAndCaps) {
  EXPECT_THAT(Policies("[[heap_policies]]\n"
                       "heap = [\"DMA_HEAP_SYSTEM\", \"org.example.heap\"]\n"
                       "users = [\"root\", \"4711\"]\n"
                       "max_buffers = 64\n"
                       "max_bytes = \"256MiB\"\n"
                       "max_bytes_per_user = 4096\n"
                       "[[heap_policies]]\n"
                       "heap = \"SYSTEM_RAM\"\n"),
              UnorderedElementsAre(Pair("linux.sysmem.heap.HEAP_TYPE.DMA_HEAP_SYSTEM",
                                        HeapPolicy{std::set<uid_t>{0, 4711}, 64, 256u << 20, 4096}),
                                   Pair("org.example.heap",
                                        HeapPolicy{std::set<uid_t>{0, 4711}, 64, 256u << 20, 4096}),
                                   Pair("fuchsia.sysmem.heap.HEAP_TYPE.SYSTEM_RAM", HeapPolicy{})));
}

TEST(HeapPolicyTable, TellsNobodyFromEverybody) {
  const HeapPolicies policies =
      Policies("[[heap_policies]]\nheap = \"A\"\nusers = []\n[[heap_policies]]\nheap = \"B\"\n");
  const std::string prefix = "linux.sysmem.heap.HEAP_TYPE.";
  EXPECT_FALSE(MayUse(policies.at(prefix + "A"), 1000, 1));
  EXPECT_TRUE(MayUse(policies.at(prefix + "A"), 0, 1));
  EXPECT_TRUE(MayUse(policies.at(prefix + "A"), 1, 1));
  EXPECT_TRUE(MayUse(policies.at(prefix + "B"), 1000, 1));
}

struct Mistake {
  const char* line;  // the third of the file
  const char* complaint;
};

TEST(HeapPolicyTable, SaysWhatIsWrongAndWhere) {
  const Mistake mistakes[] = {
      {"user = \"root\"", "t.toml:3: heap_policies.user: unknown key"},
      {"users = \"no-such-user\"", "t.toml:3: heap_policies.users: expected a user"},
      {"users = 4711", "t.toml:3: heap_policies.users: expected a text in quotes"},
      {"max_buffers = -1", "t.toml:3: heap_policies.max_buffers: expected a number, not -1"},
      {"max_bytes = \"many\"", "t.toml:3: heap_policies.max_bytes: expected a number of bytes"},
      {"max_bytes_per_user = 1.5", "t.toml:3: heap_policies.max_bytes_per_user: expected a number"},
      {"[[heap_policies]]\nheap = \"A\"", "t.toml:3: heap_policies.heap: linux.sysmem.heap."},
      {"[[heap_policies]]", "t.toml:3: heap_policies.heap: is missing"},
  };
  for (const Mistake& mistake : mistakes) {
    const auto config = ParseConfig(
        std::string("[[heap_policies]]\nheap = \"A\"\n") + mistake.line + "\n", "t.toml");
    ASSERT_FALSE(config.ok()) << mistake.line;
    EXPECT_THAT(std::string(config.status().message()), StartsWith(mistake.complaint));
  }
  EXPECT_FALSE(ParseConfig("heap_policies = 1\n", "t.toml").ok());
}

}  // namespace
}  // namespace sysmem::server
