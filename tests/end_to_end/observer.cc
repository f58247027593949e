// SPDX-License-Identifier: Apache-2.0
#include "tests/end_to_end/observer.h"

#include <utility>

#include "tests/end_to_end/participants.h"
#include "tests/support/eventually.h"
#include "tests/support/sanitizers.h"

namespace sysmem::testing {
namespace {

constexpr char kEnd[] = "end";

}  // namespace

Observer::Observer(DaemonProcess& daemon)
    : daemon_(daemon), process_(kDaemonUid, [&](ControlChannel& test) {
        sysmem::Client client = ConnectOrDie(daemon.socket_path());
        while (true) {
          const std::string method = test.ReceiveOneDay().text;
          if (method == kEnd) return;
          auto answer = client.Inspect(method, test.Receive().text, Patience());
          test.Send(answer.ok() ? *answer : "\"" + answer.failure().message + "\"");
        }
      }) {}

Observer::~Observer() {
  process_.control().Send(kEnd);
  process_.ExpectSuccess();
}

nlohmann::json Observer::Ask(const std::string& method, const std::string& request) {
  process_.control().Send(method);
  process_.control().Send(request);
  nlohmann::json answer =
      nlohmann::json::parse(process_.control().Receive().text, nullptr, /*allow_exceptions=*/false);
  EXPECT_TRUE(answer.is_object()) << method << ": " << answer;
  return answer;
}

uint64_t Observer::Number(const nlohmann::json& object, const char* field) {
  const auto found = object.find(field);
  if (found == object.end()) return 0;
  if (found->is_string()) return std::stoull(found->get<std::string>());
  return found->get<uint64_t>();
}

namespace {

// Descriptors open for what nobody has asked for yet come and go by themselves.
uint64_t SpareDescriptors(const nlohmann::json& status) {
  for (const nlohmann::json& limit : status["limits"]) {
    if (limit["name"] == "spare_descriptors") return Observer::Number(limit, "used");
  }
  ADD_FAILURE() << "the daemon does not say how many descriptors are spare";
  return 0;
}

}  // namespace

Figures Observer::Take() {
  const nlohmann::json status = Ask("GetStatus");
  return {.sessions = Number(status, "sessions"),
          .collections = Number(status, "collections"),
          .nodes = Number(status, "nodes"),
          .exported_nodes = Number(status, "exported_nodes"),
          .live_buffers = Number(status, "live_buffers"),
          .live_bytes = Number(status, "live_bytes"),
          .descriptors = daemon_.process().DescriptorCount() - SpareDescriptors(status)};
}

void Observer::TakeBaseline(uint64_t sessions, uint64_t nodes) {
  EXPECT_TRUE(Eventually([&] {
    const Figures before = std::exchange(baseline_, Take());
    return before == baseline_ && baseline_.sessions == sessions && baseline_.nodes == nodes;
  })) << baseline_;
  resident_baseline_ = daemon_.process().ResidentBytes();
}

void Observer::ExpectBackToBaseline() {
  Figures now;
  EXPECT_TRUE(Eventually([&] { return (now = Take()).IsBackTo(baseline_); }))
      << "now:      " << now << "\nbaseline: " << baseline_;
  EXPECT_LT(daemon_.process().ResidentBytes(), resident_baseline_ + kResidentTolerance);
}

void Observer::AwaitNodes(uint64_t nodes) {
  EXPECT_TRUE(Eventually([&] { return Take().nodes == nodes; })) << Take();
}

}  // namespace sysmem::testing
