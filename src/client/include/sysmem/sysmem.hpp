// SPDX-License-Identifier: Apache-2.0
//
// libsysmem for C++20: a header-only wrapper over the C interface of <sysmem/sysmem.h>.
//
// Owners are move-only, every call that can fail returns a Result with the full Failure, every wait
// takes a deadline, nothing throws.
//
//   using namespace std::chrono_literals;
//   auto client = sysmem::Client::Connect();
//   if (!client.ok()) return Complain(client.failure());
//   auto joined = client->Join(std::move(token_fd),
//                              sysmem::Constraints{
//                                  .usage = sysmem::Usage{.cpu = SYSMEM_CPU_USAGE_READ},
//                                  .min_buffer_count_for_camping = 1},
//                              10s);
//   if (!joined.ok()) return Complain(joined.failure());
//   auto mapping = joined->buffers.Map(0, SYSMEM_ACCESS_READ);
//
// Start with client.hpp; the headers of the C interface say what each call means.
#pragma once

#include <sysmem/constants.h>  // IWYU pragma: export

#include <sysmem/buffers.hpp>      // IWYU pragma: export
#include <sysmem/client.hpp>       // IWYU pragma: export
#include <sysmem/constraints.hpp>  // IWYU pragma: export
#include <sysmem/heap.hpp>         // IWYU pragma: export
#include <sysmem/node.hpp>         // IWYU pragma: export
#include <sysmem/result.hpp>       // IWYU pragma: export
