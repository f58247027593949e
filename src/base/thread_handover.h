// SPDX-License-Identifier: Apache-2.0
//
// Tells ThreadSanitizer of an order between threads that it cannot see: an object that one thread
// gives to gRPC and another gets back. gRPC is a library of the system and not instrumented, so its
// own synchronisation does not count.
//
//   base::HandOver(call);  // all this thread did to it happens before ...
//   reader->Finish(..., call);
//
//   Call* call = queue.Next();
//   base::TakeOver(call);  // ... all that this thread does to it from here on
//
// Both do nothing in every other build. They order and synchronise nothing: say only what is so.
//
// Thread-safe.
#pragma once

#if defined(__SANITIZE_THREAD__)
#define SYSMEM_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SYSMEM_THREAD_SANITIZER 1
#endif
#endif

#ifdef SYSMEM_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif

namespace sysmem::base {

inline void HandOver([[maybe_unused]] const void* object) {
#ifdef SYSMEM_THREAD_SANITIZER
  __tsan_release(const_cast<void*>(object));
#endif
}

inline void TakeOver([[maybe_unused]] const void* object) {
#ifdef SYSMEM_THREAD_SANITIZER
  __tsan_acquire(const_cast<void*>(object));
#endif
}

}  // namespace sysmem::base
