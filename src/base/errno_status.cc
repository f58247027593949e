// SPDX-License-Identifier: Apache-2.0
#include "base/errno_status.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace sysmem::base {

std::string ErrnoText(int error) {
  // Both functions of glibc are thread-safe and know no locale.
  const char* name = ::strerrorname_np(error);
  const char* description = ::strerrordesc_np(error);
  if (name == nullptr || description == nullptr) return absl::StrCat("error ", error);
  return absl::StrCat(description, " [", name, "]");
}

absl::Status ErrnoStatus(int error, std::string_view what_was_being_done) {
  return absl::Status(
      absl::ErrnoToStatusCode(error),
      absl::StrCat(absl::string_view(what_was_being_done.data(), what_was_being_done.size()), ": ",
                   ErrnoText(error)));
}

}  // namespace sysmem::base
