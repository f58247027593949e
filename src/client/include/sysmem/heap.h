/* SPDX-License-Identifier: Apache-2.0
 *
 * Serving a heap: memory that this program supplies, for collections of everybody who permits it.
 *
 *   static void allocate(void* data, sysmem_heap_allocation* call) {
 *     const struct sysmem_heap_allocation_info* what = sysmem_heap_allocation_get_info(call);
 *     ... fill what->offered_fd ...
 *     sysmem_heap_allocation_give_offered(call, NULL);
 *   }
 *   static void take_back(void* data, sysmem_heap_deletion* call) {
 *     sysmem_heap_deletion_finish(call, NULL);
 *   }
 *
 *   const struct sysmem_heap_properties properties = {.struct_size = sizeof(properties),
 *                                                     .cpu_domain = true};
 *   const struct sysmem_heap_listener listener = {.struct_size = sizeof(listener),
 *                                                 .allocate = allocate, .take_back = take_back};
 *   sysmem_heap_serve(client, "linux.example.sysmem.heap.HEAP_TYPE.POOL", 0,
 *                     &properties, &listener, NULL,
 *                     sysmem_deadline_after_ms(5000), &heap, &failure);
 *
 * and then sysmem_client_dispatch() whenever sysmem_client_fd() is readable.
 *
 * The life of a buffer: the daemon asks for it (allocate), the program gives a descriptor, others
 * use the buffer; when nobody holds it any more the daemon gives the last descriptor back
 * (take_back), and when the program has said that it is done the buffer is gone for whoever tracks
 * it. What was given but could not be used, or came too late, comes back likewise. Calls may be
 * answered at once, inside their callback, or later, in any order and from any thread. One that is
 * not answered within the daemon's limit "provider_answer" (5 s) has failed; allocations on this
 * heap wait so long, nobody else does.
 *
 * Whose memory. A program that is root or runs as the daemon's user may give a memfd of its own.
 * It must be exactly size_bytes large, sealed neither against writing nor against sealing, and no
 * other buffer. Or it says at first that it gives dma-bufs (gives_dma_bufs), which then must be of
 * exactly size_bytes. Every other program has to fill and give back the memory that it is offered
 * with the call: an empty memfd of that size which belongs to the daemon.
 * Either way the program keeps no descriptor and no mapping of what it has given, else the buffer
 * never ends; the library closes what passes through its hands.
 *
 * Who may: root, the daemon's user, and those whom the daemon's configuration names
 * (heap_providers). Everybody else is refused with SYSMEM_ERROR_HANDLE_ACCESS_DENIED.
 *
 * The end. When the heap is destroyed, the session ends or the program dies, all collections on the
 * heap fail, and nothing can be allocated of it any more; buffers that are in use stay usable, and
 * take_back is not called for them. So the end of the heap alone must not make the program reuse
 * what belongs to buffers (EXT-4, EXT-H1). When another program begins to serve a heap of the same
 * name, it takes this one's place: the collections fail likewise (EXT-3), this program gets its
 * buffers back one by one, is not told and gets no further allocations.
 *
 * Threads. Callbacks begin in the daemon's order, inside sysmem_client_dispatch() on the thread
 * that calls it. They may call every function of the library, sysmem_heap_destroy() included; while
 * one blocks, that thread runs no other callback of the client. All functions here may be called
 * from any thread; a call belongs to whoever answers it. `failure` may be NULL everywhere. The
 * library has a handful of calls fetched ahead; the others wait in the daemon.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sysmem/buffers.h>
#include <sysmem/client.h>
#include <sysmem/failure.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sysmem_heap sysmem_heap;                       /* a heap that this program serves */
typedef struct sysmem_heap_allocation sysmem_heap_allocation; /* AllocateVmo, to be answered */
typedef struct sysmem_heap_deletion sysmem_heap_deletion;     /* DeleteVmo, to be answered */

/* What the heap's memory is like (EXT-2). */
struct sysmem_heap_properties {
  size_t struct_size; /* sizeof(struct sysmem_heap_properties) */
  /* Coherency domains it can serve. Buffers of one that serves neither cpu nor ram stay without
   * pages: the descriptor only names the buffer. */
  bool cpu_domain, ram_domain, inaccessible_domain;
  /* The daemon must zero what the program gives. False: the program has done so, or what it has
   * written is meant for all who get the buffer. */
  bool need_clear;
  /* It is zero already, but may still be in a cache only. */
  bool need_flush;
  /* What allocate gives are dma-bufs, nothing is offered. Strong holders and weak ones, readers and
   * writers, cannot be told apart then; the end of a buffer is noticed. Only root and the daemon's
   * user may. */
  bool gives_dma_bufs;
};

/* Each of these gets `data`. */
struct sysmem_heap_listener {
  size_t struct_size; /* sizeof(struct sysmem_heap_listener) */
  /* Required. Make one buffer. The call must be answered with one of sysmem_heap_allocation_*(). */
  void (*allocate)(void* data, sysmem_heap_allocation* call);
  /* Required. Take one buffer back. The call must be answered with one of sysmem_heap_deletion_*().
   */
  void (*take_back)(void* data, sysmem_heap_deletion* call);
  /* May be NULL. The heap is not served any more, although the program has not destroyed it: the
   * session is over, or the daemon gives this program no more calls. Called once at most. Calls
   * that were not answered yet must be answered all the same, to be freed. */
  void (*closed)(void* data, const sysmem_failure* why);
  /* May be NULL. An answer was refused: it came too late, or was of the wrong kind. */
  void (*refused)(void* data, const sysmem_failure* why);
  /* May be NULL. `data` is not needed any more, and no callback is running. May be called from any
   * function of the library, also when sysmem_heap_serve() fails. */
  sysmem_free_function free_data;
};

/* Registers the heap (RegisterHeap, then OnRegister) and returns when the daemon knows it: from
 * then on it can be allocated from. `heap_type` has 1 to 128 bytes; interface.md names the grammar
 * `VENDOR.sysmem.heap.HEAP_TYPE.NAME` for heaps of one's own. Copies `properties` and `listener`.
 *
 * SYSMEM_REFUSED: the user may not serve heaps (error HANDLE_ACCESS_DENIED), the name is one of the
 * daemon's own heaps, or too many heaps are served (limit "provided_heaps", rule LIMIT-HEAPS).
 * SYSMEM_TIMEOUT: the registration has been taken back. */
SYSMEM_API sysmem_status sysmem_heap_serve(sysmem_client* client, const char* heap_type,
                                           uint64_t heap_id,
                                           const struct sysmem_heap_properties* properties,
                                           const struct sysmem_heap_listener* listener, void* data,
                                           int64_t deadline_ns, sysmem_heap** heap,
                                           sysmem_failure** failure);

/* Ends the registration, sends that at once, and frees the object. No callback of this heap starts
 * any more; calls that the program has still to answer are freed by their answers, which fail with
 * SYSMEM_CLOSED. NULL is fine. */
SYSMEM_API void sysmem_heap_destroy(sysmem_heap* heap);

/* ---- AllocateVmo ------------------------------------------------------------------------------
 */

/* Fields may be added at the end. */
struct sysmem_heap_allocation_info {
  uint64_t size_bytes; /* of the descriptor's file; a multiple of the page size */
  /* What was negotiated for the collection; settings->size_bytes is the logical size. Look at it
   * only where images or contiguity matter. Its fields that speak of a hand-out are zero. */
  const struct sysmem_settings* settings;
  uint64_t buffer_collection_id;
  uint64_t buffer_index;
  /* An empty memfd of size_bytes, of fixed size, to fill. Belongs to the call: close every mapping
   * of it before answering. -1: the daemon could not open it, or the heap gives
   * dma-bufs. */
  int offered_fd;
};

/* Lives as long as the call. */
SYSMEM_API const struct sysmem_heap_allocation_info* sysmem_heap_allocation_get_info(
    const sysmem_heap_allocation* call);

/* Each of these answers and frees the call, whatever it returns. Inside the call's own callback the
 * answer is sent when that returns, else at once. Status: SYSMEM_CLOSED if the heap is served no
 * more, SYSMEM_DISCONNECTED, SYSMEM_INVALID_ARGUMENT (the buffer is then refused on behalf of the
 * program). What the daemon thinks of the memory it tells whoever allocates. */

/* The buffer is this memory. `owned_fd` now belongs to the library. */
SYSMEM_API sysmem_status sysmem_heap_allocation_give(sysmem_heap_allocation* call, int owned_fd,
                                                     sysmem_failure** failure);
/* The buffer is the memory that was offered. SYSMEM_INVALID_ARGUMENT if there was none. */
SYSMEM_API sysmem_status sysmem_heap_allocation_give_offered(sysmem_heap_allocation* call,
                                                             sysmem_failure** failure);
/* There is no buffer: the allocation fails with SYSMEM_ERROR_NO_MEMORY (EXT-6) and quotes `why`, a
 * sentence of at most 1000 bytes. */
SYSMEM_API sysmem_status sysmem_heap_allocation_refuse(sysmem_heap_allocation* call,
                                                       const char* why, sysmem_failure** failure);

/* ---- DeleteVmo --------------------------------------------------------------------------------
 */

/* Fields may be added at the end. */
struct sysmem_heap_deletion_info {
  uint64_t buffer_collection_id;
  uint64_t buffer_index;
  /* The last descriptor of the buffer anywhere; its content is gone. Belongs to the call: close
   * every mapping of it before answering. -1: nobody has used the buffer, or the daemon could not
   * open it. */
  int fd;
};

/* Lives as long as the call. */
SYSMEM_API const struct sysmem_heap_deletion_info* sysmem_heap_deletion_get_info(
    const sysmem_heap_deletion* call);

/* Both answer and free the call as those above do, and close its descriptor first. */

/* Everything that belonged to the buffer can be used again. */
SYSMEM_API sysmem_status sysmem_heap_deletion_finish(sysmem_heap_deletion* call,
                                                     sysmem_failure** failure);
/* It cannot: the daemon logs `why`, and counts the buffer as gone (EXT-7). */
SYSMEM_API sysmem_status sysmem_heap_deletion_fail(sysmem_heap_deletion* call, const char* why,
                                                   sysmem_failure** failure);

#ifdef __cplusplus
} /* extern "C" */
#endif
