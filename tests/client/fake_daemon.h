// SPDX-License-Identifier: Apache-2.0
//
// The other end of a connection, in the test's own process: speaks the wire, knows nothing of
// buffers, and answers what and when the test says.
//
//   FakeDaemon daemon;
//   sysmem::Client client = *sysmem::Client::Connect({.path = daemon.path()});
//   auto waiting = std::async(..., [&] { return collection.Wait(10s); });
//   FakeDaemon::Call call = daemon.NextCall();       // waits for it
//   daemon.SendNodeClosed(2, handle, "reason");
//   daemon.Reply(call, 1, reply);
//
// Every call is kept until the test takes it, except after AnswerEverything(). Thread-safe.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/handle_channel.h"
#include "base/unique_fd.h"
#include "sysmem2/session.pb.h"

namespace sysmem::client {

class FakeDaemon {
 public:
  class Reactor;

  struct Call {
    Reactor* reactor = nullptr;
    std::string method;
    uint64_t number = 0;
    sysmem2::RunRequest run;  // if method is Run
    std::string bytes;        // the request
  };

  FakeDaemon();
  ~FakeDaemon();
  FakeDaemon(const FakeDaemon&) = delete;
  FakeDaemon& operator=(const FakeDaemon&) = delete;

  const std::string& path() const { return path_; }

  // The next call in the order of numbers; waits for it, a test that waits too long fails.
  Call NextCall();
  // How many calls have come and were not taken.
  size_t waiting_calls();
  void Reply(const Call& call, uint64_t order, sysmem2::RunReply reply = {});
  void ReplyBytes(const Call& call, const std::string& bytes);
  // From now on answers by itself, in order, starting with order `next_order`, with what `answer`
  // gives; calls that came before are answered too.
  using Answer = std::function<sysmem2::RunReply(const Call&)>;
  void AnswerEverything(Answer answer = nullptr, uint64_t next_order = 1);

  // Messages on the handle channel.
  // Waits until there is room for it; a test that waits too long fails.
  void SendNodeClosed(uint64_t order, uint64_t handle, const std::string& reason);
  void SendDescriptors(uint64_t first, std::vector<base::UniqueFd> descriptors);
  void EndSession(const std::string& message);
  // As if the daemon died.
  void HangUp();
  // What the client sent on the handle channel, after HELLO; waits for it.
  base::HandleMessage ReceiveFromClient();
  // Waits until the client has closed the handle channel.
  bool SeesHangUp();

  // How the hello is answered. Set before a client connects.
  enum class Greeting { kWelcome, kSilence, kRefusal, kHangUp };
  void Greet(Greeting greeting);
  sysmem2::Hello hello();

 private:
  friend class Reactor;
  class Service;

  void Accept();
  void Welcome(base::UniqueFd socket);
  void Came(Call call);
  void Left(Reactor* reactor);
  void AnswerLocked();

  std::string directory_;
  std::string path_;
  base::UniqueFd listener_;
  base::UniqueFd stop_read_, stop_write_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;

  std::mutex mutex_;
  std::condition_variable changed_;
  Greeting greeting_ = Greeting::kWelcome;
  sysmem2::Hello hello_;
  base::UniqueFd channel_;
  base::UniqueFd call_channel_;  // another descriptor of gRPC's socket
  std::deque<Call> calls_;       // not yet taken, by number
  uint64_t next_number_ = 1;
  bool answers_ = false;
  Answer answer_;
  uint64_t next_order_ = 1;
  std::thread acceptor_;
};

}  // namespace sysmem::client
