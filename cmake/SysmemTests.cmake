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
#     [OWN_MAIN] [GRPC])
#
# Every TEST() becomes a ctest test of its own. The test program finds the daemon and the other
# programs in its own folder.
#
#   sysmem_add_fuzzer(session_fuzzer SOURCES session_fuzzer.cc LINKS ... CORPUS folder... [GRPC])
#
# A function LLVMFuzzerTestOneInput. The preset `fuzz` makes it a libFuzzer program; every other
# preset makes it a test that feeds it each file of these folders.

include(GoogleTest)

function(sysmem_add_test target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "SERIAL;OWN_MAIN;GRPC" "LABEL;TIMEOUT"
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

  set(grpc)
  if(arg_GRPC)
    set(grpc GRPC)
  endif()
  set(main GTest::gmock_main)
  if(arg_OWN_MAIN)
    set(main GTest::gmock)
  endif()
  sysmem_add_program(${target} SOURCES ${arg_SOURCES} LINKS ${arg_LINKS} ${main} ${grpc})
  # Of a test's own sources, a bad pointer is AddressSanitizer's to find; these checks are a fourth
  # of the time that it takes to compile them. What is tested has them all.
  if(SYSMEM_SANITIZE STREQUAL "address")
    target_compile_options(${target} PRIVATE -fno-sanitize=null,alignment,vptr)
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
