// SPDX-License-Identifier: Apache-2.0
//
// The text format of Prometheus 0.0.4.
#include "tools/sysmemctl/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "tests/support/daemon_process.h"
#include "tests/tools/sysmemctl/sysmemctl.h"

namespace sysmem::ctl {
namespace {

using ::testing::HasSubstr;

// Every sample belongs to the family that was begun last, and no family begins twice.
void ExpectWellFormed(const std::string& text) {
  const std::regex comment("# (HELP|TYPE) (sysmemd_[a-z0-9_]+) .+");
  const std::regex sample(
      "(sysmemd_[a-z0-9_]+)(\\{([a-z_]+=\"([^\"\\\\\n]|\\\\.)*\",?)+\\})? [0-9]+");
  std::set<std::string> families;
  std::string family;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, comment)) {
      if (match[1] == "HELP") {
        EXPECT_TRUE(families.insert(match[2]).second) << line;
      }
      family = match[2];
      continue;
    }
    ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
    EXPECT_EQ(match[1], family);
  }
  EXPECT_GT(families.size(), 20u);
}

TEST(Metrics, EscapeWhatTheFormatReserves) {
  const Json heaps =
      Json::array({{{"heap", {{"heap_type", "a\"b\\c\nd"}}}, {"usable", true}, {"bytes", "4096"}}});
  EXPECT_THAT(MetricsText(Json::object(), heaps),
              HasSubstr("sysmemd_heap_bytes{heap=\"a\\\"b\\\\c\\nd\",id=\"0\"} 4096\n"));
}

TEST(Metrics, TellWhatNeverFallsFromWhatIsNow) {
  const Json status = {
      {"counters",
       Json::array({{{"name", "warm_pool_buffers"}, {"value", "3"}, {"description", "now, made"}},
                    {{"name", "warm_pool_hits"}, {"value", "7"}, {"description", "allocated"}}})}};
  const std::string text = MetricsText(status, Json::array());
  EXPECT_THAT(text,
              HasSubstr("# TYPE sysmemd_warm_pool_buffers gauge\nsysmemd_warm_pool_buffers 3"));
  EXPECT_THAT(
      text,
      HasSubstr("# TYPE sysmemd_warm_pool_hits_total counter\nsysmemd_warm_pool_hits_total 7"));
}

TEST(MetricsProgram, PrintsWellFormedText) {
  const testing::DaemonProcess daemon;
  ASSERT_TRUE(daemon.ready());
  const testing::Ended ended = Sysmemctl({"--socket", daemon.socket_path(), "metrics"});
  ASSERT_EQ(ended.exit_code, 0) << ended.output;
  ExpectWellFormed(ended.output);
  EXPECT_THAT(ended.output, HasSubstr("sysmemd_sessions 1\n"));
  EXPECT_THAT(ended.output,
              HasSubstr("sysmemd_heap_usable{heap=\"fuchsia.sysmem.heap.HEAP_TYPE.SYSTEM_RAM\","
                        "id=\"0\"} 1\n"));
}

}  // namespace
}  // namespace sysmem::ctl
