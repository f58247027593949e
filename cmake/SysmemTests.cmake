# SPDX-License-Identifier: Apache-2.0
#
#   sysmem_add_test(reorder_queue_test
#     SOURCES reorder_queue_test.cc
#     LINKS sysmem_engine
#     [LABEL unit|end_to_end|deep]   default unit; `deep` runs only in tools/test --deep
#     [TIMEOUT seconds]              default 60
#     [ARGUMENTS ...]                given to the test program
#     [DEPENDS sysmemd ...]          programs that the test starts
#     [SERIAL]                       measures time: nothing may run beside it
#     [BUSY]                         runs its own code for seconds: compiled to be fast
#     [OWN_MAIN] [GRPC])
#
#   sysmem_test_rules(target [GRPC])   the rules for a library that only tests of one folder share
#
# Every TEST() becomes a ctest test of its own. The test program finds the daemon and the other
# programs in its own folder.
#
#   sysmem_add_fuzzer(session_fuzzer SOURCES session_fuzzer.cc LINKS ... CORPUS folder... [GRPC])
#
# A function LLVMFuzzerTestOneInput. The preset `fuzz` makes it a libFuzzer program; every other
# preset makes it a test that feeds it each file of these folders.

include(GoogleTest)

# Of a test's own sources, a bad pointer is AddressSanitizer's to find; UBSan's checks of pointers
# are a fourth of the time that it takes to compile them. What is tested has them all.
set(SYSMEM_BUSY_TEST_OPTIONS)
if(SYSMEM_SANITIZE STREQUAL "address")
  set(SYSMEM_BUSY_TEST_OPTIONS -fno-sanitize=null,alignment,vptr)
endif()
set(SYSMEM_TEST_OPTIONS ${SYSMEM_BUSY_TEST_OPTIONS} ${SYSMEM_SELDOM_BUSY})

set(SYSMEM_TEST_HEADERS
  <gmock/gmock.h> <gtest/gtest.h>
  <algorithm> <array> <chrono> <deque> <functional> <map> <memory> <mutex> <optional> <set> <string>
  <string_view> <thread> <utility> <variant> <vector>)
sysmem_add_pch(sysmem_test_pch HEADERS ${SYSMEM_TEST_HEADERS} LINKS GTest::gmock)
sysmem_add_pch(sysmem_grpc_test_pch
  HEADERS ${SYSMEM_GRPC_HEADERS} ${SYSMEM_TEST_HEADERS}
  LINKS gRPC::grpc++ protobuf::libprotobuf GTest::gmock)
foreach(pch IN ITEMS sysmem_test_pch sysmem_grpc_test_pch)
  if(TARGET ${pch})
    target_compile_options(${pch} PRIVATE ${SYSMEM_TEST_OPTIONS})
  endif()
endforeach()

function(sysmem_test_rules target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "GRPC" "" "")
  _sysmem_no_leftovers("${arg_UNPARSED_ARGUMENTS}")
  sysmem_house_rules(${target})
  target_compile_options(${target} PRIVATE ${SYSMEM_TEST_OPTIONS})
  get_target_property(sources ${target} SOURCES)
  if(arg_GRPC)
    sysmem_use_pch(${target} sysmem_grpc_test_pch)
  elseif(NOT sources MATCHES "\\.c(;|$)")  # C has no use for these headers
    sysmem_use_pch(${target} sysmem_test_pch)
  endif()
endfunction()

function(sysmem_add_test target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "SERIAL;BUSY;OWN_MAIN;GRPC" "LABEL;TIMEOUT"
    "SOURCES;LINKS;ARGUMENTS;DEPENDS")
  _sysmem_no_leftovers("${arg_UNPARSED_ARGUMENTS}")
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  if(NOT arg_LABEL MATCHES "^(unit|end_to_end|deep)$")
    message(FATAL_ERROR "${target}: LABEL is unit, end_to_end or deep, not '${arg_LABEL}'")
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  set(properties LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT})
  if(arg_SERIAL)
    list(APPEND properties RUN_SERIAL TRUE)
  endif()

  set(main GTest::gmock_main)
  if(arg_OWN_MAIN)
    set(main GTest::gmock)
  endif()
  add_executable(${target} ${arg_SOURCES})
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE ${arg_LINKS} ${main})
  if(arg_BUSY)
    sysmem_house_rules(${target})
    target_compile_options(${target} PRIVATE ${SYSMEM_BUSY_TEST_OPTIONS})
  elseif(arg_GRPC)
    sysmem_test_rules(${target} GRPC)
  else()
    sysmem_test_rules(${target})
  endif()
  if(arg_DEPENDS)
    add_dependencies(${target} ${arg_DEPENDS})
  endif()
  gtest_discover_tests(${target}
    EXTRA_ARGS ${arg_ARGUMENTS}
    DISCOVERY_TIMEOUT 60
    PROPERTIES ${properties})
endfunction()

function(sysmem_add_fuzzer target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "GRPC" "" "SOURCES;LINKS;CORPUS")
  _sysmem_no_leftovers("${arg_UNPARSED_ARGUMENTS}")
  set(grpc)
  if(arg_GRPC)
    set(grpc GRPC)
  endif()
  if(SYSMEM_SANITIZE STREQUAL "fuzzer")
    sysmem_add_program(${target} SOURCES ${arg_SOURCES} LINKS ${arg_LINKS} ${grpc})
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    return()
  endif()
  sysmem_add_program(${target}
    SOURCES ${arg_SOURCES} "${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc"
    LINKS ${arg_LINKS} ${grpc})
  add_test(NAME "${target} survives its corpus"
    COMMAND ${target} ${arg_CORPUS}
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set_tests_properties("${target} survives its corpus" PROPERTIES LABELS unit TIMEOUT 120)
endfunction()
