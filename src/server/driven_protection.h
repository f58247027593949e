// SPDX-License-Identifier: Apache-2.0
//
// Protecting hardware that a driver in another process commands: each change is a call to it, and
// waits for the answer. So whoever uses this may wait for as long as the limit provider_answer, and
// must be no thread that others need, the event loop's least of all.
//
// What the driver refuses, or does not answer, leaves nobody sure what is protected; `failed` is
// told, and decides whether the daemon can go on (PROT-5).
//
// Thread-safe.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "heaps/pool/protected_ranges.h"
#include "server/provider_calls.h"
#include "server/secure_protocol.h"

namespace sysmem::server {

class DrivenProtection final : public heaps::ProtectionHardware {
 public:
  struct Options {
    SecureHeapProperties properties;  // checked (CheckSecureHeapProperties)
    heaps::Region space;
    // The space is protected by itself: no range of it is ever added (tee_secure).
    bool always_protected = false;
    std::shared_ptr<ProviderCalls> calls;
    std::function<void(const std::string& why)> failed;
  };
  explicit DrivenProtection(Options options) : options_(std::move(options)) {}

  heaps::Region space() const override { return options_.space; }
  bool is_dynamic() const override;
  uint64_t granularity() const override { return options_.properties.granularity; }
  size_t most_ranges() const override { return options_.properties.most_ranges; }
  bool can_modify() const override { return options_.properties.can_modify; }

  void AddRange(heaps::Region range) override;
  void DeleteRange(heaps::Region range) override;
  void ModifyRange(heaps::Region from, heaps::Region to) override;
  void Zero(heaps::Region piece) override;
  // There is nothing in secure memory that could be taken or given back: it is simulated.
  absl::Status TakePages(heaps::Region) override { return absl::OkStatus(); }
  void GiveBackPages(heaps::Region) override {}

 private:
  SecureHeapAndRange Name(heaps::Region range) const;
  void Tell(const char* what, ProviderCallKind call) const;

  const Options options_;
};

}  // namespace sysmem::server
