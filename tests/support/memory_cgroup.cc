// SPDX-License-Identifier: Apache-2.0
#include "tests/support/memory_cgroup.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <utility>

#include "base/memory_limits.h"

namespace sysmem::testing {
namespace {

// A file that is there already.
bool Write(const std::string& path, const std::string& text) {
  std::fstream file(path, std::ios::in | std::ios::out);
  file << text << std::flush;
  return file.good();
}

bool Join(const std::string& folder) { return Write(folder + "/cgroup.procs", "0"); }

}  // namespace

struct MemoryCgroup::Generation {
  const char* root;
  const char* limit;
  const char* events;  // with a line "oom_kill COUNT"
  std::optional<std::string> base::MemoryCgroup::*own_path;
};

const MemoryCgroup::Generation MemoryCgroup::kGenerations[] = {
    {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.oom_control",
     &base::MemoryCgroup::v1_path},
    {"/sys/fs/cgroup", "memory.max", "memory.events", &base::MemoryCgroup::v2_path},
};

std::unique_ptr<MemoryCgroup> MemoryCgroup::Create(uint64_t limit_bytes) {
  for (const Generation& generation : kGenerations) {
    const std::string folder =
        std::string(generation.root) + "/sysmem-test-" + std::to_string(::getpid());
    if (::mkdir(folder.c_str(), 0755) != 0) continue;
    std::unique_ptr<MemoryCgroup> group(new MemoryCgroup(generation, folder));
    if (Write(group->limit_file(), std::to_string(limit_bytes))) return group;
  }
  return nullptr;
}

MemoryCgroup::~MemoryCgroup() {
  EXPECT_EQ(::rmdir(folder_.c_str()), 0) << folder_ << " is not empty";
}

MemoryCgroup::Visit MemoryCgroup::Enter() const {
  const base::MemoryCgroup own =
      base::ParseProcSelfCgroup(base::ReadSmallFile("/proc/self/cgroup").value_or(""));
  EXPECT_TRUE(Join(folder_));
  return Visit(generation_.root + (own.*generation_.own_path).value_or("/"));
}

MemoryCgroup::Visit::~Visit() { EXPECT_TRUE(Join(back_)) << back_; }

uint64_t MemoryCgroup::Killed() const {
  std::ifstream events(folder_ + "/" + generation_.events);
  uint64_t count = 0;
  for (std::string name; events >> name >> count;) {
    if (name == "oom_kill") return count;
  }
  ADD_FAILURE() << "the group does not say whom the kernel killed";
  return 0;
}

std::string MemoryCgroup::limit_file() const { return folder_ + "/" + generation_.limit; }

}  // namespace sysmem::testing
