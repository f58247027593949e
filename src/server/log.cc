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
#include "server/journal_sink.h"

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

void StartLogging(LogLevel level, const std::string& journal_socket) {
  spdlog::sink_ptr sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  if (IsStderrTheJournal() && ::access(journal_socket.c_str(), W_OK) == 0) {
    sink = MakeJournalSink(journal_socket, std::move(sink), STDERR_FILENO);
  }
  auto logger = std::make_shared<spdlog::logger>("sysmemd", std::move(sink));
  logger->set_formatter(MakeFormatter());
  logger->set_level(SpdlogLevel(level));
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
}

namespace {

// Those that are known.
JournalFields FieldsOf(const ClientLine& line) {
  JournalFields fields{{"SYSMEM_CLIENT_UID", std::to_string(line.peer.uid)},
                       {"SYSMEM_CLIENT_PID", std::to_string(line.peer.pid)}};
  const auto add = [&](const char* key, const std::string& value, bool known) {
    if (known) fields.emplace_back(key, value);
  };
  const LogFields& known = line.fields;
  add("SYSMEM_COLLECTION_ID", std::to_string(known.collection_id), known.collection_id != 0);
  add("SYSMEM_COLLECTION_NAME", known.collection_name, !known.collection_name.empty());
  add("SYSMEM_NODE_ID", std::to_string(known.node_id), known.node_id != 0);
  add("SYSMEM_RULE", known.rule, !known.rule.empty());
  add("SYSMEM_ERROR", known.error, !known.error.empty());
  return fields;
}

// Never destroyed: a thread that outlives main may still log.
ComplaintLimiter& LimiterOf(LogLevel level) {
  static ComplaintLimiter& complaints = *new ComplaintLimiter;
  static ComplaintLimiter& others =
      *new ComplaintLimiter(ComplaintLimiter::kVerboseBurst, ComplaintLimiter::kVerboseIntervalNs);
  return level >= LogLevel::kWarning ? complaints : others;
}

}  // namespace

bool LogOfClient(const ClientLine& line) {
  const PeerInfo& peer = line.peer;
  std::string omitted;
  if (!line.continues) {
    const std::optional<uint64_t> held_back =
        LimiterOf(line.level).Admit(peer.uid, EventLoop::NowNs());
    if (!held_back) return false;
    if (*held_back > 0) {
      omitted = absl::StrCat(" (", *held_back,
                             line.level >= LogLevel::kWarning ? " complaints" : " lines",
                             " about this uid left out)");
    }
  }
  const FieldsOfTheLine fields(FieldsOf(line));
  spdlog::log(SpdlogLevel(line.level), "client uid {} pid {} ({}): {}{}", peer.uid, peer.pid,
              base::Escape(peer.command),
              base::Escape(base::CutToBytes(line.what, kMaxComplaintBytes)), omitted);
  return true;
}

void ComplainAbout(const PeerInfo& peer, std::string_view what) {
  LogOfClient({.peer = peer, .what = what});
}

std::optional<uint64_t> ComplaintLimiter::Admit(uid_t uid, int64_t now_ns) {
  std::lock_guard lock(mutex_);
  Account& account = AccountOf(uid, now_ns);
  account.used_ns = now_ns;
  const int64_t intervals = (now_ns - account.refilled_ns) / interval_ns_;
  account.allowed = std::min(burst_, account.allowed + static_cast<uint64_t>(intervals));
  account.refilled_ns += intervals * interval_ns_;
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
  return accounts_.emplace(uid, Account{.allowed = burst_, .refilled_ns = now_ns}).first->second;
}

}  // namespace sysmem::server
