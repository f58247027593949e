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
  Result<Json> Ask(const std::string& method, const Json& request = Json::object(),
                   Deadline deadline = kPromptly);

  // All pages of a list, as one array.
  Result<Json> AskAll(const std::string& method, const std::string& list);

  // One collection in full: all pages of ShowCollection put together. When it changes between them
  // they are asked for anew, some times; after that `changed_meanwhile` is true in the answer, and
  // each node and buffer is in it once, as it was shown last.
  Result<Json> ShowCollection(uint64_t id);

  std::string path() const { return client_.path(); }

 private:
  Result<Json> ShowOnce(uint64_t id);

  explicit DaemonView(Client client) : client_(std::move(client)) {}
  Client client_;
};

// A number, however JSON carries it; 0 if the field is absent.
uint64_t Number(const Json& object, const char* field);
// Puts the next page of a ShowCollection onto what there is. Where both have a node or a buffer,
// the page's stands.
void AddPage(Json page, Json& detail);
std::string Text(const Json& object, const char* field);
bool Flag(const Json& object, const char* field);
// As text, indented by that much per level; all on one line with kOneLine. What is no UTF-8 in it
// (names of processes and files may be anything) is replaced by U+FFFD.
inline constexpr int kOneLine = -1;
std::string JsonText(const Json& document, int indent = 2);

}  // namespace sysmem::ctl
