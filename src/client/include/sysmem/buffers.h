/* SPDX-License-Identifier: Apache-2.0
 *
 * What a wait brings: the buffers with their settings, and access to their memory.
 *
 *   sysmem_mapping* mapping;
 *   sysmem_map(buffers, index, SYSMEM_ACCESS_READ, &mapping, &failure);
 *   sysmem_begin_cpu_access(mapping, SYSMEM_ACCESS_READ, &failure);
 *   ... sysmem_mapping_data(mapping), sysmem_mapping_size(mapping) ...
 *   sysmem_end_cpu_access(mapping, SYSMEM_ACCESS_READ, &failure);
 *   sysmem_mapping_destroy(mapping);
 *
 * Buffers belong to the program, not to the session: they stay valid after the collection is
 * destroyed, the session ends or the daemon dies. The memory is freed when the last descriptor and
 * mapping of the last participant is gone.
 *
 * Weak buffers. A participant that called sysmem_node_set_weak() (node.h), or whose token was made
 * from one that did, holds its buffers weakly: it may use them as long as somebody else needs them.
 * Each comes with close_weak_asap_fd, which hangs up when the last strong holder of that buffer is
 * gone: the program then closes the buffer (sysmem_buffers_close()), its own duplicates and its
 * mappings at once, and goes on with the others. Nothing is taken away from one that does not, but
 * after 5 s the daemon names it in its log.
 *
 *   struct pollfd poller = {sysmem_buffers_get(buffers, index)->close_weak_asap_fd, 0, 0};
 *   if (poll(&poller, 1, timeout) == 1) sysmem_buffers_close(buffers, index);
 *
 * Thread-safety: buffers never change, except by sysmem_buffers_close(), and may be read from all
 * threads. A mapping may be used from several threads; begin and end of one access are the
 * program's to pair.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sysmem/client.h>
#include <sysmem/constraints.h>
#include <sysmem/failure.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sysmem_buffers sysmem_buffers;
typedef struct sysmem_mapping sysmem_mapping;

struct sysmem_pixel_format_and_modifier {
  uint32_t pixel_format;
  uint64_t modifier;
};

/* What was negotiated for images; fields as in constraints.h. Fields may be added at the end. */
struct sysmem_image_settings {
  uint32_t pixel_format;
  uint64_t pixel_format_modifier;
  uint32_t color_space;
  struct sysmem_size min_size;
  struct sysmem_size max_size;
  uint32_t min_bytes_per_row;
  uint32_t max_bytes_per_row;
  uint64_t max_width_times_height; /* UINT64_MAX: unlimited */
  struct sysmem_size size_alignment;
  struct sysmem_size display_rect_alignment;
  struct sysmem_size required_min_size;
  struct sysmem_size required_max_size; /* {0, 0}: nobody asked */
  size_t required_max_size_count;
  const struct sysmem_size* required_max_size_list;
  uint32_t bytes_per_row_divisor;
  uint32_t start_offset_divisor;
  bool require_bytes_per_row_at_pixel_boundary;
  bool has_is_alpha_present; /* is_alpha_present has a meaning */
  bool is_alpha_present;
  struct sysmem_size pad_for_block_size;
  uint64_t pad_beyond_image_size_bytes;
};

/* What was negotiated: the same for every buffer and every participant, except the three fields
 * that speak of this hand-out. Fields may be added at the end. */
struct sysmem_settings {
  uint64_t size_bytes;     /* logical size: the only number to test whether an image fits */
  uint64_t raw_size_bytes; /* size of each buffer's file, a multiple of the page size */
  bool is_physically_contiguous;
  bool is_secure;
  uint32_t coherency_domain; /* SYSMEM_COHERENCY_DOMAIN_ */
  const char* heap_type;
  uint64_t heap_id;
  const struct sysmem_image_settings* image; /* NULL: raw buffers */
  /* This hand-out: */
  uint32_t rights;         /* SYSMEM_RIGHT_ */
  bool read_only;          /* no right to write */
  bool read_only_enforced; /* and the kernel sees to it; false: advisory */
  bool tells_holders_apart, reports_end, reduces_rights; /* what the heap can promise */
};

/* One buffer. Fields may be added at the end. */
struct sysmem_buffer {
  uint32_t index; /* the number everybody knows it by */
  /* Belongs to the sysmem_buffers. -1: this participant gets none (NONE usage); it is weak, and no
   * strong holder was left; or it was closed. */
  int fd;
  uint64_t usable_start; /* first usable byte; 0 today */
  /* Weak buffers: becomes ready (POLLHUP, asked for or not) when the buffer must be closed, and
   * stays so. Belongs to the sysmem_buffers. -1: a strong buffer; one that is no more; or closed.
   */
  int close_weak_asap_fd;
  /* (device, inode) names the memory: equal in all participants. 0 without descriptor. */
  uint64_t device;
  uint64_t inode;
  bool is_dma_buf; /* else a memfd */
  bool is_weak;    /* else strong: what this program has of it keeps it alive for everybody */
};

SYSMEM_API size_t sysmem_buffers_count(const sysmem_buffers* buffers);
/* Lives as long as `buffers`. */
SYSMEM_API const struct sysmem_settings* sysmem_buffers_settings(const sysmem_buffers* buffers);
/* Unique for one run of the daemon, equal in all participants. */
SYSMEM_API uint64_t sysmem_buffers_collection_id(const sysmem_buffers* buffers);
/* Lives as long as `buffers`. NULL if index is out of range. */
SYSMEM_API const struct sysmem_buffer* sysmem_buffers_get(const sysmem_buffers* buffers,
                                                          size_t index);
/* A duplicate of a buffer's descriptor that belongs to the caller. */
SYSMEM_API sysmem_status sysmem_buffers_dup_fd(const sysmem_buffers* buffers, size_t index, int* fd,
                                               sysmem_failure** failure);
/* Closes the descriptors of one buffer, while the others stay; its fd and close_weak_asap_fd are -1
 * then. Mappings and duplicates stay, and hold the buffer on. Does nothing if there is no such
 * buffer or it is closed already. Nobody may read `buffers` on another thread meanwhile. */
SYSMEM_API void sysmem_buffers_close(sysmem_buffers* buffers, size_t index);
/* Closes the descriptors of all. Mappings stay. NULL is fine. */
SYSMEM_API void sysmem_buffers_destroy(sysmem_buffers* buffers);

/* Waits until what a descriptor speaks of is over: a close_weak_asap_fd, or a tracking (node.h).
 * SYSMEM_OK when it has hung up, SYSMEM_TIMEOUT when it has not by the deadline (SYSMEM_NO_WAIT:
 * just looks), SYSMEM_INVALID_ARGUMENT when it is not open. Needs no session and may be called from
 * any thread; a program with an event loop polls the descriptor instead. */
SYSMEM_API sysmem_status sysmem_await_hangup(int fd, int64_t deadline_ns, sysmem_failure** failure);

/* ---- Access by the CPU
 * --------------------------------------------------------------------------- */

#define SYSMEM_ACCESS_READ UINT32_C(1)
#define SYSMEM_ACCESS_WRITE UINT32_C(2)

/* Maps the whole buffer. Before that it is made sure that the buffer cannot shrink under the
 * program and is as large as the settings say. SYSMEM_INVALID_ARGUMENT when the participant has no
 * descriptor, asks to write without the right to, or the memory is INACCESSIBLE.
 *
 * The mapping holds the buffer as the descriptor did, strongly or weakly, also after `buffers` is
 * destroyed, the session over or the daemon gone: it must go too before the buffer can end. */
SYSMEM_API sysmem_status sysmem_map(const sysmem_buffers* buffers, size_t index, uint32_t access,
                                    sysmem_mapping** mapping, sysmem_failure** failure);
/* The first usable byte, and how many bytes follow it (the raw size less usable_start). */
SYSMEM_API void* sysmem_mapping_data(const sysmem_mapping* mapping);
SYSMEM_API size_t sysmem_mapping_size(const sysmem_mapping* mapping);
/* Every access by the CPU lies between these two. They make what devices and other processes wrote
 * visible, and what was written visible to them: an ioctl for dma-bufs, a memory barrier for
 * memfds. */
SYSMEM_API sysmem_status sysmem_begin_cpu_access(sysmem_mapping* mapping, uint32_t access,
                                                 sysmem_failure** failure);
SYSMEM_API sysmem_status sysmem_end_cpu_access(sysmem_mapping* mapping, uint32_t access,
                                               sysmem_failure** failure);
SYSMEM_API void sysmem_mapping_destroy(sysmem_mapping* mapping);

/* ---- Where the pixels are
 * --------------------------------------------------------------------------- */

#define SYSMEM_MAX_PLANES 4
struct sysmem_plane {
  uint64_t offset;        /* from the buffer's first usable byte */
  uint32_t bytes_per_row; /* stride; 0: the bytes do not lie in rows (compressed pixels) */
  uint32_t row_count;     /* of a tiled plane as many as fill its tiles */
};
/* Planes have the numbers of the modifier's definition: plane 3 is what lies behind the pixels, the
 * control surface of Intel's CCS or the buffer (64 bytes of header, then rows) of Arm's transaction
 * elimination. Planes that the image does not have are all zeros. */
struct sysmem_image_layout {
  uint32_t plane_count; /* the highest number, plus 1 */
  struct sysmem_plane planes[SYSMEM_MAX_PLANES];
  uint64_t size_bytes; /* of the whole image */
};

/* The layout of a width x height image under these settings, with the smallest stride they allow.
 * For I420 plane 1 is U, for YV12 it is V. SYSMEM_INVALID_ARGUMENT when the size does not keep to
 * the settings or does not fit size_bytes, and where nobody knows the rows
 * (GOOGLE_GOLDFISH_OPTIMAL). */
SYSMEM_API sysmem_status sysmem_settings_image_layout(const struct sysmem_settings* settings,
                                                      uint32_t width, uint32_t height,
                                                      struct sysmem_image_layout* layout,
                                                      sysmem_failure** failure);
/* "NV12", "REC709", ...; "UNKNOWN" if not known. Never NULL. */
SYSMEM_API const char* sysmem_pixel_format_name(uint32_t pixel_format);
SYSMEM_API const char* sysmem_color_space_name(uint32_t color_space);

/* ---- GetVmoInfo: what a buffer's descriptor belongs to
 * --------------------------------------------- */

/* What to tell besides collection and index. */
struct sysmem_vmo_info_request {
  size_t struct_size; /* sizeof(struct sysmem_vmo_info_request) */
  /* A weak descriptor of the same buffer, which allows no more than the one asked about. */
  bool need_weak;
  bool need_settings;
  /* Whether a participant with these constraints could join; counts are not compared. NULL: not */
  const sysmem_constraints* constraints_to_check;
  /* Whether another buffer has the same settings, sizes included or not. Borrowed; -1: not */
  int settings_to_check_fd;
  bool settings_to_check_ignore_size;
};
#define SYSMEM_VMO_INFO_REQUEST_INIT \
  { sizeof(struct sysmem_vmo_info_request), false, false, 0, -1, false }

/* Fields may be added at the end. */
struct sysmem_vmo_info {
  uint64_t buffer_collection_id; /* as sysmem_buffers_collection_id() */
  uint64_t buffer_index;         /* as sysmem_buffer.index */
  int weak_fd;                   /* with need_weak, else -1; belongs to the info */
  /* For a weak descriptor or with need_weak, else -1; belongs to the info. May have hung up. */
  int close_weak_asap_fd;
  const struct sysmem_settings* settings;  /* with need_settings, else NULL */
  bool has_constraints_ok, constraints_ok; /* with constraints_to_check */
  bool has_settings_match, settings_match; /* with settings_to_check_fd */
};

/* Which buffer a descriptor is of: strong or weak, from a wait or from another program, of a
 * collection that may be over. `request` may be NULL. `fd` stays the caller's. *info is freed with
 * sysmem_vmo_info_free(), which closes its descriptors.
 *
 * Errors: SYSMEM_ERROR_NOT_FOUND, the memory is not of this daemon; NO_MORE_STRONG_VMO_HANDLES,
 * need_weak of a buffer that has no strong holder left; PROTOCOL_DEVIATION, no memory at all. */
SYSMEM_API sysmem_status sysmem_get_vmo_info(sysmem_client* client, int fd,
                                             const struct sysmem_vmo_info_request* request,
                                             int64_t deadline_ns,
                                             const struct sysmem_vmo_info** info,
                                             sysmem_failure** failure);
SYSMEM_API void sysmem_vmo_info_free(const struct sysmem_vmo_info* info);

#ifdef __cplusplus
} /* extern "C" */
#endif
