// SPDX-License-Identifier: Apache-2.0
//
// Waits that go on while the program does other things.
//
// The outcome arrives on whichever thread takes the reply in; it is kept in the wait's state until
// the program takes it (sysmem_wait_finish) or dispatch hands it to the callback. Descriptors are
// claimed only then.
#include <utility>

#include "base/event_fd.h"
#include "client/buffers.h"
#include "client/clock.h"
#include "client/nodes.h"

using sysmem::client::Connection;
using sysmem::client::FromStatus;
using sysmem::client::InvalidArgument;
using sysmem::client::NodeState;
using sysmem::client::Outcome;
using sysmem::client::Report;
using sysmem::client::TimedOut;
using sysmem2::Operation;
using sysmem2::OperationResult;

namespace sysmem::client {
namespace {

// The program's callback; its data is freed when no copy of this is left.
struct CallbackData {
  ~CallbackData() {
    if (free_data != nullptr) free_data(data);
  }
  sysmem_wait_callback callback = nullptr;
  void* data = nullptr;
  sysmem_free_function free_data = nullptr;
};

// Guarded by the connection's lock, except what is const.
struct WaitState {
  explicit WaitState(base::EventFd event_fd) : over_event(std::move(event_fd)) {}

  const base::EventFd over_event;
  std::shared_ptr<NodeState> node;
  std::shared_ptr<CallbackData> callback;
  std::shared_ptr<CallbackPlace> place;  // where the callback comes, if there is one
  uint64_t number = 0;
  bool over = false;
  bool timed_out = false;
  bool destroyed = false;
  std::optional<Outcome<OperationResult>> outcome;  // until it is taken
};

}  // namespace
}  // namespace sysmem::client

struct sysmem_wait {
  std::shared_ptr<Connection> connection;
  std::shared_ptr<sysmem::client::WaitState> state;
};

namespace sysmem::client {
namespace {

std::optional<Outcome<OperationResult>> TakeOutcome(const Connection& connection,
                                                    WaitState& state) {
  return connection.Locked([&] { return std::exchange(state.outcome, std::nullopt); });
}

Outcome<std::unique_ptr<sysmem_buffers>> ToBuffers(Connection& connection,
                                                   Outcome<OperationResult> outcome) {
  if (!outcome.ok()) return std::move(outcome.failure());
  return MakeBuffers(connection,
                     outcome->wait_for_all_buffers_allocated().buffer_collection_info());
}

// In dispatch: gives the outcome to the program, unless it has destroyed the wait meanwhile.
void RunCallback(Connection& connection, WaitState& state) {
  const auto callback = connection.Locked([&] { return std::exchange(state.callback, nullptr); });
  if (callback == nullptr) return;
  auto outcome = TakeOutcome(connection, state);
  auto buffers = ToBuffers(connection, *std::move(outcome));
  if (buffers.ok()) {
    callback->callback(callback->data, SYSMEM_OK, buffers->release(), nullptr);
  } else {
    const FailureView failure(buffers.failure());
    callback->callback(callback->data, buffers.failure().status, nullptr, failure.get());
  }
}

// The reply was taken in.
void Finish(Connection& connection, const std::shared_ptr<WaitState>& state,
            Outcome<OperationResult> outcome) {
  if (!outcome.ok()) outcome = connection.Explain(*state->node, std::move(outcome.failure()));
  std::optional<OperationResult> unwanted;
  const bool calls_back = connection.Locked([&] {
    if (state->timed_out && !outcome.ok() && outcome.failure().status == SYSMEM_CANCELLED) {
      outcome = TimedOut("the deadline passed before the buffers were allocated");
    }
    if (state->destroyed && outcome.ok()) unwanted = std::move(*outcome);
    state->over = true;
    state->outcome = std::move(outcome);
    return state->callback != nullptr && !state->destroyed;
  });
  state->over_event.Signal();
  connection.NotifyWaiters();
  if (unwanted) connection.Discard(*unwanted);
  if (!state->place) return;
  connection.Fill(*state->place, calls_back ? Connection::Callback([&connection, state] {
    RunCallback(connection, *state);
  })
                                            : nullptr);
}

void TakeBack(Connection& connection, WaitState& state, bool because_of_deadline) {
  const uint64_t number = connection.Locked([&]() -> uint64_t {
    if (state.over) return 0;
    state.timed_out = state.timed_out || because_of_deadline;
    return state.number;
  });
  if (number != 0) connection.CancelWait(number);
}

}  // namespace
}  // namespace sysmem::client

using sysmem::client::CallbackData;
using sysmem::client::CallbackPlace;
using sysmem::client::Finish;
using sysmem::client::TakeBack;
using sysmem::client::TakeOutcome;
using sysmem::client::ToBuffers;
using sysmem::client::WaitState;

sysmem_status sysmem_collection_start_wait(sysmem_collection* collection, int64_t deadline_ns,
                                           sysmem_wait_callback callback, void* data,
                                           sysmem_free_function free_data, sysmem_wait** wait,
                                           sysmem_failure** failure) {
  auto kept = std::make_shared<CallbackData>();
  kept->callback = callback;
  kept->data = data;
  kept->free_data = free_data;
  const std::shared_ptr<Connection> connection = collection->connection;
  if (auto gone = connection->OutcomeGone(*collection->state)) {
    return Report(*std::move(gone), failure);
  }
  auto event = sysmem::base::EventFd::Create();
  if (!event.ok()) return Report(FromStatus(SYSMEM_SYSTEM, event.status()), failure);
  auto state = std::make_shared<WaitState>(*std::move(event));
  state->node = collection->state;
  if (callback != nullptr) {
    state->callback = std::move(kept);
    state->place = std::make_shared<CallbackPlace>();
  }

  const uint64_t handle = collection->state->handle;
  auto number = connection->Start(
      {.record = {.handle = handle},
       .fill =
           [handle](Operation& operation, uint64_t) {
             operation.mutable_wait_for_all_buffers_allocated()->set_handle(handle);
           }},
      [raw = connection.get(), state](Outcome<OperationResult> outcome) {
        Finish(*raw, state, std::move(outcome));
      },
      state->place);
  if (!number.ok()) return Report(std::move(number.failure()), failure);
  connection->Locked([&] { state->number = *number; });
  if (deadline_ns != SYSMEM_NO_DEADLINE) {
    connection->AddTimer(deadline_ns,
                         [raw = connection.get(), weak = std::weak_ptr<WaitState>(state)] {
                           if (const auto still = weak.lock()) TakeBack(*raw, *still, true);
                         });
  }
  *wait = new sysmem_wait{connection, std::move(state)};
  return SYSMEM_OK;
}

int sysmem_wait_fd(sysmem_wait* wait) { return wait->state->over_event.fd().get(); }

sysmem_status sysmem_wait_finish(sysmem_wait* wait, int64_t deadline_ns, sysmem_buffers** buffers,
                                 sysmem_failure** failure) {
  Connection& connection = *wait->connection;
  if (connection.IsForkedCopy()) return Report(*connection.Dead(), failure);
  WaitState& state = *wait->state;
  if (connection.Locked([&state] { return state.callback != nullptr; })) {
    return Report(InvalidArgument("wait", "its outcome goes to its callback"), failure);
  }
  if (!connection.WaitFor([&state] { return state.over; }, deadline_ns)) {
    return Report(TimedOut("the wait is not over yet"), failure);
  }
  auto outcome = TakeOutcome(connection, state);
  if (!outcome) {
    return Report(InvalidArgument("wait", "its outcome was taken before"), failure);
  }
  auto made = ToBuffers(connection, *std::move(outcome));
  if (!made.ok()) return Report(std::move(made.failure()), failure);
  *buffers = made->release();
  return SYSMEM_OK;
}

void sysmem_wait_cancel(sysmem_wait* wait) {
  if (!wait->connection->Dead()) TakeBack(*wait->connection, *wait->state, false);
}

void sysmem_wait_destroy(sysmem_wait* wait) {
  if (wait == nullptr) return;
  const std::unique_ptr<sysmem_wait> owned(wait);
  Connection& connection = *wait->connection;
  if (connection.IsForkedCopy()) return;
  // Freed at the end, outside the lock: it runs program code.
  const auto callback = connection.Locked([&] {
    wait->state->destroyed = true;
    return std::exchange(wait->state->callback, nullptr);
  });
  sysmem_wait_cancel(wait);
  const auto outcome = TakeOutcome(connection, *wait->state);
  if (outcome && outcome->ok()) connection.Discard(outcome->value());
}
