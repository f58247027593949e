// SPDX-License-Identifier: Apache-2.0
//
// Method: one row per bound of interface.md 2.1 that a request can break; each row fills a request
// up to a size, which is tried at the bound and one above.
#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>
#include <variant>

#include "server/transport/parse.h"
#include "tests/server/transport/wire.h"

namespace sysmem::server::transport {
namespace {

// Where a broken bound is felt.
enum class Hurts { kNode, kNobody };

struct Bound {
  const char* name;
  int limit;
  const char* field;  // as the failure names it
  Hurts hurts;
  std::function<Operation(int size)> parse;
};

void PrintTo(const Bound& bound, std::ostream* out) { *out << bound.name; }

constexpr uint64_t kHandle = 12;

using Constraints = sysmem2::BufferCollectionConstraints;

Bound InConstraints(const char* name, int limit, const char* field,
                    std::function<void(Constraints&, int)> fill) {
  return {name, limit, field, Hurts::kNode, [fill](int size) {
            sysmem2::SetConstraintsRequest request;
            request.set_handle(kHandle);
            fill(*request.mutable_constraints(), size);
            return Parse(request);
          }};
}

// In the third entry of image_format_constraints.
Bound InImage(const char* name, int limit, const char* field,
              std::function<void(sysmem2::ImageFormatConstraints&)> add) {
  return InConstraints(name, limit, field, [add](Constraints& to, int size) {
    for (int i = 0; i < 3; ++i) to.add_image_format_constraints();
    for (int i = 0; i < size; ++i) add(*to.mutable_image_format_constraints(2));
  });
}

template <typename Request>
Operation WithName(int size) {
  Request request;
  if constexpr (requires { request.set_handle(1); }) request.set_handle(kHandle);
  request.set_name(std::string(static_cast<size_t>(size), 'n'));
  return Parse(request);
}

template <typename Request>
Operation WithMasks(int size) {
  Request request;
  request.set_handle(kHandle);
  request.mutable_rights_attenuation_masks();
  request.set_exported(true);
  for (int i = 0; i < size; ++i) request.mutable_rights_attenuation_masks()->add_masks(1);
  return Parse(request);
}

const Bound kBounds[] = {
    InConstraints("image_format_constraints", 64, "constraints.image_format_constraints",
                  [](Constraints& to, int size) {
                    for (int i = 0; i < size; ++i) to.add_image_format_constraints();
                  }),
    InConstraints("permitted_heaps", 64,
                  "constraints.buffer_memory_constraints.permitted_heaps.heaps",
                  [](Constraints& to, int size) {
                    auto* heaps = to.mutable_buffer_memory_constraints()->mutable_permitted_heaps();
                    for (int i = 0; i < size; ++i) heaps->add_heaps();
                  }),
    InConstraints("heap_type", 128,
                  "constraints.buffer_memory_constraints.permitted_heaps.heaps[1].heap_type",
                  [](Constraints& to, int size) {
                    auto* heaps = to.mutable_buffer_memory_constraints()->mutable_permitted_heaps();
                    heaps->add_heaps()->set_heap_type("short");
                    heaps->add_heaps()->set_heap_type(std::string(static_cast<size_t>(size), 'h'));
                  }),
    InImage("color_spaces", 32, "constraints.image_format_constraints[2].color_spaces",
            [](auto& image) { image.add_color_spaces(1); }),
    InImage("pixel_format_and_modifiers", 64,
            "constraints.image_format_constraints[2].pixel_format_and_modifiers",
            [](auto& image) { image.add_pixel_format_and_modifiers(); }),
    InImage("required_max_size_list", 64,
            "constraints.image_format_constraints[2].required_max_size_list",
            [](auto& image) { image.add_required_max_size_list(); }),
    {"duplicates", 64, "rights_attenuation_masks", Hurts::kNode,
     WithMasks<sysmem2::DuplicateSyncRequest>},
    {"children", 64, "rights_attenuation_masks", Hurts::kNode,
     WithMasks<sysmem2::CreateChildrenSyncRequest>},
    {"set_name", 64, "name", Hurts::kNode, WithName<sysmem2::SetNameRequest>},
    {"client_name_of_a_node", 256, "name", Hurts::kNode,
     WithName<sysmem2::SetDebugClientInfoRequest>},
    {"client_name_of_the_allocator", 256, "name", Hurts::kNobody,
     WithName<sysmem2::AllocatorSetDebugClientInfoRequest>},
};

class ParseBounds : public ::testing::TestWithParam<Bound> {};

const core::Failure* FailureOf(const Operation& operation) {
  if (const auto* malformed = std::get_if<op::Malformed>(&operation)) return &malformed->why;
  if (const auto* message = std::get_if<op::NodeMessage>(&operation)) {
    if (const auto* bad = std::get_if<core::event::BadMessage>(&message->event)) return &bad->why;
  }
  return nullptr;
}

TEST_P(ParseBounds, AreNotPassedAtTheLimit) {
  EXPECT_EQ(FailureOf(GetParam().parse(GetParam().limit)), nullptr);
}

TEST_P(ParseBounds, AreRefusedAboveTheLimitWithFieldAndFigures) {
  const Operation operation = GetParam().parse(GetParam().limit + 1);
  const core::Failure* failure = FailureOf(operation);
  ASSERT_NE(failure, nullptr);
  EXPECT_EQ(failure->outcome, core::Outcome::kRefused);
  EXPECT_EQ(failure->error, core::Error::kProtocolDeviation);
  EXPECT_EQ(failure->rule, "WIRE-BOUND");
  EXPECT_EQ(failure->field, GetParam().field);
  EXPECT_NE(failure->message.find(std::to_string(GetParam().limit + 1)), std::string::npos);
  EXPECT_NE(failure->message.find(std::to_string(GetParam().limit)), std::string::npos);
}

TEST_P(ParseBounds, FailTheNodeTheMessageWasFor) {
  const Operation operation = GetParam().parse(GetParam().limit + 1);
  if (GetParam().hurts == Hurts::kNobody) {
    EXPECT_TRUE(std::holds_alternative<op::Malformed>(operation));
  } else {
    EXPECT_EQ(As<op::NodeMessage>(operation).handle, kHandle);
  }
}

INSTANTIATE_TEST_SUITE_P(Each, ParseBounds, ::testing::ValuesIn(kBounds),
                         [](const auto& tried) { return std::string(tried.param.name); });

TEST(ParseBounds, CountBytesAndNotCharacters) {
  sysmem2::SetNameRequest request;
  for (int i = 0; i < 22; ++i) request.mutable_name()->append("\u65e5");  // three bytes each
  EXPECT_EQ(EventOf<core::event::BadMessage>(Parse(request)).why.field, "name");
}

}  // namespace
}  // namespace sysmem::server::transport
