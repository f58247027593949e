// SPDX-License-Identifier: Apache-2.0
//
// What users of the library see: its headers in C and C++, and nothing of what is inside.
#include <gtest/gtest.h>
#include <link.h>

#include <string>
#include <sysmem/sysmem.hpp>

extern "C" int TryFromC(void);

namespace {

TEST(CInterface, ServesAProgramWrittenInC) { EXPECT_EQ(TryFromC(), 0); }

TEST(Deadlines, OfTheFarFutureAreNever) {
  EXPECT_EQ(sysmem_deadline_after(INT64_MAX), SYSMEM_NO_DEADLINE);
  EXPECT_EQ(sysmem_deadline_after_ms(INT64_MAX), SYSMEM_NO_DEADLINE);
  EXPECT_EQ(sysmem::Deadline::Never().ns(), SYSMEM_NO_DEADLINE);
}

TEST(Deadlines, CountOnTheSteadyClock) {
  const auto now = std::chrono::steady_clock::now();
  const int64_t ns = sysmem::Deadline(now + std::chrono::hours(1)).ns();
  EXPECT_LE(ns, sysmem_deadline_after_ms(3'600'000));
  EXPECT_GT(ns, sysmem_deadline_after_ms(3'500'000));
}

TEST(Options, OfAnOlderProgramAreTaken) {
  // Only the first two fields, as a header without the others would have them.
  struct {
    size_t struct_size;
    const char* path;
  } old = {sizeof(old), "/nowhere/socket"};
  sysmem_client* client = nullptr;
  sysmem_failure* failure = nullptr;
  EXPECT_EQ(sysmem_connect(reinterpret_cast<sysmem_connect_options*>(&old), &client, &failure),
            SYSMEM_UNREACHABLE);
  EXPECT_NE(std::string(sysmem_failure_message(failure)).find("/nowhere/socket"),
            std::string::npos);
  sysmem_failure_free(failure);
}

TEST(Library, TellsItsVersion) { EXPECT_STRNE(sysmem_library_version(), ""); }

TEST(Failure, OfTheWrapperNamesWhatWasTried) {
  const auto client = sysmem::Client::Connect({.path = "/nowhere/socket"});
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.failure().status, sysmem::Status::kUnreachable);
  EXPECT_NE(client.failure().ToString().find("/nowhere/socket"), std::string::npos);
}

}  // namespace
