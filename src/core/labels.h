// SPDX-License-Identifier: Apache-2.0
//
// How participants are called in a report: by name, and by number where a name does not tell who is
// meant. Not thread-safe while it is made; const afterwards.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/failure.h"
#include "core/negotiate.h"
#include "core/report.h"

namespace sysmem::core {

// A participant's value inside a sentence.
inline constexpr size_t kValueBytesInText = 256;

class Labels {
 public:
  // `all` who may be spoken of, in the order in which they are counted.
  explicit Labels(const std::vector<Participant>& all);

  Statement Of(const Participant& participant, const std::string& value) const;
  Statement Of(const ParticipantValue& said) const;
  // At most `most` of them.
  Statements Of(const std::vector<ParticipantValue>& said, size_t most) const;

 private:
  Statement Of(NodeId node, const std::string& name, const std::string& value) const;

  std::unordered_map<NodeId, size_t> numbers_;
  std::unordered_set<std::string> shared_names_;
};

}  // namespace sysmem::core
