// SPDX-License-Identifier: Apache-2.0
//
// sysmemd: negotiates and hands out memory shared between processes.
#include <cstdlib>

#include "server/daemon.h"
#include "server/options.h"

int main(int argc, char** argv) {
  sysmem::server::IgnoreDeadlySignals();
  const sysmem::server::ParsedCommandLine parsed =
      sysmem::server::ParseCommandLine(argc, argv, ::getenv);
  if (!parsed.options) return parsed.Print();
  return sysmem::server::RunDaemon(*parsed.options);
}
