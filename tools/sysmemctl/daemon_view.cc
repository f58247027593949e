// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/daemon_view.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>

namespace sysmem::ctl {
namespace {

// A collection that changes that often is shown as it comes.
constexpr int kTries = 4;

// `list` of the page goes to the end of that of `detail`; items that have the same `key` are one.
void AddItems(const char* list, const char* key, const Json& page, Json& detail) {
  Json& all = detail[list];
  if (!all.is_array()) all = Json::array();
  std::map<uint64_t, size_t> places;
  for (size_t i = 0; i < all.size(); ++i) places.emplace(Number(all[i], key), i);
  for (const Json& item : page.value(list, Json::array())) {
    const auto [place, is_new] = places.emplace(Number(item, key), all.size());
    if (is_new) {
      all.push_back(item);
    } else {
      all[place->second] = item;
    }
  }
}

}  // namespace

void AddPage(Json page, Json& detail) {
  if (Number(page, "version") != Number(detail, "version") || Flag(page, "changed_meanwhile")) {
    detail["changed_meanwhile"] = true;
  }
  AddItems("nodes", "node_id", page, detail);
  AddItems("buffers", "index", page, detail);
  for (Json& sentence : page["waiting_for"]) {
    Json& all = detail["waiting_for"];
    if (std::find(all.begin(), all.end(), sentence) == all.end()) all.push_back(sentence);
  }
  detail.erase("next_item");
  if (page.contains("next_item")) detail["next_item"] = page["next_item"];
}

Result<DaemonView> DaemonView::Open(const std::string& path) {
  ConnectOptions options;
  if (!path.empty()) options.path = path;
  options.debug_name = "sysmemctl";
  Result<Client> client = Client::Connect(options);
  if (!client.ok()) return client.failure();
  return DaemonView(*std::move(client));
}

Result<Json> DaemonView::Ask(const std::string& method, const Json& request, Deadline deadline) {
  Result<std::string> text = client_.Inspect(method, JsonText(request, kOneLine), deadline);
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

Result<Json> DaemonView::ShowCollection(uint64_t id) {
  Result<Json> shown = ShowOnce(id);
  for (int i = 1; i < kTries && shown.ok() && Flag(*shown, "changed_meanwhile"); ++i) {
    shown = ShowOnce(id);
  }
  return shown;
}

Result<Json> DaemonView::ShowOnce(uint64_t id) {
  Json request = {{"buffer_collection_id", std::to_string(id)}};
  Result<Json> detail = Ask("ShowCollection", request);
  while (detail.ok() && detail->contains("next_item")) {
    request["first_item"] = (*detail)["next_item"];
    Result<Json> page = Ask("ShowCollection", request);
    if (!page.ok()) return page;
    AddPage(*std::move(page), *detail);
  }
  return detail;
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

std::string JsonText(const Json& document, int indent) {
  return document.dump(indent, ' ', false, Json::error_handler_t::replace);
}

bool Flag(const Json& object, const char* field) {
  auto found = object.find(field);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace sysmem::ctl
