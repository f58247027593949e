// SPDX-License-Identifier: Apache-2.0
//
// A report (core/report.h) for programs. Node numbers mean nothing outside the simulation, so
// participants are told by name, and by number where several have the same.
#include "core/report.h"
#include "tools/sysmemctl/simulate.h"

namespace sysmem::ctl {
namespace {

Json StatementsAsJson(const core::Statements& statements) {
  Json told = Json::array();
  for (const core::Statement& one : statements.told) {
    Json json = {{"name", one.name}, {"value", one.value}};
    if (one.number != 0) json["number"] = one.number;
    told.push_back(std::move(json));
  }
  return told;
}

Json EliminationsAsJson(const std::vector<core::Elimination>& eliminations) {
  Json all = Json::array();
  for (const core::Elimination& one : eliminations) {
    const bool is_heap = one.what == core::Elimination::What::kHeap;
    all.push_back({{is_heap ? "heap" : "image_format", one.name},
                   {"field", one.field},
                   {"why", one.why},
                   {"by", StatementsAsJson(one.by)},
                   {"by_untold", one.by.untold}});
  }
  return all;
}

Json RefusedAsJson(const core::RefusedTry& one) {
  Json json = {{"stage", core::StageName(one.stage)},
               {"rule", one.rule},
               {"field", one.field},
               {"message", one.message},
               {"participants", one.participants},
               {"conflict", StatementsAsJson(one.conflict)},
               {"conflict_untold", one.conflict.untold},
               {"proven_smallest", one.proven_smallest},
               {"by_absence", one.by_absence},
               {"eliminations", EliminationsAsJson(one.eliminations)},
               {"eliminations_untold", one.eliminations_untold}};
  if (!one.choice.empty()) json["choice"] = one.choice;
  return json;
}

}  // namespace

Json ReportAsJson(const core::Report& report) {
  Json refused = Json::array();
  for (const core::RefusedTry& one : report.refused) refused.push_back(RefusedAsJson(one));
  Json decisions = Json::array();
  for (const core::Decision& one : report.decisions) {
    decisions.push_back({{"about", one.about},
                         {"chosen", one.chosen},
                         {"why", one.why},
                         {"because", StatementsAsJson(one.because)},
                         {"because_untold", one.because.untold}});
  }
  return {{"refused", std::move(refused)},
          {"decisions", std::move(decisions)},
          {"eliminations", EliminationsAsJson(report.eliminations)},
          {"eliminations_untold", report.eliminations_untold}};
}

}  // namespace sysmem::ctl
