// SPDX-License-Identifier: Apache-2.0
#include "client/batch.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace sysmem::client {
namespace {

base::UniqueFd AnyDescriptor() { return base::UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

OperationRequest Sync(uint64_t handle) {
  return {.record = {.handle = handle}, .fill = [handle](sysmem2::Operation& operation, uint64_t) {
            operation.mutable_sync()->set_handle(handle);
          }};
}

OperationRequest Import(std::vector<base::UniqueFd> descriptors) {
  return {
      .fill = [](sysmem2::Operation& operation,
                 uint64_t first) { operation.mutable_import_node()->set_descriptor_number(first); },
      .descriptors = std::move(descriptors)};
}

TEST(Batch, KeepsCallsInTheOrderInWhichTheyWereMade) {
  Batch batch;
  uint64_t next = 1;
  for (uint64_t handle : {7, 9, 8}) batch.Add(Sync(handle), next);
  ASSERT_EQ(batch.request().operations_size(), 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(batch.request().operations(i).sync().handle(),
              batch.records()[static_cast<size_t>(i)].handle);
  }
  EXPECT_EQ(batch.records()[1].handle, 9u);
}

TEST(Batch, NumbersDescriptorsWithoutGapsOverCallsAndBatches) {
  Batch batch;
  uint64_t next = 5;
  std::vector<base::UniqueFd> two;
  two.push_back(AnyDescriptor());
  two.push_back(AnyDescriptor());
  batch.Add(Import(std::move(two)), next);
  batch.Add(Sync(1), next);
  std::vector<base::UniqueFd> one;
  one.push_back(AnyDescriptor());
  batch.Add(Import(std::move(one)), next);

  EXPECT_EQ(batch.first_descriptor(), 5u);
  EXPECT_EQ(batch.descriptors().size(), 3u);
  EXPECT_EQ(batch.request().operations(0).import_node().descriptor_number(), 5u);
  EXPECT_EQ(batch.request().operations(2).import_node().descriptor_number(), 7u);
  EXPECT_EQ(next, 8u);
}

TEST(Batch, IsFullWhenItHasEnoughCalls) {
  Batch batch;
  uint64_t next = 1;
  for (size_t i = 1; i < Batch::kMaxOperations; ++i) batch.Add(Sync(1), next);
  EXPECT_FALSE(batch.full());
  batch.Add(Sync(1), next);
  EXPECT_TRUE(batch.full());
}

TEST(Batch, IsFullWhenItHasEnoughBytes) {
  Batch batch;
  uint64_t next = 1;
  const std::string name(Batch::kMaxBytes / 2, 'x');
  const OperationRequest request{.fill = [&name](sysmem2::Operation& operation, uint64_t) {
    operation.mutable_set_name()->set_name(name);
  }};
  batch.Add({.fill = request.fill}, next);
  EXPECT_FALSE(batch.full());
  batch.Add({.fill = request.fill}, next);
  EXPECT_TRUE(batch.full());
}

TEST(Batch, IsFullWhenItHasAsManyDescriptorsAsMayWaitAtTheDaemon) {
  Batch batch;
  uint64_t next = 1;
  while (!batch.full()) {
    std::vector<base::UniqueFd> one;
    one.push_back(AnyDescriptor());
    batch.Add(Import(std::move(one)), next);
  }
  EXPECT_EQ(batch.descriptors().size(), Batch::kMaxDescriptors);
}

TEST(Batch, StartsAfreshOnceItsContentIsTaken) {
  Batch batch;
  uint64_t next = 1;
  batch.Add(Sync(1), next);
  const Batch taken = batch.Take();
  EXPECT_EQ(taken.records().size(), 1u);
  EXPECT_TRUE(batch.empty());
  batch.Add(Sync(2), next);
  EXPECT_EQ(batch.request().operations_size(), 1);
}

}  // namespace
}  // namespace sysmem::client
