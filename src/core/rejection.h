// SPDX-License-Identifier: Apache-2.0
//
// Why a step of the negotiation says no: what the rules know, before anybody is blamed.
//
// The steps see values that already belong to all participants together, so they name fields only.
// Who set those fields to what is looked up afterwards from the raw constraints (blame.h). Inside
// the negotiation everything that may fail returns a Rejection; Negotiate makes a Failure of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/constraints.h"
#include "core/failure.h"

namespace sysmem::core {

// Where the negotiation stands, in order.
enum class Stage : uint8_t {
  kSize,       // does anybody ask for a size
  kSanitise,   // what one participant asks for, by itself
  kMerge,      // putting participants together
  kAggregate,  // what all ask for together, by itself
  kHeap,
  kDomain,
  kFormat,
  kCount,
  kBufferSize,
  kLate,      // comparing with buffers that exist
  kAllocate,  // the heap's part
};

// What is being done there: "merging what the participants ask for".
const char* StageName(Stage stage);

struct Rejection {
  std::string rule;  // "M14"
  // The fields in question as dotted paths of the protocol ("image_format_constraints.min_size"
  // with
  // ".width" behind it where one dimension is meant); the first one is where to begin looking.
  std::vector<std::string> fields;
  std::string message;
  // Fields that have a part in it only if fields[0] does not already exceed fields[1] as given:
  // rounding made it so.
  std::vector<std::string> rounded_by = {};
  // The format concerned, if one is.
  std::optional<PixelFormatAndModifier> format = std::nullopt;
  // Position in image_format_constraints as sent, when one participant's entry is wrong by itself.
  std::optional<size_t> entry = std::nullopt;
  // Nobody said what somebody must say: there is no conflict between any participants, and nobody
  // has to go.
  bool by_absence = false;
  Stage stage = Stage::kSanitise;
  // Of HEAP-ACCESS: types of heaps that would do if everybody might use them.
  std::vector<std::string> denied_heaps = {};
};

// Empty: all is well.
using MaybeRejection = std::optional<Rejection>;
template <typename T>
using OrRejection = Result<T, Rejection>;

// Prefixes of paths.
inline constexpr char kMemoryPath[] = "buffer_memory_constraints.";
inline constexpr char kImagePath[] = "image_format_constraints.";
// Not a field of the protocol: what a participant's user is allowed by the machine's owner.
inline constexpr char kAccessPath[] = "access";

}  // namespace sysmem::core
