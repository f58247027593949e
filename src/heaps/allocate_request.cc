// SPDX-License-Identifier: Apache-2.0
#include "heaps/allocate_request.h"

#include <sys/types.h>
#include <unistd.h>

#include <limits>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "base/escape.h"

namespace sysmem::heaps {

absl::Status CheckForOrdinaryMemory(const AllocateRequest& request) {
  const uint64_t page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  if (request.size_bytes == 0 || request.size_bytes % page != 0) {
    return absl::InvalidArgumentError(absl::StrCat("size_bytes ", request.size_bytes,
                                                   ", expected a positive multiple of the page "
                                                   "size ",
                                                   page));
  }
  if (request.size_bytes > static_cast<uint64_t>(std::numeric_limits<off_t>::max())) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for ", request.size_bytes, " bytes: no file can be that large"));
  }
  if (request.physical_alignment > page) {
    return absl::UnimplementedError(absl::StrCat("physical_alignment ", request.physical_alignment,
                                                 ": this heap knows no physical addresses and "
                                                 "promises no more than a page, ",
                                                 page));
  }
  return absl::OkStatus();
}

std::string NameFor(const AllocateRequest& request, size_t max_bytes) {
  const std::string_view wanted = request.name;
  const std::string_view up_to_nul = wanted.substr(0, wanted.find('\0'));
  if (up_to_nul.empty()) return kUnnamedBuffer;
  return std::string(base::CutToBytes(up_to_nul, max_bytes));
}

absl::Status Blame(const absl::Status& status, const std::string& name, uint64_t size_bytes) {
  return absl::Status(status.code(), absl::StrCat("buffer ", base::Quote(name), " of ", size_bytes,
                                                  " bytes: ", status.message()));
}

}  // namespace sysmem::heaps
