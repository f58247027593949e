// SPDX-License-Identifier: Apache-2.0
#include "heaps/allocate_request.h"

#include <sys/types.h>
#include <unistd.h>

#include <limits>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "base/escape.h"

namespace sysmem::heaps {

namespace {

uint64_t PageBytes() { return static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

absl::Status CheckSize(uint64_t size_bytes) {
  const uint64_t page = PageBytes();
  if (size_bytes == 0 || size_bytes % page != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "size_bytes ", size_bytes, ", expected a positive multiple of the page size ", page));
  }
  if (size_bytes > static_cast<uint64_t>(std::numeric_limits<off_t>::max())) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for ", size_bytes, " bytes: no file can be that large"));
  }
  return absl::OkStatus();
}

absl::Status CheckForOrdinaryMemory(const AllocateRequest& request) {
  if (absl::Status size = CheckSize(request.size_bytes); !size.ok()) return size;
  if (request.physical_alignment <= PageBytes()) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(
      "physical_alignment ", request.physical_alignment,
      ": this heap knows no physical addresses and promises no more than a page, ", PageBytes()));
}

std::string NameFor(const AllocateRequest& request, size_t max_bytes, std::string_view otherwise) {
  const std::string_view wanted = request.name;
  const std::string_view up_to_nul = wanted.substr(0, wanted.find('\0'));
  return std::string(base::CutToBytes(up_to_nul.empty() ? otherwise : up_to_nul, max_bytes));
}

absl::Status Blame(const absl::Status& status, const std::string& name, uint64_t size_bytes) {
  return absl::Status(status.code(), absl::StrCat("buffer ", base::Quote(name), " of ", size_bytes,
                                                  " bytes: ", status.message()));
}

}  // namespace sysmem::heaps
