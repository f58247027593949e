# SPDX-License-Identifier: Apache-2.0
#
#   sysmem_headers_stand_alone(target [DIRECTORY dir] [LANGUAGE C])
#
# Compiles every header of the caller's folder (or of `dir`), one by one, with what `target` may
# see: whoever includes a header gets all it needs. sysmem_add_room() does this for its room. The
# objects are thrown away, so they are compiled without optimisation or instrumentation.
#
# A header whose own source belongs to `target` is proved by that: the source includes it before
# anything else, which tools/check_includes.py holds, unless a precompiled header comes first.

add_custom_target(headers_stand_alone COMMENT "Every header compiles by itself")

function(sysmem_headers_stand_alone target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "DIRECTORY;LANGUAGE" "")
  if(NOT SYSMEM_CHECK_HEADERS)
    return()
  endif()
  set(own_sources)
  if(NOT arg_DIRECTORY)
    set(arg_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
    get_target_property(precompiled ${target} PRECOMPILE_HEADERS_REUSE_FROM)
    if(NOT precompiled)
      get_target_property(own_sources ${target} SOURCES)
    endif()
  endif()
  set(suffix cc)
  if(arg_LANGUAGE STREQUAL "C")
    set(suffix c)
  endif()

  file(GLOB headers CONFIGURE_DEPENDS "${arg_DIRECTORY}/*.h" "${arg_DIRECTORY}/*.hpp")
  if(suffix STREQUAL "c")
    list(FILTER headers EXCLUDE REGEX "\\.hpp$")
  endif()
  set(probes)
  foreach(header IN LISTS headers)
    cmake_path(GET header STEM LAST_ONLY stem)
    if("${stem}.cc" IN_LIST own_sources)
      continue()
    endif()
    cmake_path(RELATIVE_PATH header BASE_DIRECTORY "${PROJECT_SOURCE_DIR}" OUTPUT_VARIABLE name)
    string(REPLACE "/" "_" name "${name}")
    set(probe "${CMAKE_CURRENT_BINARY_DIR}/headers/${name}.${suffix}")
    # Twice: the second one proves the guard.
    file(CONFIGURE OUTPUT "${probe}" CONTENT "#include \"${header}\"\n#include \"${header}\"\n")
    list(APPEND probes "${probe}")
  endforeach()
  if(NOT probes)
    return()
  endif()

  string(MAKE_C_IDENTIFIER "${arg_DIRECTORY}" folder)
  set(check "${target}_headers_${suffix}")
  if(TARGET ${check})
    string(APPEND check "_${folder}")
  endif()
  add_library(${check} OBJECT ${probes})
  target_include_directories(${check} PRIVATE
    "${PROJECT_SOURCE_DIR}/src" "${PROJECT_BINARY_DIR}/generated"
    $<TARGET_PROPERTY:${target},INCLUDE_DIRECTORIES>)
  # Linking the target would drag its users' requirements along; linking what it links is enough
  # for headers, and makes generated code come first.
  target_link_libraries(${check} PRIVATE $<TARGET_PROPERTY:${target},LINK_LIBRARIES>)
  target_compile_options(${check} PRIVATE -O0 -g0 -U_FORTIFY_SOURCE -fno-sanitize=all
    "$<$<COMPILE_LANGUAGE:CXX>:${SYSMEM_WARNINGS}>"
    "$<$<COMPILE_LANGUAGE:C>:-Wall;-Wextra;-Wpedantic;-Werror>"
    # A header may define helpers that this probe has no use for.
    -Wno-unused-function -Wno-unused-const-variable)
  add_dependencies(headers_stand_alone ${check})
endfunction()
