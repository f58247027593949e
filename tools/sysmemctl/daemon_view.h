// SPDX-License-Identifier: Apache-2.0
//
// What sysmemctl asks the daemon: one connection, answers as JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <sysmem/sysmem.hpp>

namespace sysmem::ctl {

using Json = nlohmann::json;

class DaemonView {
 public:
  // `path` empty: where the library looks by itself.
  static Result<DaemonView> Open(const std::string& path);

  // The result of one method of the Inspect service, with the protocol's field names. 64-bit
  // numbers are strings, as Protobuf's JSON form has them.
  Result<Json> Ask(const std::string& method, const Json& request = Json::object());

  // All pages of a list, as one array.
  Result<Json> AskAll(const std::string& method, const std::string& list);

  std::string path() const { return client_.path(); }

 private:
  explicit DaemonView(Client client) : client_(std::move(client)) {}
  Client client_;
};

// A number, however JSON carries it; 0 if the field is absent.
uint64_t Number(const Json& object, const char* field);
std::string Text(const Json& object, const char* field);
bool Flag(const Json& object, const char* field);

}  // namespace sysmem::ctl
