/* SPDX-License-Identifier: Apache-2.0
 *
 * A program in C: proves that the headers are C, and that the library links without C++ in sight.
 */
#include <stddef.h>
#include <sysmem/sysmem.h>

int TryFromC(void);

/* 0 when everything behaves as a C program expects it to. */
int TryFromC(void) {
  struct sysmem_connect_options options = SYSMEM_CONNECT_OPTIONS_INIT;
  sysmem_client* client = NULL;
  sysmem_failure* failure = NULL;
  sysmem_constraints* needs = sysmem_constraints_new();
  sysmem_image_constraints* image = sysmem_constraints_add_image_format(needs);
  const struct sysmem_size size = {16, 16};
  sysmem_constraints_set_cpu_usage(needs, SYSMEM_CPU_USAGE_READ);
  sysmem_image_constraints_set_pixel_format(image, SYSMEM_PIXEL_FORMAT_NV12);
  sysmem_image_constraints_set_pixel_format_modifier(image, SYSMEM_MODIFIER_LINEAR);
  sysmem_image_constraints_set_min_size(image, size);
  sysmem_constraints_free(needs);

  options.path = "/nowhere/socket";
  if (sysmem_connect(&options, &client, &failure) != SYSMEM_UNREACHABLE) return 1;
  if (client != NULL) return 2;
  if (sysmem_failure_status(failure) != SYSMEM_UNREACHABLE) return 3;
  sysmem_failure_free(failure);
  if (sysmem_connect(&options, &client, NULL) != SYSMEM_UNREACHABLE) return 4;
  if (sysmem_deadline_after_ms(1) <= sysmem_deadline_after(0)) return 5;
  if (sysmem_await_hangup(-1, SYSMEM_NO_WAIT, NULL) != SYSMEM_INVALID_ARGUMENT) return 6;
  sysmem_heap_destroy(NULL);
  sysmem_token_destroy(NULL);
  sysmem_buffers_destroy(NULL);
  sysmem_client_destroy(NULL);
  return 0;
}
