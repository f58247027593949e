/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens, collections and groups: the nodes of a logical buffer collection.
 *
 * The life of a participant:
 *
 *   the initiator                          a participant it starts
 *   -------------                          -----------------------
 *   sysmem_token_create(...)
 *   sysmem_token_duplicate_exported(...)   (descriptor arrives, by SCM_RIGHTS or inheritance)
 *   sysmem_token_bind(...)                 sysmem_join(descriptor, constraints) does at once:
 *   sysmem_collection_set_constraints()      bind, set_constraints, wait
 *   sysmem_collection_wait(...)
 *
 * A token's descriptor is a Unix socket that proves the right to take part: whoever holds it may
 * use it once. Pass it like any descriptor; when all copies are closed unused, the token counts as
 * closed by a program that died, and the collection fails.
 *
 * Leaving. sysmem_*_destroy() is the clean way: it releases the node, so that the others go on
 * without it (a collection's constraints stay in force), and closes it. sysmem_*_close() only
 * closes it, which fails the node's failure domain, as the death of the program would. Both free
 * the object, whatever the state of the session, and send at once without waiting.
 *
 * Descriptors in parameters: `owned_fd` now belongs to the library, also if the call fails (one
 * that is not open: SYSMEM_INVALID_ARGUMENT); `fd` stays the caller's. Descriptors in results
 * belong to the caller and are close-on-exec.
 *
 * "Queued" marks calls without a result (client.h, Sending). They fail at once only with
 * SYSMEM_DISCONNECTED, SYSMEM_CLOSED (the node is already known to be gone) or
 * SYSMEM_INVALID_ARGUMENT. `failure` may be NULL everywhere. Thread-safety: see client.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sysmem/buffers.h>
#include <sysmem/client.h>
#include <sysmem/constraints.h>
#include <sysmem/failure.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sysmem_node sysmem_node;             /* what all three have in common */
typedef struct sysmem_token sysmem_token;           /* BufferCollectionToken */
typedef struct sysmem_collection sysmem_collection; /* BufferCollection */
typedef struct sysmem_group sysmem_group;           /* BufferCollectionTokenGroup */

/* The same object, for the sysmem_node_ functions. Borrowed: lives as long as the argument. */
SYSMEM_API sysmem_node* sysmem_token_node(sysmem_token* token);
SYSMEM_API sysmem_node* sysmem_collection_node(sysmem_collection* collection);
SYSMEM_API sysmem_node* sysmem_group_node(sysmem_group* group);

/* ---- Tokens ------------------------------------------------------------------------------------
 */

/* The root token of a new logical collection. Queued. */
SYSMEM_API sysmem_status sysmem_token_create(sysmem_client* client, sysmem_token** token,
                                             sysmem_failure** failure);

/* A token that arrived as a descriptor. Queued: if the descriptor is no token, the new object is
 * closed and the refusal is the reason. */
SYSMEM_API sysmem_status sysmem_token_import(sysmem_client* client, int owned_fd,
                                             sysmem_token** token, sysmem_failure** failure);

/* The environment variable that says by which descriptor this process was started with a token, as
 * `sysmemctl run` does it: a number from 3 up. */
#define SYSMEM_TOKEN_FD_VARIABLE "SYSMEM_TOKEN_FD"

/* That descriptor, now the caller's, for sysmem_token_import(), sysmem_collection_bind_fd() or
 * sysmem_join(). It is made close-on-exec, and the variable is removed, so that no program started
 * from here takes it for its own. Call it before there are threads that read the environment. On
 * failure, SYSMEM_INVALID_ARGUMENT, sysmem_failure_errno() tells what is wrong:
 *   ENOENT     the variable is not set: the program was started by something else
 *   EINVAL     it is no number from 3 up
 *   EBADF      the descriptor is not open
 *   ENOTSOCK   it is something else than a token: left alone
 *   EPIPE      the token was used before, or its collection is gone: closed */
SYSMEM_API sysmem_status sysmem_token_fd_from_environment(int* fd, sysmem_failure** failure);
/* The same, imported. Queued. */
SYSMEM_API sysmem_status sysmem_token_from_environment(sysmem_client* client, sysmem_token** token,
                                                       sysmem_failure** failure);

/* A new child token. The mask takes rights away from it and all below (SYSMEM_SAME_RIGHTS: none).
 * Queued. Before the child is exported or bound nothing else is needed: order holds. */
SYSMEM_API sysmem_status sysmem_token_duplicate(sysmem_token* token, uint32_t rights_mask,
                                                sysmem_token** child, sysmem_failure** failure);

/* A new child token, straight as a descriptor to pass on. */
SYSMEM_API sysmem_status sysmem_token_duplicate_exported(sysmem_token* token, uint32_t rights_mask,
                                                         int64_t deadline_ns, int* child_fd,
                                                         sysmem_failure** failure);

/* `count` new child tokens, at most 64, one per mask, into children[0] to children[count - 1];
 * returns when the daemon knows them. */
SYSMEM_API sysmem_status sysmem_token_duplicate_sync(sysmem_token* token,
                                                     const uint32_t* rights_masks, size_t count,
                                                     int64_t deadline_ns, sysmem_token** children,
                                                     sysmem_failure** failure);

/* Once this node has its buffers, its failure takes only the nodes below it along (FAIL-2). Until
 * then it fails the collection like any other. Stays with the collection that the token becomes;
 * repeating it, and saying it of an attached token, changes nothing. Queued. */
SYSMEM_API sysmem_status sysmem_token_set_dispensable(sysmem_token* token,
                                                      sysmem_failure** failure);

/* Turns the token into a collection. On SYSMEM_OK the token object is gone. Queued. */
SYSMEM_API sysmem_status sysmem_token_bind(sysmem_token* token, sysmem_collection** collection,
                                           sysmem_failure** failure);

/* A new group below the token (see Groups). The token goes on as it was, and must still be bound or
 * destroyed. Queued. */
SYSMEM_API sysmem_status sysmem_token_create_group(sysmem_token* token, sysmem_group** group,
                                                   sysmem_failure** failure);

/* Turns a node into a descriptor that another session can import (or bind). On SYSMEM_OK the object
 * is gone; from then on only the descriptor counts. */
SYSMEM_API sysmem_status sysmem_token_export(sysmem_token* token, int64_t deadline_ns, int* fd,
                                             sysmem_failure** failure);
SYSMEM_API sysmem_status sysmem_collection_export(sysmem_collection* collection,
                                                  int64_t deadline_ns, int* fd,
                                                  sysmem_failure** failure);
SYSMEM_API sysmem_status sysmem_group_export(sysmem_group* group, int64_t deadline_ns, int* fd,
                                             sysmem_failure** failure);

/* NULL is fine. */
SYSMEM_API void sysmem_token_destroy(sysmem_token* token);
SYSMEM_API void sysmem_token_close(sysmem_token* token);

/* ---- Collections -------------------------------------------------------------------------------
 */

/* A collection with this client as its only participant; for tests. Queued. */
SYSMEM_API sysmem_status sysmem_collection_create_non_shared(sysmem_client* client,
                                                             sysmem_collection** collection,
                                                             sysmem_failure** failure);
/* Binds a token that arrived as a descriptor. Queued. */
SYSMEM_API sysmem_status sysmem_collection_bind_fd(sysmem_client* client, int owned_fd,
                                                   sysmem_collection** collection,
                                                   sysmem_failure** failure);
/* A collection (not a token) that arrived as a descriptor. Queued. */
SYSMEM_API sysmem_status sysmem_collection_import(sysmem_client* client, int owned_fd,
                                                  sysmem_collection** collection,
                                                  sysmem_failure** failure);

/* What this participant needs; NULL: nothing, NONE usage. At most once. Queued. */
SYSMEM_API sysmem_status sysmem_collection_set_constraints(sysmem_collection* collection,
                                                           const sysmem_constraints* constraints,
                                                           sysmem_failure** failure);
/* The same, and the buffers must become like the one that must_match_fd is a descriptor of: of the
 * same size, memory, coherency domain, heap and image format. For a collection that takes the place
 * of another one. Their number is free, and everybody's constraints hold as ever; if these cannot
 * be met by such buffers, the allocation fails with SYSMEM_ERROR_CONSTRAINTS_INTERSECTION_EMPTY.
 *
 * The descriptor may come from any collection of the same daemon, also from one that is over. It
 * remains the caller's, who may close it as soon as this returns. If it is no buffer of this daemon
 * the collection fails, as for any other broken rule. Queued. */
SYSMEM_API sysmem_status sysmem_collection_set_constraints_matching(
    sysmem_collection* collection, const sysmem_constraints* constraints, int must_match_fd,
    sysmem_failure** failure);

/* WaitForAllBuffersAllocated: waits until everybody has said what they need and the buffers are
 * there, or the allocation has failed. May be called again, each time for new descriptors. */
SYSMEM_API sysmem_status sysmem_collection_wait(sysmem_collection* collection, int64_t deadline_ns,
                                                sysmem_buffers** buffers, sysmem_failure** failure);

/* CheckAllBuffersAllocated: SYSMEM_OK, or SYSMEM_ERROR with SYSMEM_ERROR_PENDING, or what the wait
 * would fail with. */
SYSMEM_API sysmem_status sysmem_collection_check(sysmem_collection* collection, int64_t deadline_ns,
                                                 sysmem_failure** failure);

/* Bind, set_constraints and wait in one message: the fast way to take part. When it fails, no
 * object is left, except after SYSMEM_TIMEOUT: then *collection is set and can be waited for again.
 * `constraints` may be NULL, `buffers` may not. On any status but SYSMEM_INVALID_ARGUMENT the token
 * object is gone. */
SYSMEM_API sysmem_status sysmem_token_join(sysmem_token* token,
                                           const sysmem_constraints* constraints,
                                           int64_t deadline_ns, sysmem_collection** collection,
                                           sysmem_buffers** buffers, sysmem_failure** failure);
SYSMEM_API sysmem_status sysmem_join(sysmem_client* client, int owned_fd,
                                     const sysmem_constraints* constraints, int64_t deadline_ns,
                                     sysmem_collection** collection, sysmem_buffers** buffers,
                                     sysmem_failure** failure);

/* A wait that goes on while the program does other things. */
typedef struct sysmem_wait sysmem_wait;
/* Called from dispatch when the wait is over. `buffers` belongs to the callback and is NULL unless
 * status is SYSMEM_OK; `failure` is valid during the call and NULL if status is SYSMEM_OK. */
typedef void (*sysmem_wait_callback)(void* data, sysmem_status status, sysmem_buffers* buffers,
                                     const sysmem_failure* failure);
/* Sends the wait and returns at once. With a callback, the callback gets the outcome; with NULL,
 * sysmem_wait_finish() does. If a deadline passes, the outcome is SYSMEM_TIMEOUT. *wait must be
 * destroyed; it may outlive the collection. `free_data` (may be NULL) gets `data` when no callback
 * will use it any more, also when this call fails. */
SYSMEM_API sysmem_status sysmem_collection_start_wait(sysmem_collection* collection,
                                                      int64_t deadline_ns,
                                                      sysmem_wait_callback callback, void* data,
                                                      sysmem_free_function free_data,
                                                      sysmem_wait** wait, sysmem_failure** failure);
/* An eventfd that becomes readable when the wait is over, and stays so. Belongs to the wait. */
SYSMEM_API int sysmem_wait_fd(sysmem_wait* wait);
/* The outcome of a wait without callback, once: SYSMEM_TIMEOUT while it is not over by the deadline
 * (the wait goes on), SYSMEM_INVALID_ARGUMENT when the outcome was already taken. */
SYSMEM_API sysmem_status sysmem_wait_finish(sysmem_wait* wait, int64_t deadline_ns,
                                            sysmem_buffers** buffers, sysmem_failure** failure);
/* Takes the wait back; its outcome will be SYSMEM_CANCELLED, or what came first. */
SYSMEM_API void sysmem_wait_cancel(sysmem_wait* wait);
/* Takes the wait back if it is not over, and frees it; its callback does not run any more. */
SYSMEM_API void sysmem_wait_destroy(sysmem_wait* wait);

/* A token whose subtree allocates later, out of this collection's spare buffers. Queued. */
SYSMEM_API sysmem_status sysmem_collection_attach_token(sysmem_collection* collection,
                                                        uint32_t rights_mask, sysmem_token** token,
                                                        sysmem_failure** failure);
SYSMEM_API sysmem_status sysmem_collection_attach_token_exported(sysmem_collection* collection,
                                                                 uint32_t rights_mask,
                                                                 int64_t deadline_ns, int* token_fd,
                                                                 sysmem_failure** failure);
/* *over_fd, which belongs to the caller, hangs up when at most `buffers_remaining` buffers of this
 * collection are left in the world: 0, all are gone, held by nobody. At once if there never were
 * more, or when this collection's allocation fails, whatever others hold. After allocation it goes
 * on when the node ends. See Trackings. Queued. */
SYSMEM_API sysmem_status sysmem_collection_track_lifetime(sysmem_collection* collection,
                                                          uint32_t buffers_remaining, int* over_fd,
                                                          sysmem_failure** failure);
/* The same with a pipe of the caller's: `owned_fd` is the write end (or a connected socket). */
SYSMEM_API sysmem_status sysmem_collection_attach_lifetime_tracking(sysmem_collection* collection,
                                                                    int owned_fd,
                                                                    uint32_t buffers_remaining,
                                                                    sysmem_failure** failure);

SYSMEM_API void sysmem_collection_destroy(sysmem_collection* collection);
SYSMEM_API void sysmem_collection_close(sysmem_collection* collection);

/* ---- Groups: exactly one child is chosen, earlier ones are tried first --------------------------
 *
 *   sysmem_token_create_group(token, &group, NULL);
 *   sysmem_group_create_child(group, SYSMEM_SAME_RIGHTS, &preferred, NULL);
 *   sysmem_group_create_child(group, SYSMEM_SAME_RIGHTS, &fallback, NULL);
 *   sysmem_group_all_children_present(group, NULL);
 *   ... bind both, set constraints, wait; one wait brings buffers, the other SYSMEM_CLOSED ...
 *
 * Each child, with everything made from it, is one alternative. The first whose constraints go
 * together with those of all the others gets the buffers; the nodes of the other alternatives are
 * closed right after (DEL-2). With several groups, combinations are tried in order, the group made
 * last changing fastest, and at most 64 of them (SYSMEM_ERROR_TOO_MANY_GROUP_CHILD_COMBINATIONS).
 * All children, chosen or not, must be bound and have their constraints before anything allocates.
 */

/* A group that arrived as a descriptor. Queued. */
SYSMEM_API sysmem_status sysmem_group_import(sysmem_client* client, int owned_fd,
                                             sysmem_group** group, sysmem_failure** failure);
/* One more alternative, to be tried after those made before. The mask takes rights away from it and
 * all below (SYSMEM_SAME_RIGHTS: none); a mask of 0, and a child after all_children_present(), fail
 * the group. Queued. */
SYSMEM_API sysmem_status sysmem_group_create_child(sysmem_group* group, uint32_t rights_mask,
                                                   sysmem_token** child, sysmem_failure** failure);
/* The same, straight as a descriptor to pass on. */
SYSMEM_API sysmem_status sysmem_group_create_child_exported(sysmem_group* group,
                                                            uint32_t rights_mask,
                                                            int64_t deadline_ns, int* child_fd,
                                                            sysmem_failure** failure);
/* `count` new alternatives, at most 64, one per mask, into children[0] to children[count - 1];
 * returns when the daemon knows them. */
SYSMEM_API sysmem_status sysmem_group_create_children_sync(sysmem_group* group,
                                                           const uint32_t* rights_masks,
                                                           size_t count, int64_t deadline_ns,
                                                           sysmem_token** children,
                                                           sysmem_failure** failure);
/* No more children will come; there must be one at least. Once only. Without it the collection
 * never allocates, and destroying the group fails it. Queued. */
SYSMEM_API sysmem_status sysmem_group_all_children_present(sysmem_group* group,
                                                           sysmem_failure** failure);
/* Released cleanly, after all_children_present(), a group still decides between its children. */
SYSMEM_API void sysmem_group_destroy(sysmem_group* group);
SYSMEM_API void sysmem_group_close(sysmem_group* group);

/* ---- What all nodes can do ----------------------------------------------------------------------
 */

/* Returns when the daemon has taken in every earlier call. */
SYSMEM_API sysmem_status sysmem_node_sync(sysmem_node* node, int64_t deadline_ns,
                                          sysmem_failure** failure);
/* Release without closing. After it only destroy or close makes sense. Queued. */
SYSMEM_API sysmem_status sysmem_node_release(sysmem_node* node, sysmem_failure** failure);
/* Names the buffers allocated later, at most 64 bytes; the highest priority wins. Queued. */
SYSMEM_API sysmem_status sysmem_node_set_name(sysmem_node* node, uint32_t priority,
                                              const char* name, sysmem_failure** failure);
/* Name (at most 256 bytes) and id of this node and those made from it later. Queued. */
SYSMEM_API sysmem_status sysmem_node_set_debug_client_info(sysmem_node* node, const char* name,
                                                           uint64_t id, sysmem_failure** failure);
/* When the daemon should complain in its log that participants are missing. Queued. */
SYSMEM_API sysmem_status sysmem_node_set_debug_timeout_log_deadline(sysmem_node* node,
                                                                    int64_t deadline_ns,
                                                                    sysmem_failure** failure);
/* Queued. */
SYSMEM_API sysmem_status sysmem_node_set_verbose_logging(sysmem_node* node,
                                                         sysmem_failure** failure);
SYSMEM_API sysmem_status sysmem_node_get_buffer_collection_id(sysmem_node* node,
                                                              int64_t deadline_ns, uint64_t* id,
                                                              sysmem_failure** failure);
/* A descriptor that tells is_alternate_for() which node is meant, in whatever process it is called.
 * It gives no power over the node, carries nothing and may be copied at will; all of a node's are
 * copies of one socket. Error: NO_MEMORY when the daemon keeps too many descriptors. */
SYSMEM_API sysmem_status sysmem_node_get_node_ref(sysmem_node* node, int64_t deadline_ns,
                                                  int* node_ref_fd, sysmem_failure** failure);
/* Whether at most one of `node` and the node behind `node_ref_fd` can take part, because a group
 * decides between them (or is one of the two). Errors, which leave the node unharmed:
 * SYSMEM_ERROR_NOT_FOUND, a socket that is no reference to a node of this collection (any more);
 * SYSMEM_ERROR_PROTOCOL_DEVIATION, no socket. */
SYSMEM_API sysmem_status sysmem_node_is_alternate_for(sysmem_node* node, int node_ref_fd,
                                                      int64_t deadline_ns, bool* is_alternate,
                                                      sysmem_failure** failure);
/* This node and those made from it later hold buffers weakly: they do not keep them alive. Before
 * set_constraints() or all_children_present(), else the node fails; there is no way back. Implies
 * set_weak_ok() for this node alone. Queued. */
SYSMEM_API sysmem_status sysmem_node_set_weak(sysmem_node* node, sysmem_failure** failure);
/* This client heeds close_weak_asap. A weak collection must say so (or have it said by the node it
 * was made from, with `for_child_nodes_also`) before it waits, else the wait fails it. Queued. */
SYSMEM_API sysmem_status sysmem_node_set_weak_ok(sysmem_node* node, bool for_child_nodes_also,
                                                 sysmem_failure** failure);
/* *over_fd, which belongs to the caller, hangs up when this node is no more. Its constraints
 * reserve no buffers then, which are free for a token attached next. The node stays after its
 * release, as long as what it said counts. At most 256 trackings per node; one more fails the node.
 * See Trackings. Queued. */
SYSMEM_API sysmem_status sysmem_node_track(sysmem_node* node, int* over_fd,
                                           sysmem_failure** failure);
/* The same with a pipe of the caller's: `owned_fd` is the write end (or a connected socket); one of
 * another kind fails the node. */
SYSMEM_API sysmem_status sysmem_node_attach_tracking(sysmem_node* node, int owned_fd,
                                                     sysmem_failure** failure);

/* ---- Trackings ----------------------------------------------------------------------------------
 *
 * A tracking is the read end of a pipe; the daemon has the write end and closes it when it is over.
 * It is polled with an event loop's other descriptors (POLLHUP, asked for or not; for good), looked
 * at and waited for with sysmem_await_hangup(), duplicated and passed on to whoever wants to know;
 * it says the same in all processes and after the session. Closing it tells nobody anything.
 *
 * It also hangs up when the daemon ends, when the node was gone before it was attached, and when
 * the daemon refuses it because it keeps too many descriptors (NO_MEMORY; the node goes on): look
 * for the refusal (listener, sysmem_client_roundtrip()) before believing the signal. */

/* Events of a node, called from dispatch. Failures are valid during the call. Each may be NULL. */
struct sysmem_node_listener {
  size_t struct_size; /* sizeof(struct sysmem_node_listener) */
  /* The node is gone; only destroy or close make sense now. Called once at most, and not for what
   * the program itself destroys or closes. The buffers received through it should be let go. */
  void (*closed)(void* data, const sysmem_failure* why);
  /* A queued call of this node was refused. */
  void (*refused)(void* data, const sysmem_failure* why);
  /* `data` is not needed any more: the listener was replaced or the node is gone, and no callback
   * is running. May be called from any function of the library. */
  sysmem_free_function free_data;
};
/* Copies `listener`; NULL removes it. Events that came before are reported too. */
SYSMEM_API void sysmem_node_set_listener(sysmem_node* node,
                                         const struct sysmem_node_listener* listener, void* data);
/* An eventfd that becomes readable when the node is gone or the session over, and stays so; no
 * dispatch is needed. Belongs to the caller. */
SYSMEM_API sysmem_status sysmem_node_closed_fd(sysmem_node* node, int* fd,
                                               sysmem_failure** failure);
/* Whether the node is known to be gone, as far as the library has heard. */
SYSMEM_API bool sysmem_node_is_closed(const sysmem_node* node);

/* ---- Asking about descriptors
 * -------------------------------------------------------------------- */

/* The identity of a token's descriptor (SO_COOKIE), the "koid" of this system. */
SYSMEM_API sysmem_status sysmem_token_fd_id(int fd, uint64_t* id, sysmem_failure** failure);
/* ValidateBufferCollectionToken: whether the daemon knows a token that travels with this identity.
 * False for tokens that were imported or bound, for other kinds of nodes, and for strangers. */
SYSMEM_API sysmem_status sysmem_validate_token(sysmem_client* client, uint64_t token_id,
                                               int64_t deadline_ns, bool* is_known,
                                               sysmem_failure** failure);
/* The same, for a descriptor. */
SYSMEM_API sysmem_status sysmem_validate_token_fd(sysmem_client* client, int fd,
                                                  int64_t deadline_ns, bool* is_known,
                                                  sysmem_failure** failure);

#ifdef __cplusplus
} /* extern "C" */
#endif
