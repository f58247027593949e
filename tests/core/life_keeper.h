// SPDX-License-Identifier: Apache-2.0
//
// Keeps the life of a collection for `sysmemctl replay` when it breaks a promise, and also when a
// sanitizer ends the process in the middle of it.
//
//   LifeKeeper keeper(life, seed, settings);
//   ... life.events grow; whoever dies now leaves a file ...
//   if (HasFailure()) keeper.Keep();
#pragma once

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "tests/core/life_recording.h"

namespace sysmem::core::test {

class LifeKeeper {
 public:
  LifeKeeper(const Life& life, uint64_t seed, const Settings& settings)
      : life_(life), seed_(seed), settings_(settings) {
    last_ = this;
    CallBeforeDeath(&KeepTheLast);
  }
  LifeKeeper(const LifeKeeper&) = delete;
  LifeKeeper& operator=(const LifeKeeper&) = delete;
  ~LifeKeeper() { last_ = nullptr; }

  // Whether a sanitizer is there that will call. GCC's have a runtime each, UBSan beside ASan.
  static bool CallBeforeDeath(void (*callback)()) {
    bool any = false;
    for (void* runtime : {RTLD_DEFAULT, ::dlopen("libubsan.so.1", RTLD_LAZY | RTLD_NOLOAD)}) {
      void* const set = ::dlsym(runtime, "__sanitizer_set_death_callback");
      if (set != nullptr) reinterpret_cast<void (*)(void (*)())>(set)(callback);
      any |= set != nullptr;
    }
    return any;
  }

  // Says where the life is and how to play it again.
  std::string Keep() const {
    const std::string path = testing::TempDir() + "life-" + std::to_string(seed_) + ".recording";
    const std::string producer = "core_simulation_test, seed " + std::to_string(seed_);
    const bool kept = WriteLines(path, LinesOf(life_, producer, settings_));
    return (kept ? "play it again:  sysmemctl replay " : "could not write ") + path;
  }

 private:
  static void KeepTheLast() {
    if (last_ == nullptr) return;
    std::fprintf(stderr, "SYSMEM_SIMULATION_SEED=%llu\n%s\n",
                 static_cast<unsigned long long>(last_->seed_), last_->Keep().c_str());
  }

  static inline const LifeKeeper* last_ = nullptr;
  const Life& life_;
  const uint64_t seed_;
  const Settings& settings_;
};

}  // namespace sysmem::core::test
