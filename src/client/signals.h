// SPDX-License-Identifier: Apache-2.0
//
// Blocks all signals on the calling thread while it lives. Threads started meanwhile inherit the
// blocked mask, so that a program's signal handlers never run on a thread of the library or of
// gRPC.
#pragma once

#include <pthread.h>
#include <signal.h>

namespace sysmem::client {

class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace sysmem::client
