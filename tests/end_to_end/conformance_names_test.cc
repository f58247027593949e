// SPDX-License-Identifier: Apache-2.0
//
// Conformance: debug information and logging (DBG), names of collections and buffers (NAME),
// through the library and the wire. What the library cannot say (DBG-2) is said by a raw client.
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "tests/end_to_end/conformance_recipes.h"

namespace sysmem::testing {
namespace {

class Dbg : public Conformance {};
// Without ready-made buffers, whose files had their names before.
class Name : public Conformance {
 protected:
  Name() : Conformance({.arguments = {"--warm-pool", "0"}}) {}
};

nlohmann::json Inspect(sysmem::Client& client, const std::string& method,
                       const nlohmann::json& request) {
  auto answer = client.Inspect(method, request.dump(), Patience());
  SYSMEM_EXPECT_OK(answer);
  return answer.ok() ? nlohmann::json::parse(*answer) : nlohmann::json();
}

// Numbers of 64 bits are strings.
nlohmann::json ShowCollection(sysmem::Client& client, uint64_t collection_id) {
  return Inspect(client, "ShowCollection",
                 {{"buffer_collection_id", std::to_string(collection_id)}});
}

// Case DBG-1
TEST_F(Dbg, VerboseLoggingChangesNothingVisible) {
  sysmem::Token root = Root();
  SYSMEM_EXPECT_OK(root.SetVerboseLogging());
  sysmem::Token child = Dup(root);
  sysmem::Token grandchild = Dup(child);
  for (sysmem::Token* each : {&root, &child, &grandchild}) SYSMEM_EXPECT_OK(each->Sync(Patience()));
  std::array<sysmem::Collection, 3> chain = {Bind(std::move(root)), Bind(std::move(child)),
                                             Bind(std::move(grandchild))};
  SYSMEM_EXPECT_OK(chain[0].SetConstraints(Picky(kPage)));
  SYSMEM_EXPECT_OK(chain[1].SetConstraints(Picky(2 * kPage)));
  SYSMEM_EXPECT_OK(chain[2].SetConstraints(Empty()));
  for (sysmem::Collection& each : chain) EXPECT_TRUE(IsClosedOrIntersectionEmpty(Why(Wait(each))));
  sysmem::Token another = Root();
  SYSMEM_EXPECT_OK(another.Sync(Patience()));
}

// Case DBG-4
TEST_F(Dbg, TheAllocatorsNameIsTheLastWordOnATokenThatItBinds) {
  const std::string alphabet = "abcdefghijklmnopqrstuvwxyz";
  auto token = client().CreateToken();
  SYSMEM_ASSERT_OK(token);
  SYSMEM_EXPECT_OK(client().SetDebugClientInfo(alphabet, 5));
  SYSMEM_EXPECT_OK(token->SetDebugClientInfo("bad", 6));
  auto collection = std::move(*token).Bind();
  SYSMEM_ASSERT_OK(collection);
  auto id = collection->GetBufferCollectionId(Patience());
  SYSMEM_ASSERT_OK(id);
  const nlohmann::json shown = ShowCollection(client(), *id);
  ASSERT_EQ(shown["nodes"].size(), 1u) << shown;
  EXPECT_EQ(shown["nodes"][0].value("debug_name", "").find(alphabet), 0u) << shown;
  EXPECT_EQ(shown["nodes"][0].value("debug_id", ""), "5") << shown;
}

// Case NAME-1
TEST_F(Name, OfTheHighestPriorityIsTheBuffersWithItsIndex) {
  sysmem::Collection collection = Single();
  SYSMEM_EXPECT_OK(collection.SetName(2000000, "abcdefghijkl"));
  SYSMEM_EXPECT_OK(collection.SetName(0, "low_pri"));
  sysmem::MemoryConstraints memory = CpuOnly(kPage);
  SYSMEM_EXPECT_OK(collection.SetConstraints(sysmem::Constraints{
      .usage = sysmem::Usage{.cpu = kCpuReadWrite}, .min_buffer_count = 1, .memory = memory}));
  auto buffers = Wait(collection);
  SYSMEM_ASSERT_OK(buffers);
  ASSERT_EQ(buffers->count(), 1u);
  const nlohmann::json shown = ShowCollection(client(), buffers->collection_id());
  ASSERT_EQ(shown["buffers"].size(), 1u) << shown;
  EXPECT_EQ(shown["buffers"][0].value("name", ""), "abcdefghijkl:0") << shown;

  std::array<char, 256> target{};
  const std::string link = "/proc/self/fd/" + std::to_string((*buffers)[0].fd);
  ASSERT_GT(::readlink(link.c_str(), target.data(), target.size() - 1), 0);
  EXPECT_STREQ(target.data(), "/memfd:abcdefghijkl:0 (deleted)");
}

// Case NAME-2
TEST_F(Name, OfTheHighestPriorityIsCarriedOverFromTokenToCollection) {
  sysmem::Token token = Root();
  SYSMEM_EXPECT_OK(token.SetName(5, "c"));
  SYSMEM_EXPECT_OK(token.SetName(100, "a"));
  SYSMEM_EXPECT_OK(token.SetName(6, "b"));
  sysmem::Collection collection = Bind(std::move(token));
  SYSMEM_EXPECT_OK(collection.Sync(Patience()));
  const nlohmann::json list =
      Inspect(client(), "ListCollections", nlohmann::json::object())["collections"];
  ASSERT_EQ(list.size(), 1u) << list;
  EXPECT_EQ(list[0].value("name", ""), "a") << list;
  EXPECT_EQ(list[0].value("nodes", ""), "1") << list;
}

}  // namespace
}  // namespace sysmem::testing
