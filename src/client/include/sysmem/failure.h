/* SPDX-License-Identifier: Apache-2.0
 *
 * How a call of this library says no.
 *
 * Every function that can fail returns a sysmem_status and takes, as its last parameter, a place
 * for a sysmem_failure, which may be NULL:
 *
 *   sysmem_failure* failure = NULL;
 *   if (sysmem_collection_wait(collection, deadline, &buffers, &failure) != SYSMEM_OK) {
 *     char* text = sysmem_failure_describe(failure);
 *     fprintf(stderr, "%s\n", text);
 *     sysmem_string_free(text);
 *     sysmem_failure_free(failure);
 *   }
 *
 * When the status is not SYSMEM_OK, *failure is set to a new object that the caller frees;
 * otherwise it is left alone. Outputs other than the failure are untouched unless SYSMEM_OK.
 *
 * Thread-safety: a failure never changes; any number of threads may read it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#if defined(__GNUC__)
#define SYSMEM_API __attribute__((visibility("default")))
#else
#define SYSMEM_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sysmem_status {
  SYSMEM_OK = 0,
  /* The service answers no; sysmem_failure_error() tells which no. The node is unharmed, except
   * that an allocation that failed closes it right after. */
  SYSMEM_ERROR = 1,
  /* The node is gone: its failure domain failed, or it was closed (FAIL-4). When a one-way call of
   * this very node was what broke it, the failure names that call's rule and field. */
  SYSMEM_CLOSED = 2,
  /* This message broke a rule (FAIL-5): rule and field say which. It may have failed the node. */
  SYSMEM_REFUSED = 3,
  /* A wait that its own program took back. */
  SYSMEM_CANCELLED = 4,
  /* The daemon does not have this method yet. */
  SYSMEM_UNIMPLEMENTED = 5,
  /* The deadline passed first. For waits: the wait is taken back and nothing is lost. For other
   * calls: the call may still be carried out; tokens it makes are given back by the library. */
  SYSMEM_TIMEOUT = 6,
  /* The session is over (the daemon ended it or died), or this is a forked child, where no session
   * of the parent can be used. The message says which. Nothing of this client works any more.
   * sysmem_connect(): a daemon is there that does not let this client in. The errno is EDQUOT when
   * the daemon ended the session, or refused it, because a cap was reached. */
  SYSMEM_DISCONNECTED = 7,
  /* sysmem_connect() only: no daemon answers. The errno is EACCES if there is a socket that this
   * program may not connect to, ECONNREFUSED if nobody listens there any more, ENOENT if there is
   * none. */
  SYSMEM_UNREACHABLE = 8,
  /* The caller's own mistake, found before anything was sent. */
  SYSMEM_INVALID_ARGUMENT = 9,
  /* A system call failed (mmap, dup, ...), or what the daemon sent is not what it said it is. */
  SYSMEM_SYSTEM = 10
} sysmem_status;

/* Error numbers of fuchsia.sysmem2 (sysmem_failure_error()). A newer daemon may send others. */
#define SYSMEM_ERROR_NONE UINT32_C(0)
#define SYSMEM_ERROR_UNSPECIFIED UINT32_C(1)
#define SYSMEM_ERROR_PROTOCOL_DEVIATION UINT32_C(2)
#define SYSMEM_ERROR_NOT_FOUND UINT32_C(3)
#define SYSMEM_ERROR_HANDLE_ACCESS_DENIED UINT32_C(4)
#define SYSMEM_ERROR_NO_MEMORY UINT32_C(5)
#define SYSMEM_ERROR_CONSTRAINTS_INTERSECTION_EMPTY UINT32_C(6)
#define SYSMEM_ERROR_PENDING UINT32_C(7)
#define SYSMEM_ERROR_TOO_MANY_GROUP_CHILD_COMBINATIONS UINT32_C(8)
#define SYSMEM_ERROR_NO_MORE_STRONG_VMO_HANDLES UINT32_C(9)

/* Why there is no result. */
typedef struct sysmem_failure sysmem_failure;

/* One participant of a conflict and the value it gave for the field in question. Strings live as
 * long as the failure, are valid UTF-8 and come from other programs: escape before printing. */
struct sysmem_participant {
  const char* name;    /* debug name; may be empty */
  const char* value;   /* in words: "64", "NV12 LINEAR", "not set (so 1)" */
  const char* command; /* name of its process; may be empty */
  int64_t pid;         /* -1 where the caller may not see it */
  int64_t uid;         /* -1 likewise */
  uint64_t node_id;    /* 0 likewise */
};

/* All of these accept NULL, which reads as SYSMEM_OK with empty strings. Strings are never NULL and
 * live as long as the failure. */
SYSMEM_API sysmem_status sysmem_failure_status(const sysmem_failure* failure);
/* One of SYSMEM_ERROR_*; SYSMEM_ERROR_NONE unless the status is SYSMEM_ERROR or SYSMEM_REFUSED, or
 * SYSMEM_CLOSED by one's own refused message or by an allocation that had failed by the time of the
 * call: so a program that waits for buffers looks here, whatever came first. */
SYSMEM_API uint32_t sysmem_failure_error(const sysmem_failure* failure);
/* The rule that decided, "M14" or "I9"; empty if no single rule did. For people and logs. */
SYSMEM_API const char* sysmem_failure_rule(const sysmem_failure* failure);
/* The field at fault, "constraints.image_format_constraints[2].min_size"; may be empty. */
SYSMEM_API const char* sysmem_failure_field(const sysmem_failure* failure);
/* One sentence for a person. */
SYSMEM_API const char* sysmem_failure_message(const sysmem_failure* failure);
/* The longer story, several lines; may be empty. */
SYSMEM_API const char* sysmem_failure_report(const sysmem_failure* failure);
/* errno of the system call behind SYSMEM_SYSTEM or SYSMEM_UNREACHABLE, EDQUOT by
 * SYSMEM_DISCONNECTED (see there), and where a function says so; 0 otherwise. */
SYSMEM_API int sysmem_failure_errno(const sysmem_failure* failure);
SYSMEM_API size_t sysmem_failure_participant_count(const sysmem_failure* failure);
/* REQUIRES: index < sysmem_failure_participant_count(failure). */
SYSMEM_API const struct sysmem_participant* sysmem_failure_participant(
    const sysmem_failure* failure, size_t index);
/* Everything above as text for a person, control characters escaped; to be freed with
 * sysmem_string_free(). */
SYSMEM_API char* sysmem_failure_describe(const sysmem_failure* failure);
SYSMEM_API sysmem_failure* sysmem_failure_copy(const sysmem_failure* failure);
SYSMEM_API void sysmem_failure_free(sysmem_failure* failure);

/* "CLOSED", "TIMEOUT", ...; "UNKNOWN" for a number this library does not know. Never NULL. */
SYSMEM_API const char* sysmem_status_name(sysmem_status status);
/* "CONSTRAINTS_INTERSECTION_EMPTY", ...; "UNKNOWN" likewise. Never NULL. */
SYSMEM_API const char* sysmem_error_name(uint32_t error);

/* Frees a string that a function of this library returned as its caller's own. NULL is fine. */
SYSMEM_API void sysmem_string_free(char* string);

#ifdef __cplusplus
} /* extern "C" */
#endif
