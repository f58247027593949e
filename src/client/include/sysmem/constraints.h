/* SPDX-License-Identifier: Apache-2.0
 *
 * What a participant needs of the buffers.
 *
 *   sysmem_constraints* needs = sysmem_constraints_new();
 *   sysmem_constraints_set_cpu_usage(needs, SYSMEM_CPU_USAGE_READ);
 *   sysmem_constraints_set_min_buffer_count_for_camping(needs, 1);
 *   sysmem_image_constraints* image = sysmem_constraints_add_image_format(needs);
 *   sysmem_image_constraints_set_pixel_format(image, SYSMEM_PIXEL_FORMAT_NV12);
 *   sysmem_image_constraints_add_color_space(image, SYSMEM_COLOR_SPACE_REC709);
 *   sysmem_image_constraints_set_bytes_per_row_divisor(image, 64);
 *   sysmem_collection_set_constraints(collection, needs, &failure);
 *   sysmem_constraints_free(needs);
 *
 * A field that is never set is absent, which differs from every value (0 is LINEAR, false, CPU).
 * Setting a field again replaces its value. Values are not judged here: a bad one makes the
 * allocation fail, with its rule and field in the failure. What an absent field means, and how the
 * values of several participants become one, is said beside each field in
 * proto/sysmem2/constraints.proto; the names are the same.
 *
 * Thread-safety: as any ordinary object; one thread at a time changes it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sysmem/constants.h>
#include <sysmem/failure.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sysmem_constraints sysmem_constraints;
/* One entry of a constraints' list of image formats; lives as long as the constraints. */
typedef struct sysmem_image_constraints sysmem_image_constraints;

/* Pixels, or a pair of per-dimension numbers (alignments, block sizes). */
struct sysmem_size {
  uint32_t width;
  uint32_t height;
};

SYSMEM_API sysmem_constraints* sysmem_constraints_new(void);
SYSMEM_API sysmem_constraints* sysmem_constraints_copy(const sysmem_constraints* constraints);
SYSMEM_API void sysmem_constraints_free(sysmem_constraints* constraints);

/* ---- Usage: at least one bit, as soon as any other field is set (C1) --------------------------
 * The bits decide who may write (RES-2) and who gets buffers at all (RES-3). */
SYSMEM_API void sysmem_constraints_set_none_usage(sysmem_constraints* constraints, uint32_t bits);
SYSMEM_API void sysmem_constraints_set_cpu_usage(sysmem_constraints* constraints, uint32_t bits);
SYSMEM_API void sysmem_constraints_set_vulkan_usage(sysmem_constraints* constraints, uint32_t bits);
SYSMEM_API void sysmem_constraints_set_display_usage(sysmem_constraints* constraints,
                                                     uint32_t bits);
SYSMEM_API void sysmem_constraints_set_video_usage(sysmem_constraints* constraints, uint32_t bits);
/* Makes the usage table present without setting a bit. */
SYSMEM_API void sysmem_constraints_include_usage(sysmem_constraints* constraints);

/* ---- Counts: total = max(camping and dedicated slack of all + largest shared slack,
 *      largest min_buffer_count) --------------------------------------------------------------- */
/* Buffers this participant may hold for longer than a moment. */
SYSMEM_API void sysmem_constraints_set_min_buffer_count_for_camping(sysmem_constraints* constraints,
                                                                    uint32_t count);
SYSMEM_API void sysmem_constraints_set_min_buffer_count_for_dedicated_slack(
    sysmem_constraints* constraints, uint32_t count);
SYSMEM_API void sysmem_constraints_set_min_buffer_count_for_shared_slack(
    sysmem_constraints* constraints, uint32_t count);
SYSMEM_API void sysmem_constraints_set_min_buffer_count(sysmem_constraints* constraints,
                                                        uint32_t count);
SYSMEM_API void sysmem_constraints_set_max_buffer_count(sysmem_constraints* constraints,
                                                        uint32_t count);

/* ---- Memory. Setting any of these makes the memory table present ------------------------------
 */
/* Makes the memory table present without setting a field. */
SYSMEM_API void sysmem_constraints_include_memory(sysmem_constraints* constraints);
SYSMEM_API void sysmem_constraints_set_min_size_bytes(sysmem_constraints* constraints,
                                                      uint64_t bytes);
SYSMEM_API void sysmem_constraints_set_max_size_bytes(sysmem_constraints* constraints,
                                                      uint64_t bytes);
SYSMEM_API void sysmem_constraints_set_physically_contiguous_required(
    sysmem_constraints* constraints, bool required);
SYSMEM_API void sysmem_constraints_set_secure_required(sysmem_constraints* constraints,
                                                       bool required);
SYSMEM_API void sysmem_constraints_set_cpu_domain_supported(sysmem_constraints* constraints,
                                                            bool supported);
SYSMEM_API void sysmem_constraints_set_ram_domain_supported(sysmem_constraints* constraints,
                                                            bool supported);
SYSMEM_API void sysmem_constraints_set_inaccessible_domain_supported(
    sysmem_constraints* constraints, bool supported);
/* Makes the list of permitted heaps present (and leaves it empty, which the daemon refuses: M11).
 */
SYSMEM_API void sysmem_constraints_include_permitted_heaps(sysmem_constraints* constraints);
/* Adds one heap to the list. heap_type NULL: absent (M12). */
SYSMEM_API void sysmem_constraints_add_permitted_heap(sysmem_constraints* constraints,
                                                      const char* heap_type);
SYSMEM_API void sysmem_constraints_add_permitted_heap_with_id(sysmem_constraints* constraints,
                                                              const char* heap_type, uint64_t id);
SYSMEM_API void sysmem_constraints_set_min_physical_base_alignment(sysmem_constraints* constraints,
                                                                   uint64_t bytes);

/* ---- Images ------------------------------------------------------------------------------------
 */
/* Adds an entry to the list of image formats, at most 64. Never NULL. */
SYSMEM_API sysmem_image_constraints* sysmem_constraints_add_image_format(
    sysmem_constraints* constraints);

/* The format, and optionally its modifier. An absent modifier means LINEAR, or DO_NOT_CARE if the
 * format is DO_NOT_CARE or the participant's usage is NONE. */
SYSMEM_API void sysmem_image_constraints_set_pixel_format(sysmem_image_constraints* image,
                                                          uint32_t pixel_format);
SYSMEM_API void sysmem_image_constraints_set_pixel_format_modifier(sysmem_image_constraints* image,
                                                                   uint64_t modifier);
/* One more pair for which everything else in this entry holds. */
SYSMEM_API void sysmem_image_constraints_add_pixel_format_and_modifier(
    sysmem_image_constraints* image, uint32_t pixel_format, uint64_t modifier);
/* At least one (I20). */
SYSMEM_API void sysmem_image_constraints_add_color_space(sysmem_image_constraints* image,
                                                         uint32_t color_space);
SYSMEM_API void sysmem_image_constraints_set_min_size(sysmem_image_constraints* image,
                                                      struct sysmem_size size);
SYSMEM_API void sysmem_image_constraints_set_max_size(sysmem_image_constraints* image,
                                                      struct sysmem_size size);
SYSMEM_API void sysmem_image_constraints_set_min_bytes_per_row(sysmem_image_constraints* image,
                                                               uint32_t bytes);
SYSMEM_API void sysmem_image_constraints_set_max_bytes_per_row(sysmem_image_constraints* image,
                                                               uint32_t bytes);
SYSMEM_API void sysmem_image_constraints_set_max_width_times_height(sysmem_image_constraints* image,
                                                                    uint64_t pixels);
SYSMEM_API void sysmem_image_constraints_set_size_alignment(sysmem_image_constraints* image,
                                                            struct sysmem_size alignment);
SYSMEM_API void sysmem_image_constraints_set_display_rect_alignment(sysmem_image_constraints* image,
                                                                    struct sysmem_size alignment);
SYSMEM_API void sysmem_image_constraints_set_required_min_size(sysmem_image_constraints* image,
                                                               struct sysmem_size size);
/* Deprecated in favour of the list. */
SYSMEM_API void sysmem_image_constraints_set_required_max_size(sysmem_image_constraints* image,
                                                               struct sysmem_size size);
/* An image the buffer must hold. */
SYSMEM_API void sysmem_image_constraints_add_required_max_size(sysmem_image_constraints* image,
                                                               struct sysmem_size size);
SYSMEM_API void sysmem_image_constraints_set_bytes_per_row_divisor(sysmem_image_constraints* image,
                                                                   uint32_t divisor);
SYSMEM_API void sysmem_image_constraints_set_start_offset_divisor(sysmem_image_constraints* image,
                                                                  uint32_t divisor);
SYSMEM_API void sysmem_image_constraints_set_require_bytes_per_row_at_pixel_boundary(
    sysmem_image_constraints* image, bool required);
SYSMEM_API void sysmem_image_constraints_set_is_alpha_present(sysmem_image_constraints* image,
                                                              bool present);
SYSMEM_API void sysmem_image_constraints_set_pad_for_block_size(sysmem_image_constraints* image,
                                                                struct sysmem_size block);
SYSMEM_API void sysmem_image_constraints_set_pad_beyond_image_size_bytes(
    sysmem_image_constraints* image, uint64_t bytes);

#ifdef __cplusplus
} /* extern "C" */
#endif
