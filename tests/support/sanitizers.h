// SPDX-License-Identifier: Apache-2.0
//
// Which sanitizer tests and daemon were built with: their memory and their threads are counted with
// the daemon's own.
#pragma once

#include <cstdint>

namespace sysmem::testing {

// GCC says it by macros of its own, Clang by this one.
#if defined(__has_feature)
#define SYSMEM_HAS_FEATURE(feature) __has_feature(feature)
#else
#define SYSMEM_HAS_FEATURE(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || SYSMEM_HAS_FEATURE(address_sanitizer)
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif

#if defined(__SANITIZE_THREAD__) || SYSMEM_HAS_FEATURE(thread_sanitizer)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif

#undef SYSMEM_HAS_FEATURE

// How much more resident memory a daemon may have than before, once everything is given back.
// Allocators keep some of what is freed, the more the more threads there are; AddressSanitizer's
// keeps most. (What it keeps is no leak: the daemon's exit code tells of those.) ThreadSanitizer
// remembers several times what is touched.
inline constexpr uint64_t kResidentTolerance = kAddressSanitizer  ? 128 << 20
                                               : kThreadSanitizer ? 256 << 20
                                                                  : 32 << 20;

}  // namespace sysmem::testing
