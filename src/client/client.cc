// SPDX-License-Identifier: Apache-2.0
//
// sysmem_client: the connection as the program holds it.
#include <sysmem/client.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>  // program_invocation_short_name
#include <cstring>
#include <memory>
#include <utility>

#include "client/clock.h"
#include "client/connect.h"
#include "client/nodes.h"
#include "client/text.h"
#include "sysmem_version.h"

using sysmem::client::CheckText;
using sysmem::client::Connection;
using sysmem::client::DeadlineAfter;
using sysmem::client::Done;
using sysmem::client::Failure;
using sysmem::client::FailureView;
using sysmem::client::Greet;
using sysmem::client::InvalidArgument;
using sysmem::client::Outcome;
using sysmem::client::Report;

namespace {

constexpr int64_t kConnectTimeoutNs = 5'000'000'000;
constexpr int64_t kCloseTimeoutNs = 2'000'000'000;
constexpr size_t kMaxClientNameBytes = sysmem2::MESSAGE_LIMIT_CLIENT_NAME_BYTES;

// The options with a value in every field.
Outcome<sysmem_connect_options> Complete(const sysmem_connect_options* given,
                                         const std::string& program) {
  sysmem_connect_options options = SYSMEM_CONNECT_OPTIONS_INIT;
  if (given != nullptr) {
    if (given->struct_size < sizeof(size_t)) {
      return InvalidArgument("struct_size", "it must be sizeof(struct sysmem_connect_options)");
    }
    std::memcpy(&options, given, std::min(given->struct_size, sizeof(options)));
  }
  if (options.debug_name == nullptr) options.debug_name = program.c_str();
  if (auto bad = CheckText(options.debug_name, "debug_name", kMaxClientNameBytes)) {
    return *std::move(bad);
  }
  if (options.debug_id == 0) options.debug_id = static_cast<uint64_t>(::getpid());
  if (options.deadline_ns == 0) options.deadline_ns = DeadlineAfter(kConnectTimeoutNs);
  if (options.close_timeout_ns == 0) options.close_timeout_ns = kCloseTimeoutNs;
  return options;
}

sysmem_status ToStatus(Outcome<Done> outcome, sysmem_failure** failure) {
  return outcome.ok() ? SYSMEM_OK : Report(std::move(outcome.failure()), failure);
}

// A callback's data, freed with the last copy of the callback.
std::shared_ptr<void> Own(void* data, sysmem_free_function free_data) {
  return {data, [free_data](void* owned) {
            if (free_data != nullptr) free_data(owned);
          }};
}

}  // namespace

int64_t sysmem_deadline_after(int64_t nanoseconds) { return DeadlineAfter(nanoseconds); }

int64_t sysmem_deadline_after_ms(int64_t milliseconds) {
  int64_t nanoseconds = 0;
  if (__builtin_mul_overflow(milliseconds, int64_t{1'000'000}, &nanoseconds)) {
    return milliseconds < 0 ? SYSMEM_NO_WAIT : SYSMEM_NO_DEADLINE;
  }
  return DeadlineAfter(nanoseconds);
}

sysmem_status sysmem_connect(const struct sysmem_connect_options* options, sysmem_client** client,
                             sysmem_failure** failure) {
  const std::string program = sysmem::client::ValidUtf8(program_invocation_short_name);
  auto complete = Complete(options, program);
  if (!complete.ok()) return Report(std::move(complete.failure()), failure);
  auto greeting =
      Greet({.path = complete->path == nullptr ? std::nullopt
                                               : std::optional<std::string>(complete->path),
             .deadline_ns = complete->deadline_ns});
  if (!greeting.ok()) return Report(std::move(greeting.failure()), failure);
  auto connection = Connection::Make(std::move(*greeting));
  if (!connection.ok()) return Report(std::move(connection.failure()), failure);
  auto made = std::make_unique<sysmem_client>(
      sysmem_client{std::move(*connection), complete->close_timeout_ns});
  const sysmem_status named = sysmem_client_set_debug_client_info(made.get(), complete->debug_name,
                                                                  complete->debug_id, failure);
  if (named != SYSMEM_OK) {
    made->connection->Close(SYSMEM_NO_WAIT);
    return named;
  }
  *client = made.release();
  return SYSMEM_OK;
}

void sysmem_client_destroy(sysmem_client* client) {
  if (client == nullptr) return;
  client->connection->Close(client->close_timeout_ns < 0 ? SYSMEM_NO_WAIT
                                                         : DeadlineAfter(client->close_timeout_ns));
  delete client;
}

const char* sysmem_client_path(const sysmem_client* client) {
  return client->connection->path().c_str();
}

bool sysmem_client_is_connected(sysmem_client* client) {
  if (!client->connection->IsForkedCopy()) client->connection->TakeIn();
  return !client->connection->Dead().has_value();
}

sysmem_status sysmem_client_set_debug_client_info(sysmem_client* client, const char* name,
                                                  uint64_t id, sysmem_failure** failure) {
  if (auto bad = CheckText(name, "name", kMaxClientNameBytes)) {
    return Report(*std::move(bad), failure);
  }
  return ToStatus(
      client->connection->Queue({.fill =
                                     [=](sysmem2::Operation& operation, uint64_t) {
                                       auto* request =
                                           operation.mutable_allocator_set_debug_client_info();
                                       request->set_name(name);
                                       request->set_id(id);
                                     }}),
      failure);
}

sysmem_status sysmem_client_flush(sysmem_client* client, sysmem_failure** failure) {
  client->connection->Flush();
  auto dead = client->connection->Dead();
  return dead ? Report(*std::move(dead), failure) : SYSMEM_OK;
}

sysmem_status sysmem_client_roundtrip(sysmem_client* client, int64_t deadline_ns,
                                      sysmem_failure** failure) {
  return ToStatus(client->connection->Roundtrip(deadline_ns), failure);
}

int sysmem_client_fd(sysmem_client* client) {
  if (!client->connection->Dead()) client->connection->Attend();
  return client->connection->poll_fd();
}

sysmem_status sysmem_client_dispatch(sysmem_client* client, int64_t deadline_ns, size_t* callbacks,
                                     sysmem_failure** failure) {
  auto ran = client->connection->Dispatch(deadline_ns);
  if (!ran.ok()) return Report(std::move(ran.failure()), failure);
  if (callbacks != nullptr) *callbacks = *ran;
  return SYSMEM_OK;
}

void sysmem_client_on_ended(sysmem_client* client, sysmem_ended_callback ended, void* data,
                            sysmem_free_function free_data) {
  auto owned = Own(data, free_data);
  if (ended == nullptr) return client->connection->OnEnded(nullptr);
  client->connection->OnEnded([ended, owned = std::move(owned)](const Failure& why) {
    ended(owned.get(), FailureView(why).get());
  });
}

const char* sysmem_library_version(void) { return SYSMEM_VERSION_STRING; }
