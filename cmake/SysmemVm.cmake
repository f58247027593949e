# SPDX-License-Identifier: Apache-2.0
#
#   sysmem_vm_test(heaps_test        a test program that also runs in the virtual machine (tests/vm)
#     [FILTER "MemfdHeap*"]          only these tests of it; default all
#     [TIMEOUT seconds]              for the program inside; default 300
#     [STARTS sysmemd ...]           programs that these tests start; default what it DEPENDS on
#     [MODULES vivid ...])           kernel modules to load, with those they need

function(sysmem_vm_test target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "FILTER;TIMEOUT" "STARTS;MODULES")
  _sysmem_no_leftovers("${arg_UNPARSED_ARGUMENTS}")
  if(NOT arg_FILTER)
    set(arg_FILTER "*")
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  if(NOT arg_STARTS)
    get_target_property(dependencies ${target} MANUALLY_ADDED_DEPENDENCIES)
    foreach(dependency IN LISTS dependencies)
      if(TARGET ${dependency})
        get_target_property(type ${dependency} TYPE)
        if(type STREQUAL "EXECUTABLE")
          list(APPEND arg_STARTS ${dependency})
        endif()
      endif()
    endforeach()
  endif()
  foreach(words IN ITEMS arg_STARTS arg_MODULES)
    list(TRANSFORM ${words} REPLACE "^.+$" "\"\\0\"")
    list(JOIN ${words} ", " ${words})
  endforeach()
  string(CONCAT line
    "{\"name\": \"${target}\", \"arguments\": [\"--gtest_filter=${arg_FILTER}\"], "
    "\"timeout\": ${arg_TIMEOUT}, \"starts\": [${arg_STARTS}], \"modules\": [${arg_MODULES}]}\n")
  set_property(GLOBAL APPEND_STRING PROPERTY SYSMEM_VM_TESTS "${line}")
endfunction()
