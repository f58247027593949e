// SPDX-License-Identifier: Apache-2.0
//
// Serving a heap in C++; heap.h says what that is, whose memory may be given, and what happens at
// the end.
//
//   auto heap = client.ServeHeap(
//       "linux.example.sysmem.heap.HEAP_TYPE.POOL", 0, {.cpu_domain = true},
//       {.allocate = [&](sysmem::HeapAllocation call) {
//          Fill(call.offered_fd(), call.size_bytes());
//          static_cast<void>(std::move(call).GiveOffered());
//        },
//        .take_back = [&](sysmem::HeapDeletion call) { static_cast<void>(std::move(call).Finish());
//        }});
//
// Calls are move-only and may be kept and answered later, on any thread. One that is dropped
// unanswered is refused.
#pragma once

#include <sysmem/heap.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <sysmem/buffers.hpp>
#include <sysmem/node.hpp>
#include <sysmem/result.hpp>
#include <utility>

namespace sysmem {

// See struct sysmem_heap_properties.
struct HeapProperties {
  bool cpu_domain = false;
  bool ram_domain = false;
  bool inaccessible_domain = false;
  bool need_clear = false;
  bool need_flush = false;
  bool gives_dma_bufs = false;
};

// AllocateVmo, to be answered once.
class HeapAllocation {
 public:
  explicit HeapAllocation(sysmem_heap_allocation* call) : call_(call) {}

  uint64_t size_bytes() const { return info().size_bytes; }
  const Settings& settings() const { return *info().settings; }
  uint64_t buffer_collection_id() const { return info().buffer_collection_id; }
  uint64_t buffer_index() const { return info().buffer_index; }
  // Belongs to this object. -1: nothing was offered.
  int offered_fd() const { return info().offered_fd; }

  Result<void> Give(UniqueFd memory) && {
    detail::Call call;
    return call.Finish(sysmem_heap_allocation_give(call_.release(), memory.release(), call.out()));
  }
  Result<void> GiveOffered() && {
    detail::Call call;
    return call.Finish(sysmem_heap_allocation_give_offered(call_.release(), call.out()));
  }
  Result<void> Refuse(const std::string& why) && {
    detail::Call call;
    return call.Finish(sysmem_heap_allocation_refuse(call_.release(), why.c_str(), call.out()));
  }

 private:
  const sysmem_heap_allocation_info& info() const {
    return *sysmem_heap_allocation_get_info(call_.get());
  }
  struct Drop {
    void operator()(sysmem_heap_allocation* call) const {
      sysmem_heap_allocation_refuse(call, "the provider dropped the call", nullptr);
    }
  };
  std::unique_ptr<sysmem_heap_allocation, Drop> call_;
};

// DeleteVmo, to be answered once.
class HeapDeletion {
 public:
  explicit HeapDeletion(sysmem_heap_deletion* call) : call_(call) {}

  uint64_t buffer_collection_id() const { return info().buffer_collection_id; }
  uint64_t buffer_index() const { return info().buffer_index; }
  // The last one anywhere. Belongs to this object. -1: the daemon could not open it.
  int fd() const { return info().fd; }

  Result<void> Finish() && {
    detail::Call call;
    return call.Finish(sysmem_heap_deletion_finish(call_.release(), call.out()));
  }
  Result<void> Fail(const std::string& why) && {
    detail::Call call;
    return call.Finish(sysmem_heap_deletion_fail(call_.release(), why.c_str(), call.out()));
  }

 private:
  const sysmem_heap_deletion_info& info() const {
    return *sysmem_heap_deletion_get_info(call_.get());
  }
  struct Drop {
    void operator()(sysmem_heap_deletion* call) const {
      sysmem_heap_deletion_fail(call, "the provider dropped the call", nullptr);
    }
  };
  std::unique_ptr<sysmem_heap_deletion, Drop> call_;
};

// What a heap is asked and told, from Client::Dispatch(). The first two are required.
struct HeapListener {
  std::function<void(HeapAllocation call)> allocate;
  std::function<void(HeapDeletion call)> take_back;
  std::function<void(const Failure& why)> closed;   // served no more
  std::function<void(const Failure& why)> refused;  // an answer was refused
};

// A heap that this program serves, until the object goes.
class ServedHeap {
 public:
  explicit ServedHeap(sysmem_heap* heap) : heap_(heap) {}

  explicit operator bool() const { return heap_ != nullptr; }
  sysmem_heap* get() const { return heap_.get(); }
  // Ends the registration, as the destructor does.
  void Reset() { heap_.reset(); }

 private:
  struct Free {
    void operator()(sysmem_heap* heap) const { sysmem_heap_destroy(heap); }
  };
  std::unique_ptr<sysmem_heap, Free> heap_;
};

namespace detail {

inline Result<ServedHeap> ServeHeap(sysmem_client* client, const std::string& heap_type,
                                    uint64_t heap_id, const HeapProperties& properties,
                                    HeapListener listener, Deadline deadline) {
  const sysmem_heap_properties c_properties{
      sizeof(sysmem_heap_properties), properties.cpu_domain, properties.ram_domain,
      properties.inaccessible_domain, properties.need_clear, properties.need_flush,
      properties.gives_dma_bufs};
  sysmem_heap_listener c_listener{};
  c_listener.struct_size = sizeof(c_listener);
  if (listener.allocate) {
    c_listener.allocate = [](void* data, sysmem_heap_allocation* call) {
      UseCallback<HeapListener>(data)->allocate(HeapAllocation(call));
    };
  }
  if (listener.take_back) {
    c_listener.take_back = [](void* data, sysmem_heap_deletion* call) {
      UseCallback<HeapListener>(data)->take_back(HeapDeletion(call));
    };
  }
  c_listener.closed = [](void* data, const sysmem_failure* why) {
    const auto kept = UseCallback<HeapListener>(data);
    if (kept->closed) kept->closed(ToFailure(why));
  };
  c_listener.refused = [](void* data, const sysmem_failure* why) {
    const auto kept = UseCallback<HeapListener>(data);
    if (kept->refused) kept->refused(ToFailure(why));
  };
  c_listener.free_data = FreeCallback<HeapListener>;
  Call call;
  sysmem_heap* heap = nullptr;
  if (sysmem_heap_serve(client, heap_type.c_str(), heap_id, &c_properties, &c_listener,
                        KeepCallback(std::move(listener)), deadline.ns(), &heap,
                        call.out()) != SYSMEM_OK) {
    return call.TakeFailure();
  }
  return ServedHeap(heap);
}

}  // namespace detail
}  // namespace sysmem
