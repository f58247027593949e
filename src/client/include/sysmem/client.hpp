// SPDX-License-Identifier: Apache-2.0
//
// The connection in C++. What it does with threads, callbacks and fork() is told in client.h.
#pragma once

#include <sysmem/client.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sysmem/buffers.hpp>
#include <sysmem/heap.hpp>
#include <sysmem/node.hpp>
#include <sysmem/result.hpp>
#include <vector>

namespace sysmem {

// See struct sysmem_connect_options.
struct ConnectOptions {
  std::optional<std::string> path;
  std::optional<std::string> debug_name;
  uint64_t debug_id = 0;
  std::chrono::nanoseconds timeout = std::chrono::seconds(5);
  std::chrono::nanoseconds close_timeout = std::chrono::seconds(2);
};

struct HeapInfo {
  std::string heap_type;
  uint64_t id = 0;
  bool cpu_domain = false;
  bool ram_domain = false;
  bool inaccessible_domain = false;
  bool tells_holders_apart = false;
  bool reports_end = false;
  bool reduces_rights = false;
  bool usable = false;
  std::string why_unusable;
  std::string remedy;
  std::string backing;
};

struct Limit {
  std::string name;
  uint64_t value = 0;
  std::string unit;
  std::string reason;
};

struct ServerInfo {
  std::string version;
  std::vector<std::string> features;
  std::vector<HeapInfo> heaps;
  std::vector<Limit> limits;
};

class Client {
 public:
  explicit Client(sysmem_client* client) : client_(client) {}

  static Result<Client> Connect(const ConnectOptions& options = {}) {
    sysmem_connect_options c_options = SYSMEM_CONNECT_OPTIONS_INIT;
    if (options.path) c_options.path = options.path->c_str();
    if (options.debug_name) c_options.debug_name = options.debug_name->c_str();
    c_options.debug_id = options.debug_id;
    c_options.deadline_ns = Deadline(options.timeout).ns();
    c_options.close_timeout_ns =
        options.close_timeout.count() > 0 ? options.close_timeout.count() : -1;
    detail::Call call;
    sysmem_client* client = nullptr;
    if (sysmem_connect(&c_options, &client, call.out()) != SYSMEM_OK) return call.TakeFailure();
    return Client(client);
  }

  sysmem_client* get() const { return client_.get(); }
  std::string path() const { return sysmem_client_path(get()); }
  bool is_connected() const { return sysmem_client_is_connected(get()); }

  Result<ServerInfo> GetServerInfo(Deadline deadline = kPromptly) {
    detail::Call call;
    const sysmem_server_info* info = nullptr;
    if (sysmem_client_get_server_info(get(), deadline.ns(), &info, call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    ServerInfo result{.version = info->version,
                      .features = {info->features, info->features + info->feature_count}};
    for (size_t i = 0; i < info->heap_count; ++i) {
      const sysmem_heap_info& heap = info->heaps[i];
      result.heaps.push_back({heap.heap_type, heap.id, heap.cpu_domain, heap.ram_domain,
                              heap.inaccessible_domain, heap.tells_holders_apart, heap.reports_end,
                              heap.reduces_rights, heap.usable, heap.why_unusable, heap.remedy,
                              heap.backing});
    }
    for (size_t i = 0; i < info->limit_count; ++i) {
      const sysmem_limit& limit = info->limits[i];
      result.limits.push_back({limit.name, limit.value, limit.unit, limit.reason});
    }
    sysmem_server_info_free(info);
    return result;
  }
  Result<void> SetDebugClientInfo(const std::string& name, uint64_t id) {
    detail::Call call;
    return call.Finish(sysmem_client_set_debug_client_info(get(), name.c_str(), id, call.out()));
  }

  // ---- Beginning to take part ----

  Result<Token> CreateToken() {
    return Make<Token, sysmem_token>(
        [&](auto** out, auto** failure) { return sysmem_token_create(get(), out, failure); });
  }
  Result<Token> ImportToken(UniqueFd fd) {
    return Make<Token, sysmem_token>([&](auto** out, auto** failure) {
      return sysmem_token_import(get(), fd.release(), out, failure);
    });
  }
  // The token that this process was started with (`sysmemctl run`); node.h says how it fails.
  Result<Token> TokenFromEnvironment() {
    return Make<Token, sysmem_token>([&](auto** out, auto** failure) {
      return sysmem_token_from_environment(get(), out, failure);
    });
  }
  // The same as a descriptor, for Join.
  static Result<UniqueFd> TokenFdFromEnvironment() {
    detail::Call call;
    int fd = -1;
    if (sysmem_token_fd_from_environment(&fd, call.out()) != SYSMEM_OK) return call.TakeFailure();
    return UniqueFd(fd);
  }
  Result<Collection> BindToken(UniqueFd fd) {
    return Make<Collection, sysmem_collection>([&](auto** out, auto** failure) {
      return sysmem_collection_bind_fd(get(), fd.release(), out, failure);
    });
  }
  Result<Collection> ImportCollection(UniqueFd fd) {
    return Make<Collection, sysmem_collection>([&](auto** out, auto** failure) {
      return sysmem_collection_import(get(), fd.release(), out, failure);
    });
  }
  Result<Group> ImportGroup(UniqueFd fd) {
    return Make<Group, sysmem_group>([&](auto** out, auto** failure) {
      return sysmem_group_import(get(), fd.release(), out, failure);
    });
  }
  Result<Collection> CreateNonSharedCollection() {
    return Make<Collection, sysmem_collection>([&](auto** out, auto** failure) {
      return sysmem_collection_create_non_shared(get(), out, failure);
    });
  }
  // Binds a token that arrived as a descriptor, sets constraints and waits, in one message.
  Result<Joined> Join(UniqueFd token, const std::optional<Constraints>& constraints,
                      Deadline deadline) {
    detail::Call call;
    sysmem_collection* collection = nullptr;
    sysmem_buffers* buffers = nullptr;
    if (sysmem_join(get(), token.release(), detail::ToC(constraints).get(), deadline.ns(),
                    &collection, &buffers, call.out()) != SYSMEM_OK) {
      sysmem_collection_destroy(collection);  // set after a timeout
      return call.TakeFailure();
    }
    return Joined{Collection(collection), Buffers(buffers)};
  }

  // ---- Supplying memory for others ----

  // See sysmem_heap_serve(): returns when the heap can be allocated from.
  Result<ServedHeap> ServeHeap(const std::string& heap_type, uint64_t heap_id,
                               const HeapProperties& properties, HeapListener listener,
                               Deadline deadline = kPromptly) {
    return detail::ServeHeap(get(), heap_type, heap_id, properties, std::move(listener), deadline);
  }

  // ---- Sending and event loops ----

  Result<void> Flush() {
    detail::Call call;
    return call.Finish(sysmem_client_flush(get(), call.out()));
  }
  Result<void> Roundtrip(Deadline deadline = kPromptly) {
    detail::Call call;
    return call.Finish(sysmem_client_roundtrip(get(), deadline.ns(), call.out()));
  }
  // To be polled for reading; belongs to the client.
  int fd() const { return sysmem_client_fd(get()); }
  // How many callbacks ran.
  Result<size_t> Dispatch(Deadline deadline = Deadline::Passed()) {
    detail::Call call;
    size_t callbacks = 0;
    if (sysmem_client_dispatch(get(), deadline.ns(), &callbacks, call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    return callbacks;
  }
  void OnEnded(std::function<void(const Failure& why)> ended) {
    sysmem_client_on_ended(get(), CallEnded, detail::KeepCallback(std::move(ended)),
                           detail::FreeCallback<EndedCallback>);
  }

  // ---- Asking ----

  Result<bool> ValidateToken(int fd, Deadline deadline = kPromptly) {
    detail::Call call;
    bool is_known = false;
    if (sysmem_validate_token_fd(get(), fd, deadline.ns(), &is_known, call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    return is_known;
  }
  // `fd` stays the caller's.
  Result<VmoInfo> GetVmoInfo(int fd, const VmoInfoRequest& request, Deadline deadline = kPromptly) {
    const detail::OwnedConstraints check = detail::ToC(request.constraints_to_check);
    const sysmem_vmo_info_request c_request{
        sizeof(sysmem_vmo_info_request), request.need_weak,
        request.need_settings,           check.get(),
        request.settings_to_check_fd,    request.settings_to_check_ignore_size};
    detail::Call call;
    const sysmem_vmo_info* info = nullptr;
    if (sysmem_get_vmo_info(get(), fd, &c_request, deadline.ns(), &info, call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    return VmoInfo(info);
  }
  // Protobuf JSON in and out, see sysmem_inspect().
  Result<std::string> Inspect(const std::string& method, const std::string& request_json = "{}",
                              Deadline deadline = kPromptly) {
    detail::Call call;
    char* json = nullptr;
    if (sysmem_inspect(get(), method.c_str(), request_json.c_str(), deadline.ns(), &json,
                       call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    std::string result = json;
    sysmem_string_free(json);
    return result;
  }

 private:
  using EndedCallback = std::function<void(const Failure&)>;
  static void CallEnded(void* data, const sysmem_failure* why) {
    const auto ended = detail::UseCallback<EndedCallback>(data);
    if (*ended) (*ended)(detail::ToFailure(why));
  }

  template <typename Owner, typename Handle, typename Function>
  static Result<Owner> Make(Function function) {
    detail::Call call;
    Handle* handle = nullptr;
    if (function(&handle, call.out()) != SYSMEM_OK) return call.TakeFailure();
    return Owner(handle);
  }

  struct Free {
    void operator()(sysmem_client* client) const { sysmem_client_destroy(client); }
  };
  std::unique_ptr<sysmem_client, Free> client_;
};

}  // namespace sysmem
