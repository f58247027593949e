// SPDX-License-Identifier: Apache-2.0
#include "server/journal_sink.h"

#include <endian.h>
#include <poll.h>
#include <spdlog/details/log_msg.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <memory>
#include <mutex>

#include "base/escape.h"
#include "base/unique_fd.h"

namespace sysmem::server {
namespace {

// So that a line with all its fields fits into a datagram of the smallest size that systems have.
constexpr size_t kMaxValueBytes = 4096;

thread_local const JournalFields* fields_of_the_line = nullptr;

// syslog(3).
const char* Priority(spdlog::level::level_enum level) {
  if (level >= spdlog::level::err) return "3";
  if (level == spdlog::level::warn) return "4";
  return level == spdlog::level::info ? "6" : "7";
}

class JournalSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  JournalSink(const std::string& path, spdlog::sink_ptr otherwise, int otherwise_fd)
      : otherwise_(std::move(otherwise)), otherwise_fd_(otherwise_fd) {
    if (path.size() < sizeof(address_.sun_path)) path.copy(address_.sun_path, path.size());
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (missing_ > 0) {
      const std::string text = std::to_string(missing_) +
                               " log lines are missing here: neither the journal nor standard "
                               "error took them";
      if (Deliver({message.logger_name, spdlog::level::warn, text}, {})) missing_ = 0;
    }
    if (!Deliver(message, fields_of_the_line != nullptr ? *fields_of_the_line : JournalFields{})) {
      ++missing_;
    }
  }
  void flush_() override {}
  void set_formatter_(std::unique_ptr<spdlog::formatter> formatter) override {
    otherwise_->set_formatter(std::move(formatter));  // fields need none
  }

 private:
  // False: nobody takes it now.
  bool Deliver(const spdlog::details::log_msg& message, const JournalFields& further) {
    JournalFields fields{{"MESSAGE", {message.payload.data(), message.payload.size()}},
                         {"PRIORITY", Priority(message.level)},
                         {"SYSLOG_IDENTIFIER", "sysmemd"}};
    if (!message.source.empty()) {
      fields.emplace_back("CODE_FILE", message.source.filename);
      fields.emplace_back("CODE_LINE", std::to_string(message.source.line));
      fields.emplace_back("CODE_FUNC", message.source.funcname);
    }
    fields.insert(fields.end(), further.begin(), further.end());
    if (Send(JournalDatagram(fields))) return true;
    // Standard error of a service is read by the same journal.
    pollfd state{.fd = otherwise_fd_, .events = POLLOUT, .revents = 0};
    if (::poll(&state, 1, 0) <= 0 || (state.revents & POLLOUT) == 0) return false;
    otherwise_->log(message);
    return true;
  }

  bool Send(const std::string& datagram) {
    if (!socket_) socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto sent =
        ::sendto(socket_.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                 reinterpret_cast<const sockaddr*>(&address_), sizeof(address_));
    return sent == static_cast<ssize_t>(datagram.size());
  }

  const spdlog::sink_ptr otherwise_;
  const int otherwise_fd_;
  uint64_t missing_ = 0;  // lines that nobody took, and nobody was told of
  sockaddr_un address_{.sun_family = AF_UNIX, .sun_path = {}};
  base::UniqueFd socket_;
};

}  // namespace

FieldsOfTheLine::FieldsOfTheLine(JournalFields fields) : fields_(std::move(fields)) {
  fields_of_the_line = &fields_;
}
FieldsOfTheLine::~FieldsOfTheLine() { fields_of_the_line = nullptr; }

std::string JournalDatagram(const JournalFields& fields) {
  std::string datagram;
  for (const auto& [key, whole] : fields) {
    const std::string_view value = base::CutToBytes(whole, kMaxValueBytes);
    datagram += key;
    if (value.find('\n') == std::string_view::npos) {
      datagram += '=';
    } else {
      const uint64_t length = ::htole64(value.size());
      datagram += '\n';
      datagram.append(reinterpret_cast<const char*>(&length), sizeof(length));
    }
    datagram += value;
    datagram += '\n';
  }
  return datagram;
}

spdlog::sink_ptr MakeJournalSink(const std::string& path, spdlog::sink_ptr otherwise,
                                 int otherwise_fd) {
  return std::make_shared<JournalSink>(path, std::move(otherwise), otherwise_fd);
}

}  // namespace sysmem::server
