// SPDX-License-Identifier: Apache-2.0
//
// Being told when processes stall for want of memory, before anything is refused or killed: the
// kernel's pressure stall information (PSI), by triggers that become readable.
//
//   for (const PressureSource& source : PressureSources(::getenv, ReadSmallFile)) {
//     absl::StatusOr<PressureTrigger> trigger = OpenPressureTrigger(source);
//     ... wait for trigger->events on trigger->fd ...
//   }
//
// A trigger says so at most once in two seconds, and again for as long as the stalling goes on. Its
// end is told by nothing but silence.
//
// What the kernels allow: from Linux 6.5 on anybody may set a trigger on /proc/pressure/memory, on
// Debian's 6.1 too; others before that want CAP_SYS_RESOURCE. On the file of a control group it
// takes the right to write it, which a service manager gives. Without PSI (kernel before 4.20, or
// booted with psi=0) there are no such files.
//
// Thread-safe if the readers are.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/memory_limits.h"
#include "base/unique_fd.h"

namespace sysmem::base {

struct PressureSource {
  std::string path;
  std::string trigger;  // to be written to it; may be empty where somebody else set one
  bool operator==(const PressureSource&) const = default;
};

struct PressureTrigger {
  UniqueFd fd;  // non-blocking; read what is there when `events` has EPOLLIN
  std::string path;
  uint32_t events = 0;  // EPOLLPRI, or EPOLLIN of a pipe; EPOLLERR means that it will tell no more
};

// Value of an environment variable or nullptr.
using VariableReader = std::function<const char*(const char* name)>;

// Whom to ask: the source that the service manager names ($MEMORY_PRESSURE_WATCH, and in base64
// $MEMORY_PRESSURE_WRITE; systemd 254 and later set them, /dev/null means none). Else this
// process's own control group, if it is in one, and the whole machine.
std::vector<PressureSource> PressureSources(const VariableReader& variable,
                                            const TextFileReader& read);

// Errors: the kernel's, with the path; InvalidArgument when it is neither a file nor a pipe.
absl::StatusOr<PressureTrigger> OpenPressureTrigger(const PressureSource& source);

}  // namespace sysmem::base
