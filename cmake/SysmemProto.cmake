# SPDX-License-Identifier: Apache-2.0
#
#   sysmem_add_proto_library(sysmem_proto
#     PROTOS sysmem2/session.proto ...     paths below the caller's folder, as in `import`
#     [SERVICES sysmem2/session.proto ...] those that declare services (gRPC code is made too)
#
# Generates C++ into the build tree and compiles it without our warnings. Users include
# "sysmem2/session.pb.h" and "sysmem2/session.grpc.pb.h".
#
# A process holds one copy of this code at most: Protobuf keeps one table of message types per
# process and aborts when a file is registered twice. So whoever links libsysmem.so (which has it
# inside) links neither sysmem_proto nor a room that uses it.

function(sysmem_add_proto_library target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "PROTOS;SERVICES")
  _sysmem_no_leftovers("${arg_UNPARSED_ARGUMENTS}")
  set(out "${CMAKE_CURRENT_BINARY_DIR}/generated")
  file(MAKE_DIRECTORY "${out}")
  set(generated)
  foreach(proto IN LISTS arg_PROTOS)
    string(REGEX REPLACE "\\.proto$" "" stem "${out}/${proto}")
    set(outputs "${stem}.pb.cc" "${stem}.pb.h")
    set(grpc_arguments)
    if(proto IN_LIST arg_SERVICES)
      list(APPEND outputs "${stem}.grpc.pb.cc" "${stem}.grpc.pb.h")
      set(grpc_arguments
        "--grpc_out=${out}" "--plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>")
    endif()
    # Every output depends on every .proto: imports are few and regenerating is quick.
    add_custom_command(OUTPUT ${outputs}
      COMMAND protobuf::protoc "--proto_path=${CMAKE_CURRENT_SOURCE_DIR}"
        "--cpp_out=${out}" ${grpc_arguments} "${proto}"
      DEPENDS ${arg_PROTOS}
      WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
      COMMENT "Generating code for ${proto}"
      VERBATIM)
    list(APPEND generated ${outputs})
  endforeach()

  add_library(${target} STATIC ${generated})
  target_include_directories(${target} SYSTEM PUBLIC "${out}")
  target_link_libraries(${target} PUBLIC protobuf::libprotobuf gRPC::grpc++)
  if(TARGET sysmem_grpc_pch)
    target_compile_options(${target} PRIVATE -fpch-preprocess)
    target_precompile_headers(${target} REUSE_FROM sysmem_grpc_pch)
  endif()
endfunction()
