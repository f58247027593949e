# SPDX-License-Identifier: Apache-2.0
#
# What the project is built on, all from Debian's archive (tools/lib/setup.sh names the packages).

find_package(Threads REQUIRED)
# Module mode: Debian's Protobuf 3.21 comes without a CMake package of its own.
find_package(Protobuf 3.21 MODULE REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)

find_package(PkgConfig REQUIRED)
# Also libdrm: pixel format names (drm_fourcc.h), headers only.
pkg_check_modules(LIBDRM REQUIRED IMPORTED_TARGET libdrm)
pkg_check_modules(LIBSYSTEMD REQUIRED IMPORTED_TARGET libsystemd)
# sysmemctl top, and names in other alphabets: the wide form.
pkg_check_modules(NCURSES REQUIRED IMPORTED_TARGET ncursesw)
# The demo decodes with FFmpeg's libraries.
pkg_check_modules(FFMPEG REQUIRED IMPORTED_TARGET
  libavformat libavcodec libavutil libswscale)

if(SYSMEM_BUILD_TESTS)
  find_package(GTest CONFIG REQUIRED)
endif()
find_package(benchmark CONFIG QUIET)
