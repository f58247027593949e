// SPDX-License-Identifier: Apache-2.0
#include "tests/end_to_end/buffer_owner.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <utility>
#include <vector>

#include "tests/end_to_end/participants.h"
#include "tests/support/patience.h"

namespace sysmem::testing {
namespace {

constexpr uint64_t kBytes = 4096;

void JoinLate(ControlChannel& test, sysmem::Joined& first) {
  auto token = first.collection.AttachToken();
  SYSMEM_ASSERT_OK(token);
  auto joined = std::move(*token).Join(ReaderNeeds(0), Patience());
  SYSMEM_ASSERT_OK(joined);
  EXPECT_EQ(NameMemory(joined->buffers), NameMemory(first.buffers));
  SYSMEM_EXPECT_OK(joined->buffers.Map(0, SYSMEM_ACCESS_READ));
  joined->collection.Close();
  test.Send("joined");
}

// The root writes, the test's hand-out comes from a weak child, the holder's token is another one.
void ShareOne(ControlChannel& test, sysmem::Client& client, bool weak) {
  auto root = client.CreateToken();
  SYSMEM_ASSERT_OK(root);
  auto holders = root->Duplicate();
  auto witness = root->Duplicate();
  SYSMEM_ASSERT_OK(holders);
  SYSMEM_ASSERT_OK(witness);
  if (weak) SYSMEM_EXPECT_OK(holders->SetWeak());
  SYSMEM_EXPECT_OK(witness->SetWeak());
  auto watching = std::move(*witness).Bind();
  SYSMEM_ASSERT_OK(watching);
  SYSMEM_EXPECT_OK(watching->SetConstraints(ReaderNeeds(0)));
  auto token = std::move(*holders).Export();
  SYSMEM_ASSERT_OK(token);
  test.Send("token", FromLibrary(*std::move(token)));

  auto joined = std::move(*root).Join(WriterNeeds(1, kBytes), Patience());
  SYSMEM_ASSERT_OK(joined);
  ASSERT_EQ(joined->buffers.count(), 1u);
  std::vector<base::UniqueFd> told;
  std::array<int, 2> ends{-1, -1};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  told.emplace_back(ends[0]);
  SYSMEM_EXPECT_OK(joined->collection.AttachLifetimeTracking(sysmem::UniqueFd(ends[1]), 0));
  {
    auto weakly = watching->Wait(Patience());
    SYSMEM_ASSERT_OK(weakly);
    told.push_back(base::Dup(base::BorrowedFd((*weakly)[0].close_weak_asap_fd)));
    told.push_back(base::Dup(base::BorrowedFd((*weakly)[0].fd)));
  }
  test.Send(std::to_string(joined->buffers.collection_id()), std::move(told));
  while (test.Receive().text == "late") JoinLate(test, *joined);
  joined->collection.Close();
}

void Live(ControlChannel& test, const std::string& path) {
  sysmem::Client client = ConnectOrDie(path);
  while (true) {
    const std::string word = test.ReceiveOneDay().text;
    if (word == "end") return;
    if (word != "settle") ShareOne(test, client, word == "weak");
    SYSMEM_EXPECT_OK(client.Roundtrip(Patience()));
    test.Send("settled");
  }
}

bool HungUp(const base::UniqueFd& fd, std::chrono::milliseconds patience) {
  pollfd poll{.fd = fd.get(), .events = 0, .revents = 0};
  return ::poll(&poll, 1, static_cast<int>(patience.count())) == 1 && (poll.revents & POLLHUP) != 0;
}

}  // namespace

BufferOwner::BufferOwner(DaemonProcess& daemon)
    : process_(kClientUid, [&](ControlChannel& test) { Live(test, daemon.socket_path()); }) {}

BufferOwner::~BufferOwner() {
  process_.control().Send("end");
  process_.ExpectSuccess();
}

base::UniqueFd BufferOwner::Share(Strength strength) {
  process_.control().Send(strength == Strength::kWeak ? "weak" : "strong");
  return process_.control().Expect("token").TakeDescriptor();
}

SharedBuffer BufferOwner::Complete() {
  Word word = process_.control().Receive();
  if (word.descriptors.size() != 3) {
    ADD_FAILURE() << "the owner has no buffer";
    return {};
  }
  return {.collection_id = std::move(word.text),
          .lifetime = std::move(word.descriptors[0]),
          .close_weak_asap = std::move(word.descriptors[1]),
          .weak = std::move(word.descriptors[2])};
}

void BufferOwner::LetSomebodyJoinLate() {
  process_.control().Send("late");
  process_.control().Expect("joined");
}

void BufferOwner::Leave() {
  process_.control().Send("leave");
  process_.control().Expect("settled");
}

void BufferOwner::Settle() {
  process_.control().Send("settle");
  process_.control().Expect("settled");
}

bool HangsUp(const base::UniqueFd& fd) { return HungUp(fd, kPatience); }
bool HasHungUp(const base::UniqueFd& fd) { return HungUp(fd, std::chrono::milliseconds(0)); }

}  // namespace sysmem::testing
