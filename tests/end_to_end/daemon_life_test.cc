// SPDX-License-Identifier: Apache-2.0
//
// How the daemon starts and ends, and what its clients notice of it.
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "tests/end_to_end/observer.h"
#include "tests/end_to_end/participants.h"

namespace sysmem::testing {
namespace {

constexpr uint64_t kBytes = 4096;

// A client with something of everything: a token, a waiting collection, and buffers. When the word
// comes that the daemon is gone, everything says so, but the buffers are still there.
void OutliveTheDaemon(ControlChannel& test, const std::string& path) {
  sysmem::Client client = ConnectOrDie(path);
  auto alone = client.CreateNonSharedCollection();
  SYSMEM_ASSERT_OK(alone);
  SYSMEM_EXPECT_OK(alone->SetConstraints(WriterNeeds(1, kBytes)));
  auto buffers = alone->Wait(Patience());
  SYSMEM_ASSERT_OK(buffers);
  WritePattern(*buffers, 0, 9);

  auto token = client.CreateToken();
  SYSMEM_ASSERT_OK(token);
  auto child = token->Duplicate();
  SYSMEM_ASSERT_OK(child);
  auto waiting = std::move(*child).Bind();
  SYSMEM_ASSERT_OK(waiting);
  SYSMEM_EXPECT_OK(waiting->SetConstraints(ReaderNeeds()));
  auto wait = waiting->StartWait(sysmem::Deadline::Never());
  SYSMEM_ASSERT_OK(wait);
  auto token_closed = token->ClosedFd();
  SYSMEM_ASSERT_OK(token_closed);
  size_t ended = 0;
  client.OnEnded([&](const sysmem::Failure& why) {
    ++ended;
    EXPECT_EQ(why.status, sysmem::Status::kDisconnected) << why.text;
  });
  SYSMEM_EXPECT_OK(client.Roundtrip(Patience()));
  test.Send("waiting");

  EXPECT_TRUE(AwaitReadable(wait->fd()));
  EXPECT_TRUE(AwaitReadable(token_closed->get()));
  EXPECT_TRUE(AwaitReadable(client.fd()));
  auto outcome = wait->Finish(Patience());
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.failure().status, sysmem::Status::kDisconnected) << outcome.failure().text;
  while (client.Dispatch(Patience()).ok()) {
  }
  EXPECT_EQ(ended, 1u);
  EXPECT_FALSE(client.is_connected());
  SYSMEM_EXPECT_STATUS(token->Sync(), sysmem::Status::kDisconnected);
  SYSMEM_EXPECT_STATUS(waiting->Check(), sysmem::Status::kDisconnected);
  SYSMEM_EXPECT_STATUS(waiting->Wait(Patience()), sysmem::Status::kDisconnected);
  SYSMEM_EXPECT_STATUS(client.CreateToken(), sysmem::Status::kDisconnected);
  SYSMEM_EXPECT_STATUS(client.Roundtrip(Patience()), sysmem::Status::kDisconnected);
  SYSMEM_EXPECT_STATUS(client.GetServerInfo(), sysmem::Status::kDisconnected);
  EXPECT_TRUE(HasPattern(*buffers, 0, 9));
}

TEST(DaemonLife, StopsInOrderWhileClientsWaitAndTellsThem) {
  DaemonProcess daemon;
  ASSERT_TRUE(daemon.ready());
  ClientProcess one(kClientUid,
                    [&](ControlChannel& test) { OutliveTheDaemon(test, daemon.socket_path()); });
  ClientProcess other(kOtherClientUid,
                      [&](ControlChannel& test) { OutliveTheDaemon(test, daemon.socket_path()); });
  one.control().Expect("waiting");
  other.control().Expect("waiting");
  daemon.Stop();
  one.ExpectSuccess();
  other.ExpectSuccess();
  EXPECT_NE(::access(daemon.socket_path().c_str(), F_OK), 0) << "left its socket behind";
}

TEST(DaemonLife, IsAnEventForItsClientsWhenItEndsByAKill) {
  DaemonProcess daemon;
  ASSERT_TRUE(daemon.ready());
  ClientProcess client(kClientUid,
                       [&](ControlChannel& test) { OutliveTheDaemon(test, daemon.socket_path()); });
  client.control().Expect("waiting");
  daemon.Kill();
  client.ExpectSuccess();
}

TEST(DaemonLife, TakesOverAPathWhereNobodyListensAnyMore) {
  DaemonProcess dead;
  ASSERT_TRUE(dead.ready());
  dead.Kill();
  ASSERT_EQ(::access(dead.socket_path().c_str(), F_OK), 0) << "there is nothing to take over";
  DaemonProcess heir({.socket_path = dead.socket_path()});
  ASSERT_TRUE(heir.ready()) << heir.Log();
  ClientProcess client(kClientUid, [&](ControlChannel&) {
    sysmem::Client session = ConnectOrDie(heir.socket_path());
    ExpectServed(session);
  });
  client.ExpectSuccess();
}

TEST(DaemonLife, DoesNotBeginOnAPathWhereAnotherListensAndSaysSo) {
  DaemonProcess first;
  ASSERT_TRUE(first.ready());
  Observer observer(first);
  observer.TakeBaseline();
  DaemonProcess second({.socket_path = first.socket_path()});
  EXPECT_FALSE(second.ready());
  EXPECT_EQ(second.process().WaitForExit(), 1);
  EXPECT_NE(second.Log().find(first.socket_path()), std::string::npos) << second.Log();
  EXPECT_NE(second.Log().find("listens"), std::string::npos) << second.Log();
  ClientProcess client(kClientUid, [&](ControlChannel&) {
    sysmem::Client session = ConnectOrDie(first.socket_path());
    ExpectServed(session);
  });
  client.ExpectSuccess();
  observer.ExpectBackToBaseline();
}

// Members of a group have it among others; only newgrp(1) would make it the first.
TEST(DaemonLife, LetsMembersOfItsAdminGroupSeeEverything) {
  SYSMEM_NEEDS_SEVERAL_UIDS();
  const group* const admins = ::getgrnam("daemon");
  ASSERT_NE(admins, nullptr) << "every system has it";
  DaemonProcess daemon({.arguments = {"--admin-group", admins->gr_name}});
  ASSERT_TRUE(daemon.ready());
  const auto expect = [&daemon](const char* seen) {
    return [&daemon, seen](ControlChannel&) {
      sysmem::Client session = ConnectOrDie(daemon.socket_path());
      auto status = session.Inspect("GetStatus");
      SYSMEM_ASSERT_OK(status);
      EXPECT_NE(status->find(std::string("\"sees_everything\":") + seen), std::string::npos)
          << *status;
    };
  };
  ClientProcess member(kClientUid, expect("true"), {admins->gr_gid, admins->gr_gid + 1});
  ClientProcess stranger(kOtherClientUid, expect("false"), {admins->gr_gid + 1});
  member.ExpectSuccess();
  stranger.ExpectSuccess();
}

TEST(DaemonLife, SaysWhatToDoWhenNobodyAnswers) {
  ClientProcess client(kClientUid, [&](ControlChannel&) {
    auto nobody = sysmem::Client::Connect({.path = "/tmp/sysmem-test-nobody/socket"});
    ASSERT_FALSE(nobody.ok());
    EXPECT_EQ(nobody.failure().status, sysmem::Status::kUnreachable);
    EXPECT_NE(nobody.failure().message.find("/tmp/sysmem-test-nobody/socket"), std::string::npos)
        << nobody.failure().message;
  });
  client.ExpectSuccess();
}

// The session's own end: everything it holds closes, and nobody needs to be told.
TEST(DaemonLife, KeepsNothingOfAHundredSessionsThatCameAndWent) {
  DaemonProcess daemon;
  ASSERT_TRUE(daemon.ready());
  Observer observer(daemon);
  observer.TakeBaseline();
  for (int i = 0; i < 5; ++i) {
    ClientProcess client(kClientUid, [&](ControlChannel&) {
      for (int j = 0; j < 20; ++j) {
        sysmem::Client session = ConnectOrDie(daemon.socket_path());
        ExpectServed(session);
      }
    });
    client.ExpectSuccess();
  }
  observer.ExpectBackToBaseline();
}

}  // namespace
}  // namespace sysmem::testing
