// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/workspace.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <system_error>

#include "tools/demo/identity.h"

namespace sysmem::demo {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kPrivate = 0700;
constexpr mode_t kPassable = 0711;  // others may go through, but not look around
constexpr mode_t kReadable = 0755;
// A Unix socket's path is short: 107 bytes, of which this much is ours.
constexpr size_t kLongestBase = 70;
constexpr char kLibrary[] = "libsysmem.so.0";

// Whether everybody can get through to `folder`.
bool IsReachable(fs::path folder) {
  for (;; folder = folder.parent_path()) {
    struct stat facts {};
    if (::stat(folder.c_str(), &facts) != 0 || (facts.st_mode & S_IXOTH) == 0) return false;
    if (folder == folder.root_path()) return true;
  }
}

bool AllowsPrograms(const fs::path& folder) {
  struct statvfs facts {};
  return ::statvfs(folder.c_str(), &facts) == 0 && (facts.f_flag & ST_NOEXEC) == 0;
}

bool IsSuitable(const std::string& folder) {
  if (folder.empty() || folder.front() != '/' || folder.size() > kLongestBase) return false;
  if (::access(folder.c_str(), W_OK | X_OK) != 0) return false;
  return !HasSeparateUsers() || (IsReachable(folder) && AllowsPrograms(folder));
}

std::optional<std::string> FindTemporaryFolder() {
  const char* const wanted = ::getenv("TMPDIR");
  for (const std::string folder : {wanted != nullptr ? wanted : "", "/tmp", "/var/tmp", "/run"}) {
    if (IsSuitable(folder)) return folder;
  }
  return std::nullopt;
}

Result<void> MakeFolder(const std::string& path, mode_t mode, std::optional<uid_t> owner) {
  if (::mkdir(path.c_str(), mode) != 0 || ::chmod(path.c_str(), mode) != 0) {
    return ErrnoSentence("cannot make " + path);
  }
  if (owner && ::chown(path.c_str(), *owner, *owner) != 0) {
    return ErrnoSentence("cannot give away " + path);
  }
  return {};
}

Result<void> CopyProgram(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::copy_file(from, to, fs::copy_options::skip_existing, error);
  if (error) return Sentence("cannot copy " + from.string() + ": " + error.message());
  if (::chmod(to.c_str(), kReadable) != 0) return ErrnoSentence("cannot open up " + to.string());
  return {};
}

}  // namespace

Result<std::unique_ptr<Workspace>> Workspace::Create() {
  const std::optional<std::string> base = FindTemporaryFolder();
  if (!base) return Sentence("no folder for temporary files: tried $TMPDIR, /tmp, /var/tmp, /run");
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (error) return Sentence("cannot find my own program: " + error.message());
  std::string folder = *base + "/sysmem-demo.XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return ErrnoSentence("cannot make " + folder);
  std::unique_ptr<Workspace> workspace(
      new Workspace(std::move(folder), self.parent_path().string()));
  if (Result<void> made = workspace->Furnish(); !made.ok()) return made.failure();
  return workspace;
}

Workspace::~Workspace() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

Result<void> Workspace::Furnish() {
  const bool is_shared = HasSeparateUsers();
  if (::chmod(folder_.c_str(), is_shared ? kPassable : kPrivate) != 0) {
    return ErrnoSentence("cannot open up " + folder_);
  }
  const UniqueFd empty(::open(empty_file().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  if (!empty) return ErrnoSentence("cannot make " + empty_file());
  const struct {
    const char* name;
    mode_t mode;
    std::optional<uid_t> owner;
  } folders[] = {{"/bin", kReadable, {}},
                 {"/lib", kReadable, {}},
                 {"/run", is_shared ? kPassable : kPrivate, UserOfDaemon()},
                 {"/clip", is_shared ? kReadable : kPrivate, UserOf(Role::kDecoder)}};
  for (const auto& wanted : folders) {
    Result<void> made = MakeFolder(folder_ + wanted.name, wanted.mode, wanted.owner);
    if (!made.ok()) return made;
  }
  return {};
}

Result<std::string> Workspace::Program(const std::string& name) {
  const fs::path original = fs::path(own_folder_) / name;
  if (::access(original.c_str(), X_OK) != 0)
    return ErrnoSentence("cannot run " + original.string());
  if (!HasSeparateUsers()) return original.string();
  const fs::path copy = fs::path(folder_) / "bin" / name;
  if (Result<void> copied = CopyProgram(original, copy); !copied.ok()) return copied.failure();
  // Where the programs look for the library: beside their folder, before the system's own.
  const fs::path library = fs::path(own_folder_) / "../lib" / kLibrary;
  if (!fs::exists(library)) return copy.string();
  Result<void> copied = CopyProgram(library, fs::path(folder_) / "lib" / kLibrary);
  if (!copied.ok()) return copied.failure();
  return copy.string();
}

}  // namespace sysmem::demo
