/* SPDX-License-Identifier: Apache-2.0
 *
 * The interface in plain C: compiled as C, without a daemon. Exits with 0 if a failure says what it
 * should.
 */
#include <stdio.h>
#include <string.h>
#include <sysmem/sysmem.h>

static int Complain(const char* what) {
  fprintf(stderr, "%s\n", what);
  return 1;
}

int main(void) {
  struct sysmem_connect_options options = SYSMEM_CONNECT_OPTIONS_INIT;
  sysmem_client* client = NULL;
  sysmem_failure* failure = NULL;
  options.path = "/nonexistent/socket";
  if (sysmem_connect(&options, &client, &failure) != SYSMEM_UNREACHABLE) {
    return Complain("connected to nobody");
  }
  if (client != NULL) return Complain("an output was touched by a call that failed");
  if (sysmem_failure_status(failure) != SYSMEM_UNREACHABLE) return Complain("another status");
  if (strstr(sysmem_failure_message(failure), options.path) == NULL) {
    return Complain("the message does not name the path");
  }
  char* text = sysmem_failure_describe(failure);
  if (text == NULL || text[0] == '\0') return Complain("nothing to say");
  sysmem_string_free(text);
  sysmem_failure_free(failure);

  sysmem_constraints* needs = sysmem_constraints_new();
  sysmem_constraints_set_cpu_usage(needs, SYSMEM_CPU_USAGE_READ);
  sysmem_image_constraints* image = sysmem_constraints_add_image_format(needs);
  sysmem_image_constraints_set_pixel_format(image, SYSMEM_PIXEL_FORMAT_NV12);
  sysmem_constraints_free(needs);
  /* NULL is fine wherever something is freed. */
  sysmem_client_destroy(NULL);
  sysmem_buffers_destroy(NULL);
  sysmem_token_destroy(NULL);
  sysmem_failure_free(NULL);
  sysmem_string_free(NULL);
  if (strcmp(sysmem_status_name(SYSMEM_CLOSED), "CLOSED") != 0) return Complain("status name");
  return 0;
}
