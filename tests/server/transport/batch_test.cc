// SPDX-License-Identifier: Apache-2.0
#include "server/transport/batch.h"

#include <gtest/gtest.h>

#include <vector>

#include "server/transport/operation_table.h"
#include "server/transport/refusals.h"
#include "tests/server/transport/wire.h"

namespace sysmem::server::transport {
namespace {

core::Failure SomeFailure() { return {.outcome = core::Outcome::kClosed, .message = "gone"}; }

sysmem2::RunReply Answer(const ReadBody& body, std::vector<OperationResult> results) {
  return Decode<sysmem2::RunReply>(body.encode({.order = 4, .results = std::move(results)}));
}

const core::Failure& WhyRefused(const ReadBody& body) {
  EXPECT_EQ(body.operations.size(), 1u);
  return As<op::Malformed>(body.operations.front()).why;
}

TEST(Batch, KeepsItsOperationsInOrder) {
  sysmem2::RunRequest request;
  request.add_operations()->mutable_allocate_shared_collection()->set_token_handle(1);
  request.add_operations()->mutable_bind_shared_collection()->set_token_handle(1);
  request.add_operations()->mutable_set_constraints()->set_handle(2);
  request.add_operations()->mutable_wait_for_all_buffers_allocated()->set_handle(2);
  const ReadBody body = ParseBatch(request);
  ASSERT_EQ(body.operations.size(), 4u);
  EXPECT_EQ(As<op::AllocateSharedCollection>(body.operations[0]).token, 1u);
  EXPECT_EQ(As<op::BindSharedCollection>(body.operations[1]).token, 1u);
  EventOf<core::event::SetConstraints>(body.operations[2]);
  EventOf<core::event::Wait>(body.operations[3]);
}

TEST(Batch, LetsTheHandleDecideTheKindOfNode) {
  sysmem2::RunRequest request;
  request.add_operations()->mutable_release()->set_handle(1);
  EXPECT_EQ(As<op::NodeMessage>(ParseBatch(request).operations.front()).kind, std::nullopt);
}

TEST(Batch, MayBeEmpty) {
  const ReadBody body = ParseBatch(sysmem2::RunRequest());
  EXPECT_TRUE(body.operations.empty());
  const sysmem2::RunReply reply = Answer(body, {});
  EXPECT_EQ(reply.order(), 4u);
  EXPECT_FALSE(reply.has_failure());
  EXPECT_FALSE(reply.has_last());
}

TEST(Batch, IsRefusedAsAWholeForATwoWayOperationBeforeItsEnd) {
  sysmem2::RunRequest request;
  request.add_operations()->mutable_ping();
  request.add_operations()->mutable_sync()->set_handle(1);
  request.add_operations()->mutable_ping();
  const ReadBody body = ParseBatch(request);
  EXPECT_EQ(WhyRefused(body).rule, "WIRE-BATCH");
  EXPECT_EQ(WhyRefused(body).field, "operations[1]");
  const sysmem2::RunReply reply = Answer(body, {WhyRefused(body)});
  EXPECT_EQ(reply.failure().rule(), "WIRE-BATCH");
  EXPECT_EQ(reply.failures_size(), 0);
}

TEST(Batch, CountsAMethodThatExportsAsTwoWay) {
  sysmem2::RunRequest request;
  request.add_operations()->mutable_duplicate()->set_token_handle(2);
  request.add_operations()->mutable_ping();
  EXPECT_EQ(ParseBatch(request).operations.size(), 2u);
  request.mutable_operations(0)->mutable_duplicate()->set_exported(true);
  EXPECT_EQ(WhyRefused(ParseBatch(request)).field, "operations[0]");
  request.mutable_operations(0)->mutable_attach_token()->set_exported(true);
  EXPECT_EQ(WhyRefused(ParseBatch(request)).field, "operations[0]");
  request.mutable_operations(0)->mutable_attach_token()->set_exported(false);
  EXPECT_EQ(ParseBatch(request).operations.size(), 2u);
}

TEST(Batch, HoldsSoManyOperationsAndNoMore) {
  sysmem2::RunRequest request;
  for (size_t i = 0; i < kMaxBatchOperations; ++i) request.add_operations()->mutable_ping();
  EXPECT_EQ(ParseBatch(request).operations.size(), kMaxBatchOperations);
  request.add_operations()->mutable_ping();
  EXPECT_EQ(WhyRefused(ParseBatch(request)).rule, "WIRE-BOUND");
  EXPECT_EQ(WhyRefused(ParseBatch(request)).field, "operations");
}

TEST(Batch, GoesOnAroundAnOperationThatIsUnknownOrBad) {
  sysmem2::RunRequest request;
  request.add_operations();
  request.add_operations()->mutable_allocate_shared_collection()->set_exported(true);
  request.mutable_operations(1)->mutable_allocate_shared_collection()->set_token_handle(1);
  request.mutable_operations(1)->mutable_allocate_shared_collection()->set_exported(false);
  request.add_operations()->mutable_bind_shared_collection()->set_collection_handle(3);
  request.add_operations()->mutable_ping();
  const ReadBody body = ParseBatch(request);
  ASSERT_EQ(body.operations.size(), 4u);
  EXPECT_EQ(As<op::Malformed>(body.operations[0]).why.outcome, core::Outcome::kUnimplemented);
  As<op::AllocateSharedCollection>(body.operations[1]);
  EXPECT_EQ(As<op::Malformed>(body.operations[2]).why.field, "token");
  As<op::Ping>(body.operations[3]);
}

TEST(Batch, UsesUpTheDescriptorsItNamedWhenRefused) {
  sysmem2::RunRequest request;
  request.add_operations()->mutable_import_node()->set_descriptor_number(3);
  request.add_operations()->mutable_sync();
  request.add_operations()->mutable_bind_shared_collection()->set_token_descriptor(4);
  EXPECT_EQ(As<op::Malformed>(ParseBatch(request).operations.front()).used_up,
            (std::vector<DescriptorNumber>{3, 4}));
}

TEST(BatchReply, NamesFailuresByTheirPosition) {
  sysmem2::RunRequest request;
  for (int i = 0; i < 3; ++i) request.add_operations()->mutable_ping();
  const sysmem2::RunReply reply =
      Answer(ParseBatch(request), {core::Nothing{}, SomeFailure(), core::Nothing{}});
  ASSERT_EQ(reply.failures_size(), 1);
  EXPECT_EQ(reply.failures(0).index(), 1u);
  EXPECT_EQ(reply.failures(0).failure().outcome(), sysmem2::OUTCOME_CLOSED);
  EXPECT_FALSE(reply.has_last());
}

TEST(BatchReply, CarriesTheResultOfTheLastOperationUnderItsNumber) {
  sysmem2::RunRequest request;
  request.add_operations()->mutable_ping();
  request.add_operations()->mutable_get_buffer_collection_id();
  const sysmem2::RunReply reply =
      Answer(ParseBatch(request), {core::Nothing{}, OperationResult(uint64_t{6})});
  EXPECT_EQ(reply.last().get_buffer_collection_id().buffer_collection_id(), 6u);
  EXPECT_EQ(reply.failures_size(), 0);
}

TEST(BatchReply, NamesTheDescriptorOfAnAttachedTokenThatIsExported) {
  sysmem2::RunRequest request;
  request.add_operations()->mutable_attach_token()->set_exported(true);
  const sysmem2::RunReply reply = Answer(ParseBatch(request), {ExportedNodes{{7}}});
  EXPECT_EQ(reply.last().attach_token().descriptor_number(), 7u);
}

TEST(BatchReply, NamesTheDescriptorsOfGroupsAndTheirChildrenThatAreExported) {
  sysmem2::RunRequest request;
  request.add_operations()->mutable_create_buffer_collection_token_group()->set_exported(true);
  sysmem2::RunReply reply = Answer(ParseBatch(request), {ExportedNodes{{7}}});
  EXPECT_EQ(reply.last().create_buffer_collection_token_group().descriptor_number(), 7u);
  request.mutable_operations(0)->mutable_create_child()->set_exported(true);
  reply = Answer(ParseBatch(request), {ExportedNodes{{8}}});
  EXPECT_EQ(reply.last().create_child().descriptor_number(), 8u);
  request.mutable_operations(0)->mutable_create_children_sync()->set_exported(true);
  reply = Answer(ParseBatch(request), {ExportedNodes{{9, 10}}});
  EXPECT_EQ(reply.last().create_children_sync().descriptor_numbers_size(), 2);
  EXPECT_EQ(reply.last().create_children_sync().descriptor_numbers(1), 10u);
}

TEST(BatchReply, NamesANodeReferenceAndSaysWhatItWasAskedAbout) {
  sysmem2::RunRequest request;
  request.add_operations()->mutable_get_node_ref();
  sysmem2::RunReply reply = Answer(ParseBatch(request), {NodeReference{7}});
  EXPECT_EQ(reply.last().get_node_ref().node_ref(), 7u);
  request.mutable_operations(0)->mutable_is_alternate_for();
  reply = Answer(ParseBatch(request), {IsAlternate{true}});
  EXPECT_TRUE(reply.last().is_alternate_for().is_alternate());
  reply = Answer(ParseBatch(request), {IsAlternate{false}});
  EXPECT_TRUE(reply.last().has_is_alternate_for());
  EXPECT_FALSE(reply.last().is_alternate_for().is_alternate());
}

TEST(BatchReply, HasAFailedLastOperationAmongTheFailures) {
  sysmem2::RunRequest request;
  request.add_operations()->mutable_sync();
  const sysmem2::RunReply reply = Answer(ParseBatch(request), {SomeFailure()});
  ASSERT_EQ(reply.failures_size(), 1);
  EXPECT_EQ(reply.failures(0).index(), 0u);
  EXPECT_FALSE(reply.has_last());
  EXPECT_FALSE(reply.has_failure());
}

TEST(BatchReply, TellsExportsAndCreationsApart) {
  sysmem2::RunRequest request;
  request.add_operations()->mutable_duplicate()->set_exported(true);
  const OperationResult exported = ExportedNodes{.descriptors = {8}};
  EXPECT_EQ(Answer(ParseBatch(request), {exported}).last().duplicate().descriptor_number(), 8u);
  request.mutable_operations(0)->mutable_export_node();
  EXPECT_EQ(Answer(ParseBatch(request), {exported}).last().export_node().descriptor_number(), 8u);
}

// A row that is missing or out of order would not be found.
TEST(OperationTable, KnowsEveryOperationOfTheWire) {
  const auto* oneof = sysmem2::Operation::descriptor()->FindOneofByName("request");
  for (int i = 0; i < oneof->field_count(); ++i) {
    const auto number = static_cast<sysmem2::Operation::RequestCase>(oneof->field(i)->number());
    EXPECT_NE(FindOperation(number), nullptr) << oneof->field(i)->name();
  }
  EXPECT_EQ(FindOperation(sysmem2::Operation::REQUEST_NOT_SET), nullptr);
}

// An operation is two-way exactly if the wire has a result for it.
TEST(OperationTable, AgreesWithTheWireOnWhatIsTwoWay) {
  const auto* oneof = sysmem2::Operation::descriptor()->FindOneofByName("request");
  for (int i = 0; i < oneof->field_count(); ++i) {
    const auto& field = *oneof->field(i);
    sysmem2::Operation operation;
    auto* request = operation.GetReflection()->MutableMessage(&operation, &field);
    if (const auto* exported = request->GetDescriptor()->FindFieldByName("exported")) {
      request->GetReflection()->SetBool(request, exported, true);
    }
    const bool has_result =
        sysmem2::OperationResult::descriptor()->FindFieldByNumber(field.number()) != nullptr;
    const auto number = static_cast<sysmem2::Operation::RequestCase>(field.number());
    EXPECT_EQ(FindOperation(number)->two_way(operation), has_result) << field.name();
  }
}

}  // namespace
}  // namespace sysmem::server::transport
