// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/daemon_view.h"

#include <cstdlib>
#include <utility>

namespace sysmem::ctl {

Result<DaemonView> DaemonView::Open(const std::string& path) {
  ConnectOptions options;
  if (!path.empty()) options.path = path;
  options.debug_name = "sysmemctl";
  Result<Client> client = Client::Connect(options);
  if (!client.ok()) return client.failure();
  return DaemonView(*std::move(client));
}

Result<Json> DaemonView::Ask(const std::string& method, const Json& request) {
  Result<std::string> text = client_.Inspect(method, request.dump());
  if (!text.ok()) return text.failure();
  Json reply = Json::parse(*text, nullptr, false);
  if (reply.is_discarded()) {
    Failure failure;
    failure.message = failure.text =
        "the library answered " + method + " with text that is no JSON";
    return failure;
  }
  return reply;
}

Result<Json> DaemonView::AskAll(const std::string& method, const std::string& list) {
  Json all = Json::array();
  Json request = Json::object();
  while (true) {
    Result<Json> page = Ask(method, request);
    if (!page.ok()) return page;
    for (Json& item : (*page)[list]) all.push_back(std::move(item));
    if (!page->contains("next_after")) return all;
    request["after"] = (*page)["next_after"];
  }
}

uint64_t Number(const Json& object, const char* field) {
  auto found = object.find(field);
  if (found == object.end()) return 0;
  if (found->is_string())
    return std::strtoull(found->get_ref<const std::string&>().c_str(), nullptr, 10);
  return found->is_number() ? found->get<uint64_t>() : 0;
}

std::string Text(const Json& object, const char* field) {
  auto found = object.find(field);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool Flag(const Json& object, const char* field) {
  auto found = object.find(field);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace sysmem::ctl
