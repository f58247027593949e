/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection to the daemon, and how it lives in an event loop.
 *
 * Threads. The library starts none before the first sysmem_connect(). Then gRPC starts its own
 * threads (timers and an event pool; all signals are blocked in them). Each client starts at most
 * two more, both sleeping unless needed and with all signals blocked: "sysmem-replies", at the
 * first call whose answer nobody waits for on the spot (flush, asynchronous waits, destroying a
 * node), and "sysmem-events", when the first descriptor for closure is asked for
 * (sysmem_node_closed_fd()). Blocking calls run entirely on the thread that makes them; they look
 * for their answer for up to 60 us before they sleep. Callbacks run only inside
 * sysmem_client_dispatch(), on the thread that calls it.
 *
 * Thread-safety. A client and its objects may be used from any number of threads at once, except
 * that nobody may use an object while or after it is destroyed. Calls made by one thread are
 * carried out in the order in which it made them.
 *
 * Callbacks may call every function of the library, including one that destroys the object they
 * were called for. After a destroying function has returned, no callback of that object starts; one
 * that another thread is in the middle of finishes.
 *
 * fork(). In the child every client of the parent is dead: all calls answer SYSMEM_DISCONNECTED and
 * nothing of the parent's session is touched. Objects may be freed there. All descriptors of the
 * library are close-on-exec. A child that wants its own session connects for itself, after exec.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sysmem/failure.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sysmem_client sysmem_client;

/* ---- Deadlines -------------------------------------------------------------------------------
 *
 * Points in time on CLOCK_MONOTONIC in nanoseconds. Every function that may wait takes one. */
#define SYSMEM_NO_DEADLINE INT64_MAX
/* A deadline that has passed: look, but do not wait. */
#define SYSMEM_NO_WAIT INT64_C(0)

/* Now plus `nanoseconds`; SYSMEM_NO_DEADLINE if that is beyond all times. */
SYSMEM_API int64_t sysmem_deadline_after(int64_t nanoseconds);
SYSMEM_API int64_t sysmem_deadline_after_ms(int64_t milliseconds);

/* ---- Connecting ------------------------------------------------------------------------------ */

struct sysmem_connect_options {
  size_t struct_size; /* sizeof(struct sysmem_connect_options) */
  /* Socket of the daemon. NULL: $SYSMEM_SOCKET, else $XDG_RUNTIME_DIR/sysmemd/socket if it answers,
   * else /run/sysmemd/socket. */
  const char* path;
  /* Names under which people find this program in reports and sysmemctl, at most 256 bytes. NULL
   * and 0: the program's name and its process id. */
  const char* debug_name;
  uint64_t debug_id;
  /* By when the daemon must have answered; 0: in 5 s. */
  int64_t deadline_ns;
  /* How long sysmem_client_destroy() may wait for the daemon to take in what was sent last; 0: 2 s,
   * negative: not at all. */
  int64_t close_timeout_ns;
};
#define SYSMEM_CONNECT_OPTIONS_INIT \
  { sizeof(struct sysmem_connect_options), 0, 0, 0, 0, 0 }

/* `options` may be NULL for all defaults. */
SYSMEM_API sysmem_status sysmem_connect(const struct sysmem_connect_options* options,
                                        sysmem_client** client, sysmem_failure** failure);

/* Sends what is queued, waits (see close_timeout_ns) until the daemon has taken it in, and ends the
 * session. Nodes that were not destroyed before are closed uncleanly by that, as if the program had
 * died; their objects, and buffers, must still be freed, in any order. NULL is fine. */
SYSMEM_API void sysmem_client_destroy(sysmem_client* client);

/* The path of the socket this client is connected to. */
SYSMEM_API const char* sysmem_client_path(const sysmem_client* client);
/* Whether the session is still there, as far as is known without waiting. */
SYSMEM_API bool sysmem_client_is_connected(sysmem_client* client);

struct sysmem_heap_info {
  const char* heap_type;
  uint64_t id;
  bool cpu_domain, ram_domain, inaccessible_domain; /* coherency domains it can serve */
  bool tells_holders_apart, reports_end, reduces_rights;
  bool usable;              /* can be allocated from now */
  const char* why_unusable; /* if not usable: why not, in a sentence... */
  const char* remedy;       /* ... and what to do about it */
  const char* backing;      /* "memfd", "/dev/dma_heap/system", ... */
};

struct sysmem_limit {
  const char* name;
  uint64_t value;
  const char* unit;   /* "bytes", "ns", "buffers", ... */
  const char* reason; /* one sentence */
};

/* What the daemon says of itself. Fields may be added at the end. */
struct sysmem_server_info {
  const char* version;
  size_t feature_count;
  const char* const* features;
  size_t heap_count;
  const struct sysmem_heap_info* heaps;
  size_t limit_count;
  const struct sysmem_limit* limits;
};

/* *info is freed with sysmem_server_info_free(). */
SYSMEM_API sysmem_status sysmem_client_get_server_info(sysmem_client* client, int64_t deadline_ns,
                                                       const struct sysmem_server_info** info,
                                                       sysmem_failure** failure);
SYSMEM_API void sysmem_server_info_free(const struct sysmem_server_info* info);

/* Allocator.SetDebugClientInfo: name and id for nodes that this client makes from now on
 * (DBG-3). sysmem_connect() has already sent those of its options. */
SYSMEM_API sysmem_status sysmem_client_set_debug_client_info(sysmem_client* client,
                                                             const char* name, uint64_t id,
                                                             sysmem_failure** failure);

/* ---- Sending ---------------------------------------------------------------------------------
 *
 * Calls without a result (bind, set_constraints, duplicate, ...) are queued: they cost no system
 * call and return at once. The queue is sent in one message with the next call that has a result,
 * by flush, dispatch, export, when an object is destroyed or closed, and when 64 KiB or 1,000 calls
 * have come together. A program that goes to sleep in an event loop of its own calls flush first.
 *
 * Order holds: everything is carried out in the order in which it was called. If such a call is
 * refused, its node's listener hears of it (node.h), and so does the next roundtrip. */

/* Sends the queue without waiting. */
SYSMEM_API sysmem_status sysmem_client_flush(sysmem_client* client, sysmem_failure** failure);

/* Sends the queue and waits until the daemon has carried it out. Fails with the first refusal of a
 * call without result since the last roundtrip, if there was one. */
SYSMEM_API sysmem_status sysmem_client_roundtrip(sysmem_client* client, int64_t deadline_ns,
                                                 sysmem_failure** failure);

/* ---- Event loops, as in libwayland -----------------------------------------------------------
 *
 *   for (;;) {
 *     sysmem_client_flush(client, NULL);
 *     poll({sysmem_client_fd(client), POLLIN}, ...);
 *     if (sysmem_client_dispatch(client, SYSMEM_NO_WAIT, NULL, &failure) != SYSMEM_OK) break;
 *   }
 */

/* Readable while dispatch has something to do, and for good once the session is over. Belongs to
 * the client: poll it, nothing else. -1 in a forked child. */
SYSMEM_API int sysmem_client_fd(sysmem_client* client);

/* Sends the queue, takes in what the daemon has sent, and runs the callbacks that are due. If none
 * is due it waits for one until the deadline; SYSMEM_NO_WAIT does not. *callbacks (may be NULL) is
 * how many ran; none by the deadline is SYSMEM_OK with 0. SYSMEM_DISCONNECTED when the session is
 * over and every callback has run. */
SYSMEM_API sysmem_status sysmem_client_dispatch(sysmem_client* client, int64_t deadline_ns,
                                                size_t* callbacks, sysmem_failure** failure);

/* Calls `ended` once, from dispatch, after every other callback, when the session is over. NULL
 * removes it. The failure is valid during the call. `free_data` (may be NULL) gets `data` when no
 * callback will use it any more. */
typedef void (*sysmem_free_function)(void* data);
typedef void (*sysmem_ended_callback)(void* data, const sysmem_failure* why);
SYSMEM_API void sysmem_client_on_ended(sysmem_client* client, sysmem_ended_callback ended,
                                       void* data, sysmem_free_function free_data);

/* ---- For tools ------------------------------------------------------------------------------- */

/* Calls a method of the Inspect service by its name. Request (may be NULL: empty) and reply are in
 * Protobuf's JSON form, with the field names of proto/sysmem2/inspect.proto as written there and
 * with fields of value zero printed. *json_out is freed with sysmem_string_free(). What one may see
 * depends on the caller's uid. */
SYSMEM_API sysmem_status sysmem_inspect(sysmem_client* client, const char* method_name,
                                        const char* request_json, int64_t deadline_ns,
                                        char** json_out, sysmem_failure** failure);

/* The version of this library, "0.1.0". */
SYSMEM_API const char* sysmem_library_version(void);

#ifdef __cplusplus
} /* extern "C" */
#endif
