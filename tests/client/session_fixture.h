// SPDX-License-Identifier: Apache-2.0
//
// A client connected to a FakeDaemon, its first message (the program's name) taken and answered
// with order 1: the first order a test gives is 2.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <optional>
#include <sysmem/sysmem.hpp>
#include <utility>

#include "tests/client/fake_daemon.h"

namespace sysmem::client {

using namespace std::chrono_literals;

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() {
    auto connected = Client::Connect({.path = daemon_.path(), .debug_name = "test"});
    EXPECT_TRUE(connected.ok()) << connected.failure().ToString();
    client_.emplace(std::move(*connected));
    EXPECT_TRUE(client_->Flush().ok());
    daemon_.Reply(daemon_.NextCall(), 1);
  }
  ~SessionTest() override {
    // What a test left unanswered must not hold up the end.
    if (client_ && !answered_) daemon_.HangUp();
    client_.reset();
  }
  void AnswerEverything(FakeDaemon::Answer answer = nullptr, uint64_t next_order = 2) {
    answered_ = true;
    daemon_.AnswerEverything(std::move(answer), next_order);
  }

  Token MakeToken() { return std::move(*client_->CreateToken()); }
  Collection MakeCollection() { return std::move(*client_->CreateNonSharedCollection()); }

  // Runs `function` on another thread, so that the test can play the daemon meanwhile.
  template <typename Function>
  static auto Async(Function function) {
    return std::async(std::launch::async, std::move(function));
  }

  static sysmem2::RunReply Failing(uint32_t index, sysmem2::Outcome outcome,
                                   const std::string& message = "no") {
    sysmem2::RunReply reply;
    auto* failure = reply.add_failures();
    failure->set_index(index);
    failure->mutable_failure()->set_outcome(outcome);
    failure->mutable_failure()->set_message(message);
    return reply;
  }
  static sysmem2::RunReply WithId(uint64_t id) {
    sysmem2::RunReply reply;
    reply.mutable_last()->mutable_get_buffer_collection_id()->set_buffer_collection_id(id);
    return reply;
  }

  FakeDaemon daemon_;
  std::optional<Client> client_;
  bool answered_ = false;
};

}  // namespace sysmem::client
