// SPDX-License-Identifier: Apache-2.0
//
// A control group with a limit of memory, for what a test starts in it.
//
//   auto group = MemoryCgroup::Create(256 << 20);
//   if (group == nullptr) GTEST_SKIP() << "...";
//   {
//     const auto inside = group->Enter();
//     daemon.emplace();  // what is started meanwhile stays inside
//   }
//
// Both generations of control groups are tried. Needs root. Its end needs the group empty.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace sysmem::testing {

class MemoryCgroup {
 public:
  // Null when this machine lets nobody make one.
  static std::unique_ptr<MemoryCgroup> Create(uint64_t limit_bytes);
  ~MemoryCgroup();
  MemoryCgroup(const MemoryCgroup&) = delete;
  MemoryCgroup& operator=(const MemoryCgroup&) = delete;

  // This process is inside as long as the result lives.
  class Visit {
   public:
    explicit Visit(std::string back) : back_(std::move(back)) {}
    ~Visit();
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

   private:
    const std::string back_;
  };
  Visit Enter() const;

  // How many processes the kernel has killed in it for want of memory.
  uint64_t Killed() const;
  // The file with the limit, as messages name it.
  std::string limit_file() const;

 private:
  struct Generation;
  static const Generation kGenerations[];
  MemoryCgroup(const Generation& generation, std::string folder)
      : generation_(generation), folder_(std::move(folder)) {}

  const Generation& generation_;
  const std::string folder_;
};

}  // namespace sysmem::testing
