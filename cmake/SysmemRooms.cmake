# SPDX-License-Identifier: Apache-2.0
#
# How targets are declared.
#
#   sysmem_add_room(sysmem_base            a static library of one room, compiled with the house
#     SOURCES unique_fd.cc socket.cc       rules; its headers are compiled one by one as well
#     PUBLIC absl::status                  links seen by users of the room's headers
#     PRIVATE spdlog::spdlog               links of the sources alone
#     [GRPC])                              the room includes gRPC: use its precompiled header
#
#   sysmem_add_program(sysmemctl           an executable in build/<preset>/bin
#     SOURCES main.cc LINKS sysmem CLI11::CLI11
#     [GRPC] [INSTALL])                    INSTALL: belongs to the installation
#
#   sysmem_house_rules(target [GRPC])      the rules for a target declared by hand (libsysmem)
#   sysmem_use_grpc_pch(target)            GRPC alone, for generated code
#
# Sources include from the root of src ("core/event.h"); programs and tests may also name a file
# from the root of the repository ("tests/support/temp_dir.h").

set(SYSMEM_WARNINGS
  -Wall -Wextra -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  -Werror
  # Clang counts these as -Wconversion, GCC does not; both compilers are to judge alike.
  $<$<CXX_COMPILER_ID:Clang>:-Wno-sign-conversion>
  # Members have default initialisers; naming only those that differ is the point of `{.a = 1}`.
  -Wno-missing-field-initializers
  # Wrong about std::string::operator+ in GCC 12 (its bug 105651).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  # Wrong about an optional of a vector, and about instrumented code, in GCC 12; Clang's
  # -Wsometimes-uninitialized judges the same code in the deep run.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)

# A header of gRPC takes seconds to read, one of GoogleTest most of a second. GCC reads them once,
# here; Clang builds read them each time, which proves that no source leans on a precompiled header
# for an include.
set(SYSMEM_GRPC_HEADERS
  <grpcpp/grpcpp.h> <grpcpp/server_posix.h> <grpcpp/create_channel_posix.h>
  <google/protobuf/message.h>
  <map> <memory> <mutex> <optional> <string> <string_view> <utility> <vector>)

# sysmem_add_pch(name HEADERS <map>... LINKS gRPC::grpc++...): a precompiled header for targets to
# share. It fits those alone that are compiled with the same options.
function(sysmem_add_pch name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "HEADERS;LINKS")
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    return()
  endif()
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/generated/${name}.cc" CONTENT
    "// Holds a precompiled header that targets share.\n")
  add_library(${name} OBJECT "${PROJECT_BINARY_DIR}/generated/${name}.cc")
  target_link_libraries(${name} PRIVATE ${arg_LINKS})
  target_precompile_headers(${name} PRIVATE ${arg_HEADERS})
endfunction()

function(sysmem_use_pch target name)
  if(TARGET ${name})
    # The precompiled header holds code for a library (-fPIC); programs must then match it. ccache
    # wants -fpch-preprocess to see which header was used.
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC -fpch-preprocess)
    target_precompile_headers(${target} REUSE_FROM ${name})
  endif()
endfunction()

sysmem_add_pch(sysmem_grpc_pch
  HEADERS ${SYSMEM_GRPC_HEADERS} LINKS gRPC::grpc++ protobuf::libprotobuf)

if(TARGET sysmem_grpc_pch)
  target_compile_options(sysmem_grpc_pch PRIVATE ${SYSMEM_SELDOM_BUSY})
endif()

# What speaks gRPC waits for others most of the time.
function(sysmem_use_grpc_pch target)
  target_compile_options(${target} PRIVATE ${SYSMEM_SELDOM_BUSY})
  sysmem_use_pch(${target} sysmem_grpc_pch)
endfunction()

function(sysmem_house_rules target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "GRPC" "" "")
  _sysmem_no_leftovers("${arg_UNPARSED_ARGUMENTS}")
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${SYSMEM_WARNINGS}>")
  target_include_directories(${target} PRIVATE
    "${PROJECT_SOURCE_DIR}/src" "${PROJECT_BINARY_DIR}/generated")
  if(arg_GRPC)
    sysmem_use_grpc_pch(${target})
  endif()
endfunction()

function(sysmem_add_room target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "GRPC" "" "SOURCES;PUBLIC;PRIVATE")
  _sysmem_no_leftovers("${arg_UNPARSED_ARGUMENTS}")
  add_library(${target} STATIC ${arg_SOURCES})
  target_include_directories(${target} PUBLIC "${PROJECT_SOURCE_DIR}/src")
  target_link_libraries(${target} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
  if(arg_GRPC)
    sysmem_house_rules(${target} GRPC)
  else()
    sysmem_house_rules(${target})
  endif()
  sysmem_headers_stand_alone(${target})
endfunction()

function(sysmem_add_program target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "GRPC;INSTALL" "" "SOURCES;LINKS")
  _sysmem_no_leftovers("${arg_UNPARSED_ARGUMENTS}")
  add_executable(${target} ${arg_SOURCES})
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE ${arg_LINKS})
  if(arg_GRPC)
    sysmem_house_rules(${target} GRPC)
  else()
    sysmem_house_rules(${target})
  endif()
  if(arg_INSTALL)
    install(TARGETS ${target} RUNTIME)
  endif()
endfunction()

# A misspelled keyword must not silently drop a source.
function(_sysmem_no_leftovers arguments)
  if(arguments)
    message(FATAL_ERROR "unknown arguments: ${arguments}")
  endif()
endfunction()

# "sysmem_version.h": the version, for whoever reports it.
file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/generated/sysmem_version.h" @ONLY CONTENT
[[// SPDX-License-Identifier: Apache-2.0
// Generated by cmake/SysmemRooms.cmake.
#pragma once

#define SYSMEM_VERSION_STRING "@PROJECT_VERSION@"
]])
