// SPDX-License-Identifier: Apache-2.0
//
// Log lines into the journal with what programs want to know of them as fields of their own:
// `journalctl SYSMEM_CLIENT_UID=1000 SYSMEM_RULE=M14`.
//
// The journal's native protocol is spoken here and not by sd_journal_sendv: that one waits for a
// journal that does not read, which here would be every client, and knows one socket only, which no
// test can stand in for.
#pragma once

#include <spdlog/common.h>

#include <string>
#include <utility>
#include <vector>

namespace sysmem::server {

using JournalFields = std::vector<std::pair<std::string, std::string>>;

// The fields of the lines that this thread logs while it lives, besides those that every line has.
// Not for one inside another.
class FieldsOfTheLine {
 public:
  explicit FieldsOfTheLine(JournalFields fields);
  ~FieldsOfTheLine();
  FieldsOfTheLine(const FieldsOfTheLine&) = delete;
  FieldsOfTheLine& operator=(const FieldsOfTheLine&) = delete;

 private:
  const JournalFields fields_;
};

// One datagram to the journal: "KEY=value" lines, values with a newline by their length.
std::string JournalDatagram(const JournalFields& fields);

// Sends to the journal's socket at `path`. What the journal does not take at once goes to
// `otherwise`, which writes to `otherwise_fd`; when that is full as well, the line is left out, and
// the next that is taken is preceded by one that says how many were. So a reader that stands still
// keeps no thread waiting. Thread-safe.
spdlog::sink_ptr MakeJournalSink(const std::string& path, spdlog::sink_ptr otherwise,
                                 int otherwise_fd);

}  // namespace sysmem::server
