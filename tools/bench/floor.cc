// SPDX-License-Identifier: Apache-2.0
//
// The floor of every figure that sysmem-bench prints: an empty unary gRPC call between two
// processes over a socketpair, made the cheapest way gRPC has (synchronous stub, callback server).
//
// Reads a count from standard input, makes so many calls, answers with as many durations in
// nanoseconds, one per line, then a line "end"; until standard input ends.
#include <fcntl.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>

#include "sysmem2/session.grpc.pb.h"
#include "tools/bench/processors.h"

namespace {

using Service = sysmem2::Session::WithCallbackMethod_Ping<sysmem2::Session::Service>;

class Floor final : public Service {
  grpc::ServerUnaryReactor* Ping(grpc::CallbackServerContext* context,
                                 const sysmem2::PingRequest* request,
                                 sysmem2::Ack* reply) override {
    reply->set_order(request->number());
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

void Serve(int fd) {
  Floor service;
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  grpc::AddInsecureChannelFromFd(server.get(), fd);
  while (true) ::pause();  // until the parent is gone
}

int Measure(int fd) {
  auto stub = sysmem2::Session::NewStub(grpc::CreateInsecureChannelFromFd("floor", fd));
  uint64_t number = 0;
  unsigned count = 0;
  while (std::scanf("%u", &count) == 1) {
    for (unsigned i = 0; i < count; ++i) {
      grpc::ClientContext context;
      sysmem2::PingRequest request;
      sysmem2::Ack reply;
      request.set_number(++number);
      const auto start = std::chrono::steady_clock::now();
      const grpc::Status status = stub->Ping(&context, request, &reply);
      const auto end = std::chrono::steady_clock::now();
      if (!status.ok()) return 1;
      std::printf("%lld\n",
                  static_cast<long long>(
                      std::chrono::duration_cast<std::chrono::nanoseconds>(end - start).count()));
    }
    std::puts("end");
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) return 1;
  // Before gRPC has started anything.
  const pid_t child = ::fork();
  if (child < 0) return 1;
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close(ends[0]);
    sysmem::bench::StayOn(sysmem::bench::Side::kServer);
    Serve(ends[1]);
  }
  ::close(ends[1]);
  sysmem::bench::StayOn(sysmem::bench::Side::kClient);
  const int code = Measure(ends[0]);
  ::kill(child, SIGKILL);
  return code;
}
