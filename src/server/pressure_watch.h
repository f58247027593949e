// SPDX-License-Identifier: Apache-2.0
//
// Listens for memory pressure on the event loop (base/memory_pressure.h). While nothing stalls,
// nothing runs.
//
// A source that breaks (its control group was removed) is not listened to any more.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/memory_pressure.h"
#include "server/event_loop.h"

namespace sysmem::server {

class PressureWatch {
 public:
  // Called on the loop's thread with the path of the source.
  using OnPressure = std::function<void(const std::string& path)>;

  // What was opened of `sources`, and why the others were not.
  struct Outcome {
    std::unique_ptr<PressureWatch> watch;
    std::vector<std::string> listening;  // paths
    std::vector<std::string> refusals;   // one sentence each
  };
  // The loop outlives the watch; at the end of the watch the loop does not run.
  static Outcome Start(EventLoop& loop, const std::vector<base::PressureSource>& sources,
                       OnPressure on_pressure);

  ~PressureWatch();
  PressureWatch(const PressureWatch&) = delete;
  PressureWatch& operator=(const PressureWatch&) = delete;

 private:
  struct Listening {
    base::PressureTrigger trigger;
    EventLoop::WatchId watch = 0;  // 0: it broke
  };

  PressureWatch(EventLoop& loop, OnPressure on_pressure)
      : loop_(loop), on_pressure_(std::move(on_pressure)) {}
  absl::Status Listen(base::PressureTrigger trigger);
  void OnEvents(Listening& listening, uint32_t events);

  EventLoop& loop_;
  const OnPressure on_pressure_;
  std::vector<std::unique_ptr<Listening>> listening_;
};

}  // namespace sysmem::server
