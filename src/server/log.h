// SPDX-License-Identifier: Apache-2.0
//
// The daemon's log: spdlog to standard error, written on the spot. (A queue in between would either
// stall those who log or lose lines without notice.) Under systemd each line carries its level in
// the way the journal reads it.
//
// What clients do wrong is reported with ComplainAbout only: a hostile client then can neither fill
// the log nor forge a line of it. Everything else is logged with spdlog directly.
//
// Log with no lock held. Thread-safe after StartLogging.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>

#include "server/inspection.h"

namespace sysmem::server {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Once, before the first thread is started.
void StartLogging(LogLevel level);

// Logs a warning about a client: "client uid 1000 pid 4711 (name): WHAT". `what` may contain text
// of the client's as it came; control characters and the like are escaped here. Lines about one uid
// are limited (ComplaintLimiter); the next line that passes says how many were left out.
void ComplainAbout(const PeerInfo& peer, std::string_view what);

// Lets through a burst of complaints about a uid and then one per interval. Remembers a bounded
// number of uids and forgets the one that has been quiet longest.
//
// Thread-safe.
class ComplaintLimiter {
 public:
  static constexpr uint64_t kBurst = 10;
  static constexpr int64_t kIntervalNs = 10'000'000'000;  // then one more is let through
  static constexpr size_t kMaxUids = 256;

  // How many complaints about `uid` were held back since the last one that was let through; nothing
  // when this one is to be held back too. `now_ns` never decreases.
  std::optional<uint64_t> Admit(uid_t uid, int64_t now_ns);

 private:
  struct Account {
    uint64_t allowed = kBurst;
    uint64_t held_back = 0;
    int64_t refilled_ns = 0;
    int64_t used_ns = 0;
  };
  Account& AccountOf(uid_t uid, int64_t now_ns);

  std::mutex mutex_;
  std::map<uid_t, Account> accounts_;
};

}  // namespace sysmem::server
