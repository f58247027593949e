// SPDX-License-Identifier: Apache-2.0
//
// Conformance cases that need what no library says: fields that are left out.
#include <sys/socket.h>

#include <vector>

#include "sysmem2/allocator.pb.h"
#include "sysmem2/group.pb.h"
#include "sysmem2/node.pb.h"
#include "sysmem2/token.pb.h"
#include "tests/hostile/hostile_fixture.h"

namespace sysmem::testing {
namespace {

class Wire : public HostileTest {};

sysmem2::Operation NameWithoutId(uint64_t handle) {
  sysmem2::Operation operation;
  operation.mutable_set_debug_client_info()->set_handle(handle);
  operation.mutable_set_debug_client_info()->set_name("foo");
  return operation;
}

// Case DBG-2
TEST_F(Wire, DebugInformationNeedsNoId) {
  auto client = Connect();
  constexpr uint64_t kToken = 1, kGroup = 2, kCollection = 3;
  sysmem2::Operation name_allocator;
  name_allocator.mutable_allocator_set_debug_client_info()->set_name("foo");
  sysmem2::Operation make_group;
  make_group.mutable_create_buffer_collection_token_group()->set_handle(kToken);
  make_group.mutable_create_buffer_collection_token_group()->set_group_handle(kGroup);
  const std::vector<sysmem2::Operation> steps = {name_allocator,
                                                 CreateToken(kToken),
                                                 NameWithoutId(kToken),
                                                 Sync(kToken),
                                                 make_group,
                                                 NameWithoutId(kGroup),
                                                 Sync(kGroup),
                                                 CreateAlone(kCollection),
                                                 NameWithoutId(kCollection),
                                                 Sync(kCollection)};
  for (const sysmem2::Operation& step : steps) {
    const sysmem2::RunReply reply = client->Run({step});
    EXPECT_TRUE(reply.failures().empty() && !reply.has_failure())
        << step.DebugString() << reply.DebugString();
  }
  // A token that travels has an identity outside of the session.
  sysmem2::Operation duplicate;
  duplicate.mutable_duplicate()->set_handle(kToken);
  duplicate.mutable_duplicate()->set_exported(true);
  duplicate.mutable_duplicate()->set_rights_attenuation_mask(UINT32_MAX);
  const sysmem2::RunReply made = client->Run({duplicate});
  ASSERT_TRUE(made.last().has_duplicate()) << made.DebugString();
  const base::UniqueFd travelling = client->Take(made.last().duplicate().descriptor_number());
  uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  ASSERT_EQ(::getsockopt(travelling.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
  sysmem2::Operation validate;
  validate.mutable_validate_buffer_collection_token()->set_token_server_koid(cookie);
  const sysmem2::RunReply validated = client->Run({validate});
  EXPECT_TRUE(validated.failures().empty()) << validated.DebugString();
  EXPECT_TRUE(validated.last().validate_buffer_collection_token().is_known());
}

}  // namespace
}  // namespace sysmem::testing
