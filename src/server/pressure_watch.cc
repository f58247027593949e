// SPDX-License-Identifier: Apache-2.0
#include "server/pressure_watch.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace sysmem::server {

PressureWatch::Outcome PressureWatch::Start(EventLoop& loop,
                                            const std::vector<base::PressureSource>& sources,
                                            OnPressure on_pressure) {
  Outcome outcome;
  outcome.watch.reset(new PressureWatch(loop, std::move(on_pressure)));
  for (const base::PressureSource& source : sources) {
    absl::StatusOr<base::PressureTrigger> trigger = base::OpenPressureTrigger(source);
    absl::Status status = trigger.status();
    if (status.ok()) status = outcome.watch->Listen(*std::move(trigger));
    if (status.ok()) {
      outcome.listening.push_back(source.path);
    } else {
      outcome.refusals.emplace_back(status.message());
    }
  }
  return outcome;
}

PressureWatch::~PressureWatch() {
  for (const auto& listening : listening_) {
    if (listening->watch != 0) loop_.RemoveWatch(listening->watch);
  }
}

absl::Status PressureWatch::Listen(base::PressureTrigger trigger) {
  auto listening = std::make_unique<Listening>();
  listening->trigger = std::move(trigger);
  // Edge-triggered: one call for each time the source tells, whatever is left to read.
  absl::StatusOr<EventLoop::WatchId> watch =
      loop_.AddWatch(listening->trigger.fd.get(), listening->trigger.events | EPOLLET,
                     [this, raw = listening.get()](uint32_t events) { OnEvents(*raw, events); });
  if (!watch.ok()) return watch.status();
  listening->watch = *watch;
  listening_.push_back(std::move(listening));
  return absl::OkStatus();
}

void PressureWatch::OnEvents(Listening& listening, uint32_t events) {
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
    loop_.RemoveWatch(listening.watch);
    listening.watch = 0;
    return;
  }
  if ((events & EPOLLIN) != 0) {  // what a pipe says does not matter, only that it does
    std::array<char, 512> said;
    while (::read(listening.trigger.fd.get(), said.data(), said.size()) > 0) {
    }
  }
  on_pressure_(listening.trigger.path);
}

}  // namespace sysmem::server
