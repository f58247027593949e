/* SPDX-License-Identifier: Apache-2.0
 *
 * libsysmem: buffers that several processes share, negotiated by sysmemd.
 *
 *   client.h       the connection, event loops, threads, fork; start here
 *   node.h         tokens, collections, groups: taking part
 *   constraints.h  what a participant needs
 *   buffers.h      what it gets: descriptors, settings, mappings
 *   heap.h         supplying memory for others
 *   failure.h      how a call says no
 *   constants.h    numbers of formats, usages, rights, ...
 *
 * A reader of somebody's images, complete but for its errors:
 *
 *   sysmem_connect(NULL, &client, NULL);
 *   sysmem_constraints* needs = sysmem_constraints_new();
 *   sysmem_constraints_set_cpu_usage(needs, SYSMEM_CPU_USAGE_READ);
 *   sysmem_join(client, token_fd, needs, sysmem_deadline_after_ms(5000), &collection, &buffers,
 *               NULL);
 *   for (size_t i = 0; i < sysmem_buffers_count(buffers); ++i)
 *     sysmem_map(buffers, i, SYSMEM_ACCESS_READ, &mappings[i], NULL);
 *
 * Everything here is C11 and C++; sysmem.hpp is the comfortable form for C++20. The library's ABI
 * is stable: structures given by the caller carry their size, those given by the library only grow
 * at the end.
 */
#pragma once

#include <sysmem/buffers.h>     /* IWYU pragma: export */
#include <sysmem/client.h>      /* IWYU pragma: export */
#include <sysmem/constants.h>   /* IWYU pragma: export */
#include <sysmem/constraints.h> /* IWYU pragma: export */
#include <sysmem/failure.h>     /* IWYU pragma: export */
#include <sysmem/heap.h>        /* IWYU pragma: export */
#include <sysmem/node.h>        /* IWYU pragma: export */
