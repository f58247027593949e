// SPDX-License-Identifier: Apache-2.0
//
// Registering a heap, and bringing the daemon's calls to the program.
#include "client/heaps.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "client/nodes.h"
#include "client/text.h"

using sysmem::client::Connection;
using sysmem::client::FetchCall;
using sysmem::client::HeapListener;
using sysmem::client::Listener;
using sysmem::client::NodeState;
using sysmem::client::Report;
using sysmem::client::ServedHeap;
using sysmem2::Operation;
using sysmem2::OperationResult;

namespace sysmem::client {
namespace {

// So many of the daemon's calls are fetched before the program asks for them. Each may bring a
// descriptor, and counts as a wait of the session.
constexpr int kFetchedAhead = 4;

constexpr size_t kMaxHeapTypeBytes = sysmem2::MESSAGE_LIMIT_HEAP_TYPE_BYTES;

std::shared_ptr<HeapListener> ListenerOf(const Connection& connection, const ServedHeap& heap) {
  return connection.Locked([&] { return heap.listener; });
}

// Calls the program for a call that it has to answer.
void CallProgram(const std::shared_ptr<Connection>& connection, const ServedHeap& heap,
                 const HeapListener& listener, const sysmem2::ProviderCall& asked) {
  const auto run = [&](auto call, auto callback) {
    const std::shared_ptr<bool> in_callback = call->in_callback;
    *in_callback = true;
    callback(listener.data, call.release());
    connection->Locked([&] { *in_callback = false; });
  };
  if (asked.has_allocate_vmo()) {
    const sysmem2::AllocateVmoCall& what = asked.allocate_vmo();
    auto call =
        std::make_unique<sysmem_heap_allocation>(connection, heap.registration, asked.call_id());
    if (what.has_offered_vmo()) call->fd = connection->Claim(what.offered_vmo());
    call->settings = std::make_unique<Settings>(what.settings(), sysmem2::HandOut());
    call->info = {.size_bytes = what.size(),
                  .settings = &call->settings->get(),
                  .buffer_collection_id = what.buffer_collection_id(),
                  .buffer_index = what.buffer_index(),
                  .offered_fd = call->fd.get()};
    return run(std::move(call), listener.functions.allocate);
  }
  if (asked.has_delete_vmo()) {
    const sysmem2::DeleteVmoCall& what = asked.delete_vmo();
    auto call =
        std::make_unique<sysmem_heap_deletion>(connection, heap.registration, asked.call_id());
    if (what.vmo() != 0) call->fd = connection->Claim(what.vmo());
    call->info = {.buffer_collection_id = what.buffer_collection_id(),
                  .buffer_index = what.buffer_index(),
                  .fd = call->fd.get()};
    return run(std::move(call), listener.functions.take_back);
  }
  static_cast<void>(RefuseCall(HeapCall(connection, heap.registration, asked.call_id()),
                               "the provider's library does not know this call", nullptr));
}

// In dispatch. What a program that has destroyed the heap meanwhile does not get is given up.
void RunCall(const std::shared_ptr<Connection>& connection, const std::shared_ptr<ServedHeap>& heap,
             const OperationResult& result) {
  const auto listener = ListenerOf(*connection, *heap);
  if (listener == nullptr) return connection->Discard(result);
  CallProgram(connection, *heap, *listener, result.take_provider_call());
  if (ListenerOf(*connection, *heap) == nullptr) return;
  static_cast<void>(FetchCall(connection, heap));  // fails with the session, which is told
}

// The daemon's next call was taken in, or will not come.
void Fetched(Connection& connection, const std::shared_ptr<ServedHeap>& heap, CallbackPlace& place,
             Outcome<OperationResult> outcome) {
  if (outcome.ok()) {
    return connection.Fill(place, [&connection, heap, result = std::move(*outcome)] {
      RunCall(connection.shared_from_this(), heap, result);
    });
  }
  // Nobody would take the daemon's calls any more: it must not wait for that.
  connection.GiveUp(heap->registration, std::move(outcome.failure()));
  connection.Fill(place, nullptr);
}

// What the program is told by way of the registration's node.
std::shared_ptr<Listener> NodeListenerFor(const std::shared_ptr<HeapListener>& heap) {
  auto listener = std::make_shared<Listener>();
  listener->data = new std::shared_ptr<HeapListener>(heap);
  listener->functions = {
      .struct_size = sizeof(sysmem_node_listener),
      .closed =
          [](void* data, const sysmem_failure* why) {
            const auto kept = *static_cast<std::shared_ptr<HeapListener>*>(data);
            if (kept->functions.closed != nullptr) kept->functions.closed(kept->data, why);
          },
      .refused =
          [](void* data, const sysmem_failure* why) {
            const auto kept = *static_cast<std::shared_ptr<HeapListener>*>(data);
            if (kept->functions.refused != nullptr) kept->functions.refused(kept->data, why);
          },
      .free_data = [](void* data) { delete static_cast<std::shared_ptr<HeapListener>*>(data); }};
  return listener;
}

// Queues RegisterHeap and OnRegister. A refusal of either closes the registration.
Outcome<Done> QueueRegistration(Connection& connection,
                                const std::shared_ptr<NodeState>& registration,
                                const char* heap_type, uint64_t heap_id,
                                const sysmem_heap_properties& properties) {
  const uint64_t handle = registration->handle;
  auto queued = connection.Queue(
      {.record = {.made = registration}, .fill = [&](Operation& operation, uint64_t) {
         auto* request = operation.mutable_register_heap();
         request->set_handle(handle);
         request->mutable_heap()->set_heap_type(heap_type);
         request->mutable_heap()->set_id(heap_id);
       }});
  if (!queued.ok()) return queued;
  return connection.Queue(
      {.record = {.made = registration}, .fill = [&](Operation& operation, uint64_t) {
         auto* request = operation.mutable_on_register();
         request->set_handle(handle);
         auto* said = request->mutable_properties();
         auto* domains = said->mutable_coherency_domain_support();
         domains->set_cpu_supported(properties.cpu_domain);
         domains->set_ram_supported(properties.ram_domain);
         domains->set_inaccessible_supported(properties.inaccessible_domain);
         said->set_need_clear(properties.need_clear);
         said->set_need_flush(properties.need_flush);
         if (properties.gives_dma_bufs) said->set_gives_dma_bufs(true);
       }});
}

// Returns when the daemon knows the heap, or why it does not.
std::optional<Failure> Register(Connection& connection,
                                const std::shared_ptr<NodeState>& registration,
                                const char* heap_type, uint64_t heap_id,
                                const sysmem_heap_properties& properties, int64_t deadline_ns) {
  auto queued = QueueRegistration(connection, registration, heap_type, heap_id, properties);
  if (!queued.ok()) return std::move(queued.failure());
  auto pinged =
      connection.Call({.fill = [](Operation& operation, uint64_t) { operation.mutable_ping(); }},
                      {.deadline_ns = deadline_ns});
  if (!pinged.ok()) return std::move(pinged.failure());
  auto gone = connection.NodeGone(*registration);
  if (!gone || connection.Dead()) return gone;
  return connection.Explain(*registration, {.status = SYSMEM_CLOSED});  // by the refusal
}

std::optional<Failure> Check(const char* heap_type, const sysmem_heap_listener& listener) {
  if (auto bad = CheckText(heap_type, "heap_type", kMaxHeapTypeBytes)) return bad;
  if (heap_type[0] == '\0') return InvalidArgument("heap_type", "the heap needs a name");
  if (listener.allocate == nullptr || listener.take_back == nullptr) {
    return InvalidArgument("listener", "allocate and take_back are required");
  }
  return std::nullopt;
}

}  // namespace

Outcome<Done> FetchCall(const std::shared_ptr<Connection>& connection,
                        const std::shared_ptr<ServedHeap>& heap) {
  auto place = std::make_shared<CallbackPlace>();
  const uint64_t handle = heap->registration->handle;
  auto number = connection->Start(
      {.record = {.handle = handle, .quiet = true},
       .fill = [handle](Operation& operation,
                        uint64_t) { operation.mutable_take_provider_call()->set_handle(handle); }},
      [raw = connection.get(), heap, place](Outcome<OperationResult> outcome) {
        Fetched(*raw, heap, *place, std::move(outcome));
      },
      place);
  if (!number.ok()) return std::move(number.failure());
  return Done{};
}

}  // namespace sysmem::client

sysmem_status sysmem_heap_serve(sysmem_client* client, const char* heap_type, uint64_t heap_id,
                                const struct sysmem_heap_properties* properties,
                                const struct sysmem_heap_listener* listener, void* data,
                                int64_t deadline_ns, sysmem_heap** heap, sysmem_failure** failure) {
  // Programs built with an older header have shorter structures.
  auto kept = std::make_shared<HeapListener>();
  std::memcpy(&kept->functions, listener, std::min(listener->struct_size, sizeof(kept->functions)));
  kept->data = data;
  sysmem_heap_properties known{};
  std::memcpy(&known, properties, std::min(properties->struct_size, sizeof(known)));
  if (auto bad = sysmem::client::Check(heap_type, kept->functions)) {
    return Report(*std::move(bad), failure);
  }
  const std::shared_ptr<Connection> connection = client->connection;
  const std::shared_ptr<NodeState> registration = connection->AddNode();
  if (auto why = sysmem::client::Register(*connection, registration, heap_type, heap_id, known,
                                          deadline_ns)) {
    connection->Leave(*registration, /*clean=*/false);
    return Report(*std::move(why), failure);
  }
  auto served = std::make_shared<ServedHeap>(registration, kept);
  connection->SetListener(*registration, sysmem::client::NodeListenerFor(kept));
  for (int i = 0; i < sysmem::client::kFetchedAhead; ++i) {
    // Fails with the session, of which the program hears in dispatch.
    if (!FetchCall(connection, served).ok()) break;
  }
  *heap = new sysmem_heap{connection, std::move(served)};
  return SYSMEM_OK;
}

void sysmem_heap_destroy(sysmem_heap* heap) {
  if (heap == nullptr) return;
  const std::unique_ptr<sysmem_heap> owned(heap);
  Connection& connection = *heap->connection;
  if (connection.IsForkedCopy()) return;
  // Freed at the end, outside the lock: it runs program code.
  const auto listener =
      connection.Locked([&] { return std::exchange(heap->served->listener, nullptr); });
  connection.Leave(*heap->served->registration, /*clean=*/false);
}
