// SPDX-License-Identifier: Apache-2.0
#include "base/descriptor_kind.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/memory_limits.h"

namespace sysmem::base {
namespace {

// The file system on which the kernel puts every memfd of ordinary pages, and nothing that has a
// path. Asked once, of a memfd of our own.
std::optional<dev_t> MemfdDevice() {
  static const std::optional<dev_t> device = []() -> std::optional<dev_t> {
    UniqueFd probe(::memfd_create("sysmem-probe", MFD_CLOEXEC));
    struct stat status {};
    if (!probe || ::fstat(probe.get(), &status) != 0) return std::nullopt;
    return status.st_dev;
  }();
  return device;
}

// REQUIRES: the file has answered F_GET_SEALS, so it is of tmpfs or hugetlbfs and fstat() cannot
// block.
bool IsOnMemfdDevice(BorrowedFd fd) {
  struct stat status {};
  return ::fstat(fd.get(), &status) == 0 && MemfdDevice() == status.st_dev;
}

std::string ReadDescriptorLink(BorrowedFd fd) {
  std::array<char, 128> text;  // only the beginning matters
  const ssize_t size =
      ::readlink(absl::StrCat("/proc/self/fd/", fd.get()).c_str(), text.data(), text.size());
  return size < 0 ? std::string() : std::string(text.data(), static_cast<size_t>(size));
}

// A real path starts with a slash; only an anonymous pipe is called like this.
bool IsAnonymousPipe(BorrowedFd fd) { return ReadDescriptorLink(fd).starts_with("pipe:["); }

bool IsDmaBuf(BorrowedFd fd) {
  const std::string link = ReadDescriptorLink(fd);
  if (!link.starts_with("/dmabuf:")) return false;
  const std::optional<std::string> fdinfo =
      ReadSmallFile(absl::StrCat("/proc/self/fdinfo/", fd.get()));
  return fdinfo && LooksLikeDmaBuf(link, *fdinfo);
}

}  // namespace

std::string_view DescriptorKindName(DescriptorKind kind) {
  switch (kind) {
    case DescriptorKind::kUnixSocket:
      return "unix socket";
    case DescriptorKind::kPipe:
      return "pipe";
    case DescriptorKind::kMemfd:
      return "memfd";
    case DescriptorKind::kDmaBuf:
      return "dma-buf";
    case DescriptorKind::kOther:
      break;
  }
  return "other";
}

bool LooksLikeDmaBuf(std::string_view link, std::string_view fdinfo) {
  return link.starts_with("/dmabuf:") && fdinfo.find("\nexp_name:") != std::string_view::npos &&
         fdinfo.find("\ncount:") != std::string_view::npos;
}

// The likeliest first: one system call each for sockets.
DescriptorKind ClassifyDescriptor(BorrowedFd fd) {
  int domain = 0;
  socklen_t length = sizeof(domain);
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0) {
    return domain == AF_UNIX ? DescriptorKind::kUnixSocket : DescriptorKind::kOther;
  }
  if (::fcntl(fd.get(), F_GETPIPE_SZ) >= 0) {
    return IsAnonymousPipe(fd) ? DescriptorKind::kPipe : DescriptorKind::kOther;
  }
  if (::fcntl(fd.get(), F_GET_SEALS) >= 0) {
    return IsOnMemfdDevice(fd) ? DescriptorKind::kMemfd : DescriptorKind::kOther;
  }
  return IsDmaBuf(fd) ? DescriptorKind::kDmaBuf : DescriptorKind::kOther;
}

}  // namespace sysmem::base
