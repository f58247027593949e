// SPDX-License-Identifier: Apache-2.0
#include "tests/support/programs.h"

#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"
#include "tests/support/users.h"

namespace sysmem::testing {
namespace {

namespace fs = std::filesystem;

constexpr fs::perms kOthersMayEnter = fs::perms::others_exec;
constexpr fs::perms kOthersMayRead = fs::perms::others_read | fs::perms::others_exec;

// bin/ of the build; lib/ is beside it.
const fs::path& BuildBin() {
  static const fs::path path = fs::read_symlink("/proc/self/exe").parent_path();
  return path;
}

// Whether a user we know nothing of can reach and run `file`.
bool IsOpenToAll(const fs::path& file) {
  if ((fs::status(file).permissions() & kOthersMayRead) != kOthersMayRead) return false;
  for (fs::path at = file.parent_path();; at = at.parent_path()) {
    if ((fs::status(at).permissions() & kOthersMayEnter) != kOthersMayEnter) return false;
    if (at == at.root_path()) return true;
  }
}

// A second name for the same file where the file system allows it, else a copy.
void Provide(const fs::path& from, const fs::path& to) {
  if (fs::exists(to)) return;
  std::error_code error;
  fs::create_hard_link(from, to, error);
  if (error) fs::copy_file(from, to);
  fs::permissions(to, kOthersMayRead, fs::perm_options::add);
}

// bin/ and lib/ in a place open to all; programs are brought there when they are asked for.
class OpenPlace {
 public:
  OpenPlace() {
    fs::create_directory(bin());
    fs::create_directory(lib());
    for (const fs::directory_entry& entry : fs::directory_iterator(BuildBin() / "../lib")) {
      const std::string name = entry.path().filename().string();
      if (name.find(".so") == std::string::npos) continue;
      if (entry.is_symlink()) {
        fs::copy_symlink(entry.path(), lib() / name);
      } else {
        Provide(entry.path(), lib() / name);
      }
    }
  }
  std::string Bring(const std::string& name) {
    Provide(BuildBin() / name, bin() / name);
    return bin() / name;
  }

 private:
  fs::path bin() const { return dir_.path() + "/bin"; }
  fs::path lib() const { return dir_.path() + "/lib"; }
  TempDir dir_;
};

}  // namespace

bool HasProgram(const std::string& name) { return fs::exists(BuildBin() / name); }

std::string ProgramPath(const std::string& name) {
  const fs::path built = BuildBin() / name;
  if (!fs::exists(built)) {
    ADD_FAILURE() << "this build has no program " << built;
    return built;
  }
  if (!IsRoot() || IsOpenToAll(built)) return built;
  static OpenPlace open_place;
  return open_place.Bring(name);
}

std::string LibraryPath() { return fs::weakly_canonical(BuildBin() / "../lib/libsysmem.so"); }

}  // namespace sysmem::testing
