# SPDX-License-Identifier: Apache-2.0
#
# Settings for the whole build: language, build type, ccache, hardening, instrumentation. Warnings
# are not here: they belong to our own code only and come with sysmem_house_rules().

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)

# Rooms are static libraries, some of which end up inside libsysmem.so.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# libsysmem.so shows what its headers mark and nothing else.
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# All programs and libraries lie together, so that a test finds the daemon beside itself.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
# The library is found from the program's own place, here as in an installation below any prefix;
# bin/ and lib/ may be copied elsewhere together.
set(CMAKE_INSTALL_RPATH "$ORIGIN/../lib")
set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()
# A developer's build keeps its assertions; only Release drops them.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
# As Debian builds its packages. With -O3, which is CMake's choice, GCC 12 raises false alarms about
# std::string::operator+ (its bug 105651), of a new kind with every one that is silenced.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")

# The sloppiness lets ccache serve sources that use a precompiled header.
find_program(SYSMEM_CCACHE ccache)
mark_as_advanced(SYSMEM_CCACHE)
if(SYSMEM_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER "${SYSMEM_CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    "${SYSMEM_CCACHE}")
endif()

# For code that is seldom busy, under AddressSanitizer: -Og and calls in place of inlined checks find
# the same, in two thirds of the compiler's time and more of the program's.
set(SYSMEM_SELDOM_BUSY)
if(SYSMEM_SANITIZE STREQUAL "address" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(SYSMEM_SELDOM_BUSY -Og --param=asan-instrumentation-with-call-threshold=0)
endif()

# The daemon reads what strangers send, so ordinary builds carry the usual hardening. (Sanitizers
# replace it; fortified functions would hide accesses from them.)
if(NOT SYSMEM_SANITIZE)
  add_compile_options(-fstack-protector-strong)
  add_compile_options("$<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>")
  add_link_options(-Wl,-z,relro,-z,now)
elseif(SYSMEM_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(SYSMEM_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(SYSMEM_SANITIZE STREQUAL "fuzzer")
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "SYSMEM_SANITIZE=fuzzer needs Clang (libFuzzer); use the preset 'fuzz'")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(SYSMEM_SANITIZE STREQUAL "coverage")
  add_compile_options(--coverage -fprofile-abs-path -fprofile-update=atomic)
  add_link_options(--coverage)
else()
  message(FATAL_ERROR "SYSMEM_SANITIZE=${SYSMEM_SANITIZE}: expected address, thread, fuzzer or coverage")
endif()
