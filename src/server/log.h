// SPDX-License-Identifier: Apache-2.0
//
// The daemon's log: spdlog to standard error, written on the spot. (A queue in between would either
// stall those who log or lose lines without notice.) Where standard error is the journal, lines go
// to the journal's own socket with their fields (journal_sink.h): PRIORITY, and for what clients
// bring about SYSMEM_CLIENT_UID, SYSMEM_CLIENT_PID, SYSMEM_COLLECTION_ID, SYSMEM_COLLECTION_NAME,
// SYSMEM_NODE_ID, SYSMEM_RULE and SYSMEM_ERROR, as far as they are known.
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
#include <string>
#include <string_view>

#include "server/inspection.h"
#include "server/log_fields.h"

namespace sysmem::server {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

inline constexpr char kJournalSocket[] = "/run/systemd/journal/socket";

// Once, before the first thread is started. `journal_socket` is used if standard error is the
// journal and the socket is there.
void StartLogging(LogLevel level, const std::string& journal_socket = kJournalSocket);

// A line about what a client brought about: "client uid 1000 pid 4711 (name): WHAT".
struct ClientLine {
  LogLevel level = LogLevel::kWarning;
  const PeerInfo& peer;
  // Text of the client's may be in it as it came: control characters and the like are escaped.
  std::string_view what;
  LogFields fields = {};
  bool continues = false;  // goes on with the line before, and is let through with it
};
// Lines about one uid are limited, complaints (warnings and errors) and others apart; the next line
// that passes says how many were left out. False if it was left out.
bool LogOfClient(const ClientLine& line);

// A warning about a client.
void ComplainAbout(const PeerInfo& peer, std::string_view what);

// Lets through a burst of complaints about a uid and then one per interval. Remembers a bounded
// number of uids and forgets the one that has been quiet longest.
//
// Thread-safe.
class ComplaintLimiter {
 public:
  // Enough to see what goes wrong; a client that fails a thousand times a second brings about 9,000
  // complaints a day, each of one line or, where it tells of nodes or of choices, of some dozens.
  static constexpr uint64_t kBurst = 10;
  static constexpr int64_t kIntervalNs = 10'000'000'000;  // then one more is let through
  // Lines that somebody asked for (SetVerboseLogging): the story of some collections, and then no
  // more than a disk takes.
  static constexpr uint64_t kVerboseBurst = 1000;
  static constexpr int64_t kVerboseIntervalNs = 20'000'000;
  static constexpr size_t kMaxUids = 256;

  explicit ComplaintLimiter(uint64_t burst = kBurst, int64_t interval_ns = kIntervalNs)
      : burst_(burst), interval_ns_(interval_ns) {}

  // How many complaints about `uid` were held back since the last one that was let through; nothing
  // when this one is to be held back too. `now_ns` never decreases.
  std::optional<uint64_t> Admit(uid_t uid, int64_t now_ns);

 private:
  struct Account {
    uint64_t allowed = 0;
    uint64_t held_back = 0;
    int64_t refilled_ns = 0;
    int64_t used_ns = 0;
  };
  Account& AccountOf(uid_t uid, int64_t now_ns);

  const uint64_t burst_;
  const int64_t interval_ns_;
  std::mutex mutex_;
  std::map<uid_t, Account> accounts_;
};

}  // namespace sysmem::server
