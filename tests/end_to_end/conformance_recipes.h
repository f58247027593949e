// SPDX-License-Identifier: Apache-2.0
//
// The recipes that conformance tests are written in: constraints, ways to make trees, and outcomes,
// under the names the conformance list gives them.
//
//   TEST_F(Grp, PrefersTheFirstChild) {
//     sysmem::Token root = Root();
//     sysmem::Group group = GroupBelow(root);
//     sysmem::Token first = ChildOf(group);
//     sysmem::Collection one = Bind(std::move(root));
//     ...
//     EXPECT_TRUE(HasSize(Wait(one), 16 * kPage));
//   }
//
// Tokens and groups live in the test's first session. Bind moves each into a second one, so that
// nothing works only because everybody is in the same session. What either session has queued is
// sent by Settle and by Wait.
//
// A test says which case it is in a comment right above it that begins "Case GRP-4" or
// "Case CON-7, CON-8"; docs/conformance.md has the list.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <sysmem/sysmem.hpp>
#include <utility>
#include <vector>

#include "tests/end_to_end/library_fixture.h"

namespace sysmem::testing {

inline constexpr uint32_t kCpuReadWrite =
    SYSMEM_CPU_USAGE_READ_OFTEN | SYSMEM_CPU_USAGE_WRITE_OFTEN;
inline constexpr uint32_t kMax32 = std::numeric_limits<uint32_t>::max();
inline constexpr uint64_t kPage = 4096;

// Memory for the CPU domain alone.
sysmem::MemoryConstraints CpuOnly(uint64_t min_bytes, std::optional<uint64_t> max_bytes = {});
// K-PICKY: one buffer of exactly this size.
sysmem::Constraints Picky(uint64_t bytes);
// K-CAMP: `count` buffers of one page, of at most `max_count` in all.
sysmem::Constraints Camp(uint32_t count, std::optional<uint32_t> max_count = {});
// K-EMPTY: says something, but nothing in particular.
sysmem::Constraints Empty();
// K-HEAP: one page for the display, from one of these heaps (none given: from any).
// `cpu_and_ram`, `inaccessible`: the domains it can live with.
sysmem::Constraints Heaps(const std::vector<std::string>& heap_types, bool cpu_and_ram,
                          bool inaccessible);
// K-NV12: three NV12 images of at least 256 x 256.
sysmem::Constraints Nv12();
// An image of this format and colour space, without any size.
sysmem::ImageConstraints Image(uint32_t format, uint32_t color_space);
// OPEN-TAIL: no upper bounds.
void OpenTail(sysmem::ImageConstraints& image);

// What is written FORMAT/MODIFIER in the list; the modifier may be left out.
struct Format {
  uint32_t pixel_format = 0;
  std::optional<uint64_t> modifier = std::nullopt;
};
enum class ForCpu : bool { kNo, kYes };
// K-FMT: one buffer with an image in any of these formats, the first of which is said in the fields
// for one format and the others in the list. ForCpu::kNo: NONE usage.
sysmem::Constraints Formats(const std::vector<Format>& formats, ForCpu cpu,
                            std::optional<bool> alpha = {});
// K-FMTV: the same, all of them in the list. REQUIRES: each has a modifier.
sysmem::Constraints ListedFormats(const std::vector<Format>& formats, ForCpu cpu,
                                  std::optional<bool> alpha = {});

// Whether every byte that can be read of a buffer is zero.
bool IsZero(const sysmem::Buffers& buffers, size_t index);

// --- Outcomes, for EXPECT_TRUE: each says what there was instead.

// OK, with buffers of this size_bytes.
::testing::AssertionResult HasSize(const sysmem::Result<sysmem::Buffers>& outcome, uint64_t bytes);
// CIE: the domain error CONSTRAINTS_INTERSECTION_EMPTY.
::testing::AssertionResult IsIntersectionEmpty(const sysmem::Failure* failure);
// CLOSED: no domain error.
::testing::AssertionResult IsClosed(const sysmem::Failure* failure);
// FAIL/CIE: one of the two.
::testing::AssertionResult IsClosedOrIntersectionEmpty(const sysmem::Failure* failure);
// The failure of an outcome; null if there is none.
template <typename T>
const sysmem::Failure* Why(const sysmem::Result<T>& outcome) {
  return outcome.ok() ? nullptr : &outcome.failure();
}

// An end for AttachNodeTracking or AttachLifetimeTracking, watched from the other side.
class TrackedEnd {
 public:
  TrackedEnd();
  // The end to give away, once.
  sysmem::UniqueFd Give() { return ForLibrary(std::move(write_)); }
  // Whether every copy of it is closed by now.
  bool HasSignalled() const;
  // Waits until it is so. False after kPatience.
  bool Signals() const;

 private:
  base::UniqueFd read_;
  base::UniqueFd write_;
};

class Conformance : public LibraryTest {
 protected:
  explicit Conformance(const DaemonOptions& options = {}) : LibraryTest(options) {}

  // R-ROOT: the root token of a new collection.
  sysmem::Token Root();
  // R-DUP: a child token of `parent`.
  sysmem::Token Dup(sysmem::Token& parent);
  // R-GROUP: a group below `parent`.
  sysmem::Group GroupBelow(sysmem::Token& parent);
  // R-GCHILD: one more alternative.
  sysmem::Token ChildOf(sysmem::Group& group);
  // R-BIND: the collection that the token becomes, in the second session.
  sysmem::Collection Bind(sysmem::Token token);

  // The second session.
  sysmem::Client& other();
  // Returns when the daemon has carried out everything that either session has said, and has closed
  // every tracking end that it has to close because of that.
  void Settle();
  // WaitForAllBuffersAllocated, after sending what either session has queued.
  sysmem::Result<sysmem::Buffers> Wait(sysmem::Collection& collection);

  // A root and its child with these constraints, and what each of them gets.
  struct Outcomes {
    sysmem::Result<sysmem::Buffers> parent;
    sysmem::Result<sysmem::Buffers> child;
  };
  Outcomes Pair(const sysmem::Constraints& parent, const sysmem::Constraints& child);

  // R-SINGLE: a token, bound at once.
  sysmem::Collection Single();
  // R-SINGLE, constraints, wait.
  sysmem::Result<sysmem::Buffers> Allocate(const sysmem::Constraints& constraints);
  // BASIC: K-NV12 with a change. True iff buffers come, and come zeroed.
  bool Basic(const std::function<void(sysmem::Constraints&)>& change);

 private:
  std::optional<sysmem::Client> other_;
};

}  // namespace sysmem::testing
