// SPDX-License-Identifier: Apache-2.0
//
// Conformance: which buffer a descriptor is of (VMO), through the library and the wire.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "tests/end_to_end/conformance_recipes.h"

namespace sysmem::testing {
namespace {

constexpr size_t kCount = 10;

void ExpectSame(const sysmem::Settings& told, const sysmem::Settings& agreed) {
  EXPECT_EQ(told.size_bytes, agreed.size_bytes);
  EXPECT_EQ(told.raw_size_bytes, agreed.raw_size_bytes);
  EXPECT_EQ(told.is_physically_contiguous, agreed.is_physically_contiguous);
  EXPECT_EQ(told.is_secure, agreed.is_secure);
  EXPECT_EQ(told.coherency_domain, agreed.coherency_domain);
  EXPECT_STREQ(told.heap_type, agreed.heap_type);
  EXPECT_EQ(told.heap_id, agreed.heap_id);
  EXPECT_EQ(told.image == nullptr, agreed.image == nullptr);
}

// One of the 32 ways to ask, of which those that compare come in two.
struct Ask {
  explicit Ask(uint32_t combination)
      : compares((combination & 1) != 0),
        need_weak((combination & 2) != 0),
        need_settings((combination & 4) != 0),
        checks((combination & 8) != 0),
        fits((combination & 16) != 0),
        compares_own((combination & 32) != 0) {}
  bool compares;  // with another buffer ...
  bool need_weak;
  bool need_settings;
  bool checks;        // constraints ...
  bool fits;          // ... that fit, or not
  bool compares_own;  // ... of this collection, or one of another size

  bool IgnoresSize(size_t buffer) const { return buffer % 2 == 1; }
};

class Vmo : public Conformance {
 protected:
  // The buffers of a strong and a weak participant, the nodes of the former gone.
  struct Shared {
    uint64_t id;
    sysmem::Buffers strong;
    sysmem::Buffers weak;
    sysmem::Collection weak_node;
  };
  std::optional<Shared> Share() {
    sysmem::Token root = Root();
    sysmem::Token child = Dup(root);
    SYSMEM_EXPECT_OK(child.SetWeak());
    const auto id = root.GetBufferCollectionId();
    sysmem::Collection strong_node = Bind(std::move(root));
    sysmem::Collection weak_node = Bind(std::move(child));
    SYSMEM_EXPECT_OK(strong_node.SetConstraints(Camp(kCount)));
    SYSMEM_EXPECT_OK(weak_node.SetConstraints(Camp(0)));
    auto strong = Wait(strong_node);
    SYSMEM_EXPECT_OK(weak_node.SetWeakOk());
    auto weak = Wait(weak_node);
    if (!id.ok() || !strong.ok() || !weak.ok()) {
      ADD_FAILURE() << (strong.ok() ? "" : strong.failure().text)
                    << (weak.ok() ? "" : weak.failure().text);
      return std::nullopt;
    }
    EXPECT_EQ(strong->count(), kCount);
    EXPECT_EQ(strong->collection_id(), *id);
    strong_node.Reset();
    return Shared{*id, *std::move(strong), *std::move(weak), std::move(weak_node)};
  }

  void AskOfStrong(sysmem::Client& asker, const Shared& shared, const Ask& ask, size_t i,
                   int other_settings_fd) {
    const sysmem::VmoInfoRequest request{
        .need_weak = ask.need_weak,
        .need_settings = ask.need_settings,
        .constraints_to_check =
            ask.checks ? std::optional(ask.fits ? Camp(0) : Picky(2 * kPage)) : std::nullopt,
        .settings_to_check_fd = !ask.compares      ? -1
                                : ask.compares_own ? shared.strong[1].fd
                                                   : other_settings_fd,
        .settings_to_check_ignore_size = ask.IgnoresSize(i)};
    auto info = asker.GetVmoInfo(shared.strong[i].fd, request, Patience());
    SYSMEM_ASSERT_OK(info);
    EXPECT_EQ(info->collection_id(), shared.id);
    EXPECT_EQ(info->buffer_index(), i);
    EXPECT_EQ(info->constraints_ok(), ask.checks ? std::optional(ask.fits) : std::nullopt);
    ASSERT_EQ(info->settings() != nullptr, ask.need_settings);
    if (ask.need_settings) {
      ExpectSame(*info->settings(), shared.strong.settings());
      ExpectSame(*info->settings(), shared.weak.settings());
    }
    EXPECT_EQ(info->weak_fd() >= 0, ask.need_weak);
    EXPECT_EQ(info->close_weak_asap_fd() >= 0, ask.need_weak);
    EXPECT_EQ(info->settings_match(),
              ask.compares ? std::optional(ask.compares_own || ask.IgnoresSize(i)) : std::nullopt);
  }

  void AskOfWeak(sysmem::Client& asker, const Shared& shared, const Ask& ask, size_t i) {
    auto info = asker.GetVmoInfo(shared.weak[i].fd, {}, Patience());
    SYSMEM_ASSERT_OK(info);
    EXPECT_EQ(info->collection_id(), shared.id);
    EXPECT_EQ(info->buffer_index(), i);
    EXPECT_GE(info->close_weak_asap_fd(), 0) << "it is weak";
    EXPECT_EQ(info->weak_fd(), -1);
    if (!ask.need_weak) return;
    auto weak = asker.GetVmoInfo(shared.weak[i].fd, {.need_weak = true}, Patience());
    if (i % 2 == 1) {
      SYSMEM_ASSERT_OK(weak);
      EXPECT_GE(weak->weak_fd(), 0);
      return;
    }
    ASSERT_FALSE(weak.ok());
    EXPECT_EQ(weak.failure().status, sysmem::Status::kError);
    EXPECT_EQ(weak.failure().error, sysmem::Error::kNoMoreStrongVmoHandles);
  }
};

// Case VMO-1
TEST_F(Vmo, InfoTellsWhatWasAskedForInEveryCombination) {
  auto other_settings = Allocate(Picky(2 * kPage));
  ASSERT_TRUE(HasSize(other_settings, 2 * kPage));
  for (uint32_t combination = 0; combination < 64; ++combination) {
    SCOPED_TRACE(combination);
    const Ask ask(combination);
    std::optional<Shared> shared = Share();
    ASSERT_TRUE(shared);
    sysmem::Client asker = Connect();
    for (size_t i = 0; i < kCount; ++i) {
      SCOPED_TRACE(i);
      AskOfStrong(asker, *shared, ask, i, (*other_settings)[0].fd);
    }
    for (size_t i = 0; i < kCount; i += 2) {
      shared->strong.Close(i);
      SYSMEM_EXPECT_OK(sysmem::AwaitHangup(shared->weak[i].close_weak_asap_fd, Patience()));
    }
    for (size_t i = 0; i < kCount; ++i) {
      SCOPED_TRACE(i);
      AskOfWeak(asker, *shared, ask, i);
    }
  }
}

// GVI-H1.
TEST_F(Vmo, AWeakHandleAllowsNoMoreThanTheOneThatWasShown) {
  sysmem::Constraints reader = Camp(1);
  reader.usage = sysmem::Usage{.cpu = SYSMEM_CPU_USAGE_READ};
  auto both = Pair(Camp(1), reader);
  SYSMEM_ASSERT_OK(both.parent);
  SYSMEM_ASSERT_OK(both.child);
  ASSERT_TRUE(both.child->settings().read_only);
  auto of_reader = client().GetVmoInfo((*both.child)[0].fd, {.need_weak = true});
  auto of_writer = client().GetVmoInfo((*both.parent)[0].fd, {.need_weak = true});
  SYSMEM_ASSERT_OK(of_reader);
  SYSMEM_ASSERT_OK(of_writer);
  EXPECT_EQ(::pwrite(of_reader->weak_fd(), "x", 1, 0), -1);
  EXPECT_EQ(errno, EBADF);
  EXPECT_EQ(::pwrite(of_writer->weak_fd(), "x", 1, 0), 1);
}

// Of a handle a client makes a handle by opening it once more: the buffer is known, and the new
// handle, which nobody gave it, counts as weak.
TEST_F(Vmo, InfoOfAReopenedDescriptorCallsItWeak_row_49) {
  auto buffers = Allocate(Picky(kPage));
  SYSMEM_ASSERT_OK(buffers);
  const std::string path = "/proc/self/fd/" + std::to_string((*buffers)[0].fd);
  const base::UniqueFd reopened(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(reopened);  // as root, or under the daemon's uid
  auto info = client().GetVmoInfo(reopened.get(), {});
  SYSMEM_ASSERT_OK(info);
  EXPECT_EQ(info->collection_id(), buffers->collection_id());
  EXPECT_GE(info->close_weak_asap_fd(), 0);
}

// G3, G4.
TEST_F(Vmo, InfoOfWhatIsNoBufferSaysWhatItIs) {
  const base::UniqueFd foreign(::memfd_create("foreign", MFD_CLOEXEC));
  auto not_ours = client().GetVmoInfo(foreign.get(), {});
  ASSERT_FALSE(not_ours.ok());
  EXPECT_EQ(not_ours.failure().error, sysmem::Error::kNotFound) << not_ours.failure().text;
  int pipe[2] = {-1, -1};
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const base::UniqueFd read_end(pipe[0]);
  const base::UniqueFd write_end(pipe[1]);
  auto no_memory = client().GetVmoInfo(read_end.get(), {});
  ASSERT_FALSE(no_memory.ok());
  EXPECT_EQ(no_memory.failure().error, sysmem::Error::kProtocolDeviation)
      << no_memory.failure().text;
  SYSMEM_EXPECT_STATUS(client().GetVmoInfo(-1, {}), sysmem::Status::kInvalidArgument);
}

}  // namespace
}  // namespace sysmem::testing
