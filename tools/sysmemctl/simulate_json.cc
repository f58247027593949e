// SPDX-License-Identifier: Apache-2.0
//
// What came of a scenario, for programs. Fields are named as in the protocol; 64-bit numbers are
// strings, as in Protobuf's JSON form.
#include "core/drm_format.h"
#include "core/pixel_format.h"
#include "scenario/image_facts.h"
#include "tools/sysmemctl/simulate.h"

namespace sysmem::ctl {
namespace {

const char* DomainName(core::CoherencyDomain domain) {
  switch (domain) {
    case core::CoherencyDomain::kCpu:
      return "COHERENCY_DOMAIN_CPU";
    case core::CoherencyDomain::kRam:
      return "COHERENCY_DOMAIN_RAM";
    case core::CoherencyDomain::kInaccessible:
      return "COHERENCY_DOMAIN_INACCESSIBLE";
  }
  return "";
}

const char* FateName(scenario::Fate fate) {
  switch (fate) {
    case scenario::Fate::kTakesPart:
      return "takes_part";
    case scenario::Fate::kNotNeeded:
      return "not_needed";
    case scenario::Fate::kUnfit:
      return "unfit";
    case scenario::Fate::kFailed:
      return "failed";
    case scenario::Fate::kNeverCame:
      return "never_came";
  }
  return "";
}

Json SizeAsJson(const core::SizeU& size) {
  return {{"width", size.width}, {"height", size.height}};
}

Json FailureAsJson(const core::Failure& failure) {
  Json participants = Json::array();
  for (const core::ParticipantValue& one : failure.participants) {
    participants.push_back({{"name", one.name}, {"value", one.value}});
  }
  Json json = {{"rule", failure.rule},
               {"field", failure.field},
               {"message", failure.message},
               {"participants", std::move(participants)}};
  if (failure.outcome == core::Outcome::kError || failure.outcome == core::Outcome::kRefused) {
    json["error"] = core::ErrorName(failure.error);
  }
  return json;
}

Json ImageAsJson(const core::ImageFormatConstraints& image) {
  Json json = {
      {"pixel_format", core::PixelFormatName(image.pixel_format.value_or(0))},
      {"pixel_format_modifier", core::ModifierName(image.pixel_format_modifier.value_or(0))},
      {"color_spaces", image.color_spaces}};
  if (image.min_size) json["min_size"] = SizeAsJson(*image.min_size);
  if (image.max_size) json["max_size"] = SizeAsJson(*image.max_size);
  if (image.size_alignment) json["size_alignment"] = SizeAsJson(*image.size_alignment);
  const core::PixelFormatAndModifier pair{image.pixel_format.value_or(0),
                                          image.pixel_format_modifier.value_or(0)};
  if (const std::optional<core::DrmFormat> drm = core::DrmFormatOf(pair, image.is_alpha_present)) {
    json["drm_format"] = core::DrmText(*drm);
  }
  json["bytes_per_row_divisor"] = image.bytes_per_row_divisor.value_or(1);
  const std::optional<scenario::ImageFacts> facts = scenario::FactsOf(image);
  if (!facts) return json;
  Json planes = Json::array();
  for (const scenario::PlaneFacts& plane : facts->planes) {
    planes.push_back({{"plane", plane.number},
                      {"offset", std::to_string(plane.offset)},
                      {"bytes_per_row", plane.bytes_per_row}});
  }
  json["made_for"] = {{"size", SizeAsJson(facts->size)},
                      {"bytes_per_row", facts->bytes_per_row},
                      {"size_bytes", std::to_string(facts->bytes)},
                      {"planes", std::move(planes)}};
  return json;
}

Json PlanAsJson(const core::Plan& plan) {
  const core::BufferMemorySettings& buffer = plan.settings.buffer;
  Json json = {{"buffer_count", plan.buffer_count},
               {"size_bytes", std::to_string(buffer.size_bytes)},
               {"raw_vmo_size", std::to_string(buffer.raw_vmo_size)},
               {"is_physically_contiguous", buffer.is_physically_contiguous},
               {"is_secure", buffer.is_secure},
               {"coherency_domain", DomainName(buffer.coherency_domain)},
               {"heap", {{"heap_type", buffer.heap.type}, {"id", std::to_string(buffer.heap.id)}}}};
  if (plan.settings.image_format) {
    json["image_format_constraints"] = ImageAsJson(*plan.settings.image_format);
  }
  return json;
}

}  // namespace

Json OutcomeAsJson(const scenario::Scenario& scenario, const scenario::Outcome& outcome) {
  Json participants = Json::array();
  for (size_t i = 0; i < scenario.nodes.size(); ++i) {
    if (scenario.nodes[i].kind == scenario::Node::Kind::kGroup) continue;
    const scenario::NodeOutcome& node = outcome.nodes[i];
    Json one = {{"name", scenario.nodes[i].name}, {"fate", FateName(node.fate)}};
    if (node.grant) {
      one["with_buffers"] = node.grant->with_buffers;
      one["writable"] = node.grant->writable;
    }
    if (node.failure) one["failure"] = FailureAsJson(*node.failure);
    if (scenario.nodes[i].attached && node.failure && node.failure->report) {
      one["report"] = ReportAsJson(*node.failure->report);
    }
    participants.push_back(std::move(one));
  }
  Json json = {{"participants", std::move(participants)}, {"report", ReportAsJson(outcome.report)}};
  if (!scenario.title.empty()) json["title"] = scenario.title;
  if (outcome.plan) json["result"] = PlanAsJson(*outcome.plan);
  if (outcome.failure) json["failure"] = FailureAsJson(*outcome.failure);
  return json;
}

}  // namespace sysmem::ctl
