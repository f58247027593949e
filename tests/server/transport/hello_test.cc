// SPDX-License-Identifier: Apache-2.0
#include "server/transport/hello.h"

#include <gtest/gtest.h>

#include <string>

#include "sysmem2/session.pb.h"

namespace sysmem::server::transport {
namespace {

TEST(Hello, MayBeEmpty) { EXPECT_TRUE(ParseHello("").has_value()); }

TEST(Hello, SaysWhoIsThere) {
  sysmem2::Hello wire;
  wire.add_features("one");
  wire.set_library("libsysmem 0.1.0");
  wire.set_command("camera");
  const std::optional<Hello> hello = ParseHello(wire.SerializeAsString());
  ASSERT_TRUE(hello.has_value());
  EXPECT_EQ(hello->features, std::vector<std::string>{"one"});
  EXPECT_EQ(hello->library, "libsysmem 0.1.0");
  EXPECT_EQ(hello->command, "camera");
}

TEST(Hello, MayHaveFieldsFromTheFuture) {
  // Field 900, length 2.
  EXPECT_TRUE(ParseHello("\xa2\x38\x02zz").has_value());
}

TEST(Hello, IsNoHelloWhenItDoesNotParse) {
  EXPECT_FALSE(ParseHello("\xff\xff").has_value());
  EXPECT_FALSE(ParseHello("\x12\x01\xff").has_value()) << "the library's name is not UTF-8";
}

TEST(Welcome, NamesTheFeaturesOfBothSidesOnce) {
  EXPECT_EQ(FeaturesOfBoth({"c", "x", "a", "c"}, {"a", "b", "c"}),
            (std::vector<std::string>{"c", "a"}));
}

TEST(Welcome, CarriesVersionAndSession) {
  sysmem2::Welcome wire;
  ASSERT_TRUE(wire.ParseFromString(
      EncodeWelcome({.features = {"a"}, .server_version = "1.2.3", .session_id = 5})));
  EXPECT_EQ(wire.features(0), "a");
  EXPECT_EQ(wire.server_version(), "1.2.3");
  EXPECT_EQ(wire.session_id(), 5u);
}

TEST(SessionEnd, KeepsItsReasonByNameForEveryReason) {
  for (int i = 0; i <= static_cast<int>(EndReason::kShutdown); ++i) {
    const auto reason = static_cast<EndReason>(i);
    sysmem2::SessionEnded wire;
    ASSERT_TRUE(wire.ParseFromString(EncodeSessionEnd({reason, "because"})));
    EXPECT_EQ(sysmem2::SessionEndReason_Name(wire.reason()),
              std::string("SESSION_END_REASON_") + EndReasonName(reason));
    EXPECT_EQ(wire.message(), "because");
  }
}

TEST(SessionEnd, FitsIntoAMessageOfTheHandleChannel) {
  EXPECT_LT(EncodeSessionEnd({EndReason::kLimit, std::string(100'000, '\xff')}).size(), 1100u);
}

}  // namespace
}  // namespace sysmem::server::transport
