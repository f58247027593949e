// SPDX-License-Identifier: Apache-2.0
#include "server/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/escape.h"
#include "server/event_loop.h"

namespace sysmem::server {
namespace {

// A client's text may be long; what matters of it stands at its beginning.
constexpr size_t kMaxComplaintBytes = 2048;

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// "<6>" before a line: its syslog level (sd-daemon(3)).
class JournalLevel : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const std::string_view prefix = message.level >= spdlog::level::err    ? "<3>"
                                    : message.level == spdlog::level::warn ? "<4>"
                                    : message.level == spdlog::level::info ? "<6>"
                                                                           : "<7>";
    out.append(prefix.data(), prefix.data() + prefix.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JournalLevel>();
  }
};

// systemd names the journal's stream as "device:inode". Children of a service inherit the variable
// even when their standard error is something else.
bool IsStderrTheJournal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat error_stream {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &error_stream) != 0) return false;
  return absl::StrCat(error_stream.st_dev, ":", error_stream.st_ino) == stream;
}

std::unique_ptr<spdlog::formatter> MakeFormatter() {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  if (IsStderrTheJournal()) {  // which has its own clock
    formatter->add_flag<JournalLevel>('*').set_pattern("%*%v");
  } else {
    formatter->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%-7l%$ %v");
  }
  return formatter;
}

}  // namespace

void StartLogging(LogLevel level) {
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  auto logger = std::make_shared<spdlog::logger>("sysmemd", std::move(sink));
  logger->set_formatter(MakeFormatter());
  logger->set_level(SpdlogLevel(level));
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
}

void ComplainAbout(const PeerInfo& peer, std::string_view what) {
  // Never destroyed: a thread that outlives main may still complain.
  static ComplaintLimiter& limiter = *new ComplaintLimiter;
  const std::optional<uint64_t> held_back = limiter.Admit(peer.uid, EventLoop::NowNs());
  if (!held_back) return;
  const std::string omitted =
      *held_back == 0 ? "" : absl::StrCat(" (", *held_back, " complaints about this uid left out)");
  spdlog::warn("client uid {} pid {} ({}): {}{}", peer.uid, peer.pid, base::Escape(peer.command),
               base::Escape(base::CutToBytes(what, kMaxComplaintBytes)), omitted);
}

std::optional<uint64_t> ComplaintLimiter::Admit(uid_t uid, int64_t now_ns) {
  std::lock_guard lock(mutex_);
  Account& account = AccountOf(uid, now_ns);
  account.used_ns = now_ns;
  const int64_t intervals = (now_ns - account.refilled_ns) / kIntervalNs;
  account.allowed = std::min(kBurst, account.allowed + static_cast<uint64_t>(intervals));
  account.refilled_ns += intervals * kIntervalNs;
  if (account.allowed == 0) {
    ++account.held_back;
    return std::nullopt;
  }
  --account.allowed;
  return std::exchange(account.held_back, 0);
}

ComplaintLimiter::Account& ComplaintLimiter::AccountOf(uid_t uid, int64_t now_ns) {
  const auto found = accounts_.find(uid);
  if (found != accounts_.end()) return found->second;
  if (accounts_.size() >= kMaxUids) {
    accounts_.erase(std::min_element(
        accounts_.begin(), accounts_.end(),
        [](const auto& a, const auto& b) { return a.second.used_ns < b.second.used_ns; }));
  }
  return accounts_.emplace(uid, Account{.refilled_ns = now_ns}).first->second;
}

}  // namespace sysmem::server
