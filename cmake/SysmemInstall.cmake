# SPDX-License-Identifier: Apache-2.0
#
# Installation of the client library for other projects: library, headers, sysmem.pc, and a CMake
# package (`find_package(sysmem)` then link sysmem::sysmem). Programs install themselves, see
# sysmem_add_program(INSTALL).

if(NOT TARGET sysmem)
  return()
endif()

include(CMakePackageConfigHelpers)
set(SYSMEM_CMAKE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/sysmem")

install(TARGETS sysmem EXPORT sysmem-targets
  LIBRARY
  INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/src/client/include/sysmem"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT sysmem-targets NAMESPACE sysmem:: DESTINATION "${SYSMEM_CMAKE_DIR}")

file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/sysmemConfig.cmake" @ONLY CONTENT
[[include("${CMAKE_CURRENT_LIST_DIR}/sysmem-targets.cmake")
]])
write_basic_package_version_file("${PROJECT_BINARY_DIR}/sysmemConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/sysmemConfig.cmake" "${PROJECT_BINARY_DIR}/sysmemConfigVersion.cmake"
  DESTINATION "${SYSMEM_CMAKE_DIR}")

configure_file("${PROJECT_SOURCE_DIR}/cmake/sysmem.pc.in" "${PROJECT_BINARY_DIR}/sysmem.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/sysmem.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
