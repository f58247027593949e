// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/record.h"

#include <fstream>
#include <iostream>
#include <optional>

#include "scenario/simulate.h"
#include "tools/sysmemctl/simulate.h"
#include "tools/sysmemctl/text.h"

namespace sysmem::ctl {
namespace {

// What a result comes to, in the words of both sides.
struct Figure {
  const char* name;
  std::string live;
  std::string simulated;
};

std::string DomainNumber(const std::string& name) {
  for (const auto& [known, domain] :
       {std::pair{"COHERENCY_DOMAIN_CPU", core::CoherencyDomain::kCpu},
        std::pair{"COHERENCY_DOMAIN_RAM", core::CoherencyDomain::kRam},
        std::pair{"COHERENCY_DOMAIN_INACCESSIBLE", core::CoherencyDomain::kInaccessible}}) {
    if (name == known) return std::to_string(static_cast<int>(domain));
  }
  return name;
}

std::vector<Figure> FiguresOf(const Json& detail, const core::Plan& plan) {
  const Json settings = detail.value("settings", Json::object());
  const Json memory = settings.value("buffer_settings", Json::object());
  const Json heap = memory.value("heap", Json::object());
  const Json image = settings.value("image_format_constraints", Json::object());
  const core::BufferMemorySettings& planned = plan.settings.buffer;
  const core::ImageFormatConstraints none;
  const core::ImageFormatConstraints& drawn = plan.settings.image_format.value_or(none);
  const auto number = [](const Json& object, const char* field) {
    return std::to_string(Number(object, field));
  };
  const auto text = [](uint64_t value) { return std::to_string(value); };
  return {
      {"buffer_count", number(detail, "buffer_count"), text(plan.buffer_count)},
      {"size_bytes", number(memory, "size_bytes"), text(planned.size_bytes)},
      {"heap_type", Text(heap, "heap_type"), planned.heap.type},
      {"heap id", number(heap, "id"), text(planned.heap.id)},
      {"coherency_domain", DomainNumber(Text(memory, "coherency_domain")),
       text(static_cast<uint64_t>(planned.coherency_domain))},
      {"is_physically_contiguous", text(Flag(memory, "is_physically_contiguous") ? 1 : 0),
       text(planned.is_physically_contiguous ? 1 : 0)},
      {"is_secure", text(Flag(memory, "is_secure") ? 1 : 0), text(planned.is_secure ? 1 : 0)},
      {"pixel_format", number(image, "pixel_format"), text(drawn.pixel_format.value_or(0))},
      {"pixel_format_modifier", number(image, "pixel_format_modifier"),
       text(drawn.pixel_format_modifier.value_or(0))},
      {"min_bytes_per_row", number(image, "min_bytes_per_row"),
       text(drawn.min_bytes_per_row.value_or(0))},
      {"bytes_per_row_divisor", number(image, "bytes_per_row_divisor"),
       text(drawn.bytes_per_row_divisor.value_or(0))},
  };
}

std::string DifferenceFromResult(const Json& detail, const scenario::Outcome& outcome) {
  if (!outcome.plan) {
    return "there is a result, and the simulation has none: " + outcome.failure->message;
  }
  for (const Figure& figure : FiguresOf(detail, *outcome.plan)) {
    if (figure.live == figure.simulated) continue;
    return std::string(figure.name) + " is " + figure.live + ", and " + figure.simulated +
           " in the simulation";
  }
  return "";
}

std::string DifferenceFromFailure(const Json& failure, const scenario::Outcome& outcome) {
  const std::string why = "it failed by rule " + Text(failure, "rule");
  if (!outcome.failure) return why + ", and the simulation works";
  if (Text(failure, "rule") == outcome.failure->rule &&
      Text(failure, "field") == outcome.failure->field) {
    return "";
  }
  return why + ", field \"" + Text(failure, "field") + "\", and by rule " + outcome.failure->rule +
         ", field \"" + outcome.failure->field + "\" in the simulation";
}

Failure Failed(const std::string& message) {
  Failure failure;
  failure.message = failure.text = message;
  return failure;
}

bool Write(const std::string& text, const std::string& output) {
  if (output.empty()) return static_cast<bool>(std::cout << text << std::flush);
  std::ofstream file(output, std::ios::binary | std::ios::trunc);
  return static_cast<bool>(file << text << std::flush);
}

}  // namespace

std::string DifferenceFrom(const Json& detail, const std::string& scenario) {
  scenario::Mistakes mistakes("scenario");
  const std::optional<scenario::Scenario> read = scenario::ReadScenario(scenario, mistakes);
  if (!read) return "no scenario can say it: " + mistakes.ToString();
  const scenario::Outcome outcome = scenario::Simulate(*read);
  const Json summary = detail.value("summary", Json::object());
  if (detail.contains("settings")) return DifferenceFromResult(detail, outcome);
  if (summary.contains("failure")) return DifferenceFromFailure(summary["failure"], outcome);
  return "";  // nothing is decided yet
}

Result<ExitCode> RunRecord(DaemonView& daemon, uint64_t id, const std::string& output) {
  Result<Json> detail = daemon.ShowCollection(id);
  if (!detail.ok()) return detail.failure();
  if (detail->value("nodes", Json::array()).empty()) {
    return Failed("nothing is known any more of who takes part in collection " +
                  std::to_string(id));
  }
  Result<Json> heaps = daemon.Ask("ListHeaps");
  if (!heaps.ok()) return heaps.failure();
  Result<Json> status = daemon.Ask("GetStatus");
  if (!status.ok()) return status.failure();
  const Recorded recorded = RecordScenario(*detail, heaps->value("heaps", Json::array()),
                                           status->value("limits", Json::array()));
  for (const std::string& note : recorded.notes) {
    std::cerr << "sysmemctl: note: " << SafeLine(note) << "\n";
  }
  const Json summary = detail->value("summary", Json::object());
  if (Text(summary, "state") == "COLLECTION_STATE_WAITING") {
    std::cerr << "sysmemctl: note: nothing is decided yet; who has not said what it needs is taken "
                 "to need nothing\n";
  }
  if (!Write(recorded.scenario, output)) {
    return Failed("cannot write " + (output.empty() ? "standard output" : Safe(output)));
  }
  const std::string difference = DifferenceFrom(*detail, recorded.scenario);
  if (difference.empty()) return kOk;
  std::cerr << "sysmemctl: the simulation of this will not end as the collection did: "
            << SafeLine(difference) << "\n";
  return kFailed;
}

}  // namespace sysmem::ctl
