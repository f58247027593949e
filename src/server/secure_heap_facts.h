// SPDX-License-Identifier: Apache-2.0
//
// What a driver of secure memory has told of its heaps, believed only as far as it can be: bounded
// lists, ranges that are there and do not overlap, hardware that can do what is asked of it.
//
// Not thread-safe. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "heaps/pool/region.h"
#include "server/secure_protocol.h"

namespace sysmem::server {

class SecureHeapFacts {
 public:
  struct One {
    heaps::Region space;
    bool is_protected_pool = false;
    SecureHeapProperties properties;  // before they are told, the heap's name alone
    bool has_properties = false;
  };

  // Errors of all: InvalidArgument that names heap, value and rule.

  // Heaps with a place of their own: one range each, in which everything is protected anyway.
  absl::Status Take(const PhysicalSecureHeaps& answer);
  // Of those that have none the first becomes the protected pool, if there is one (SEC-2).
  absl::Status Take(const DynamicSecureHeaps& answer, uint64_t protected_bytes,
                    uint64_t physical_base);
  // Of NextWithoutProperties.
  absl::Status Take(const SecureHeapProperties& answer);

  std::optional<SecureHeapAndRange> NextWithoutProperties() const;
  const std::vector<One>& all() const { return all_; }

 private:
  absl::Status Add(const core::Heap& heap, PhysicalRange range, bool is_protected_pool);

  std::vector<One> all_;
};

}  // namespace sysmem::server
