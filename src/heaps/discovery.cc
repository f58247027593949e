// SPDX-License-Identifier: Apache-2.0
#include "heaps/discovery.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/errno_status.h"
#include "base/unique_fd.h"
#include "heaps/dma_heap.h"

namespace sysmem::heaps {
namespace {

constexpr char kNodeIsMissing[] = "mount devtmpfs at /dev, or give the container this device";

FoundHeap Unusable(std::string type, std::string why, std::string remedy) {
  FoundHeap found;
  found.properties.heap = {.type = std::move(type), .id = 0};
  found.why_unusable = std::move(why);
  found.remedy = std::move(remedy);
  return found;
}

DeviceNode NodeAt(std::string path, base::BorrowedFd opened) {
  struct stat status {};
  ::fstat(opened.get(), &status);  // cannot fail
  return {std::move(path), status.st_dev, status.st_ino, status.st_rdev};
}

FoundHeap Usable(std::shared_ptr<Heap> heap, DeviceNode node) {
  FoundHeap found;
  found.node = std::move(node);
  found.properties = heap->properties();
  found.heap = std::move(heap);
  return found;
}

std::string GroupName(gid_t gid) {
  std::array<char, 4096> text;
  group entry{};
  group* found = nullptr;
  if (::getgrgid_r(gid, &entry, text.data(), text.size(), &found) == 0 && found != nullptr) {
    return entry.gr_name;
  }
  return absl::StrCat(gid);
}

std::string UserName(uid_t uid) {
  std::array<char, 4096> text;
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(uid, &entry, text.data(), text.size(), &found) == 0 && found != nullptr) {
    return entry.pw_name;
  }
  return absl::StrCat(uid);
}

// A node that is there and did not let us open it for reading.
FoundHeap NotOpened(std::string type, const std::string& node, int error) {
  struct stat status {};
  if (error != EACCES || ::stat(node.c_str(), &status) != 0) {
    return Unusable(
        std::move(type), absl::StrCat("cannot open ", node, ": ", base::ErrnoText(error)),
        error == EPERM ? "let the device rules of the container allow this device" : "");
  }
  const std::string group = GroupName(status.st_gid);
  std::string why = absl::StrFormat(
      "%s belongs to user %s and group %s with mode %04o, which does "
      "not let this process read it",
      node, UserName(status.st_uid), group, status.st_mode & 07777);
  if ((status.st_mode & S_IRGRP) != 0) {
    return Unusable(std::move(type), std::move(why),
                    absl::StrCat("add the user of the daemon to the group ", group));
  }
  return Unusable(std::move(type), std::move(why),
                  "let a udev rule give the node to a group of the user of the daemon, with mode "
                  "0660");
}

FoundHeap NotTried(std::string type, const std::string& node, const absl::Status& status) {
  return Unusable(std::move(type),
                  absl::StrCat(node, " gives not even one page: ", std::string(status.message())),
                  "");
}

// Empty when there is no such folder, or it cannot be read.
std::set<std::string> NamesIn(const std::string& folder) {
  std::set<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    names.insert(entry->path().filename().string());
  }
  return names;
}

bool IsThere(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

FoundHeap LookAtDmaHeap(const std::string& name, const DevicePlaces& places,
                        ReservationGate& gate) {
  const std::string node = absl::StrCat(places.dma_heaps, "/", name);
  base::UniqueFd opened(::open(node.c_str(), O_RDONLY | O_CLOEXEC));
  if (!opened && errno == ENOENT) {
    return Unusable(DmaHeapType(name),
                    absl::StrCat("the kernel has this heap, but there is no ", node),
                    kNodeIsMissing);
  }
  if (!opened) return NotOpened(DmaHeapType(name), node, errno);
  DeviceNode found = NodeAt(node, opened);
  absl::StatusOr<std::unique_ptr<DmaHeap>> heap = DmaHeap::Open(name, std::move(opened), gate);
  if (!heap.ok()) return NotTried(DmaHeapType(name), node, heap.status());
  return Usable(*std::move(heap), std::move(found));
}

FoundHeap LookAtUdmabuf(const DevicePlaces& places, ReservationGate& gate,
                        const UdmabufHeapOptions& options) {
  base::UniqueFd opened(::open(places.udmabuf.c_str(), O_RDONLY | O_CLOEXEC));
  if (!opened && errno == ENOENT) {
    if (IsThere(places.udmabuf_class)) {
      return Unusable(kHeapUdmabuf,
                      absl::StrCat("the kernel has udmabuf, but there is no ", places.udmabuf),
                      kNodeIsMissing);
    }
    return Unusable(kHeapUdmabuf,
                    absl::StrCat("there is no ", places.udmabuf,
                                 ": the kernel was built without CONFIG_UDMABUF, or its module is "
                                 "not loaded"),
                    "modprobe udmabuf");
  }
  if (!opened) return NotOpened(kHeapUdmabuf, places.udmabuf, errno);
  DeviceNode node = NodeAt(places.udmabuf, opened);
  auto heap = UdmabufHeap::Open(std::move(opened), gate, options);
  if (!heap.ok()) return NotTried(kHeapUdmabuf, places.udmabuf, heap.status());
  return Usable(*std::move(heap), std::move(node));
}

// Two names can make one heap type: "a-b" and "a_b".
void DropDoubles(std::vector<FoundHeap>& found) {
  std::set<std::string> types;
  for (FoundHeap& one : found) {
    if (types.insert(one.properties.heap.type).second || !one.heap) continue;
    one = Unusable(one.properties.heap.type,
                   "another heap has the same name but for characters that heap types do not know",
                   "");
  }
}

}  // namespace

std::vector<FoundHeap> DiscoverDeviceHeaps(ReservationGate& gate, const DevicePlaces& places,
                                           const UdmabufHeapOptions& udmabuf) {
  std::vector<FoundHeap> found;
  std::set<std::string> names = NamesIn(places.dma_heaps);
  names.merge(NamesIn(places.dma_heap_class));
  if (!names.contains("system")) {
    found.push_back(Unusable(DmaHeapType("system"),
                             absl::StrCat("there is no ", places.dma_heaps,
                                          "/system: the kernel was built without "
                                          "CONFIG_DMABUF_HEAPS_SYSTEM"),
                             "use a kernel with CONFIG_DMABUF_HEAPS=y and "
                             "CONFIG_DMABUF_HEAPS_SYSTEM=y"));
  }
  for (const std::string& name : names) found.push_back(LookAtDmaHeap(name, places, gate));
  found.push_back(LookAtUdmabuf(places, gate, udmabuf));
  DropDoubles(found);
  return found;
}

}  // namespace sysmem::heaps
