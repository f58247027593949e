#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# tools/lib/setup.sh run|test|deep|pictures
#
# Installs from Debian's archive what building and testing need and dpkg does not have yet. With
# nothing to install it says nothing and takes a few milliseconds. Needs root or sudo only when
# something is missing. `test` and `pictures` include `run`, `deep` includes `run` and `test`.

set -eu

# One package a line, then why.
packages_run='
build-essential         the compiler, GCC 12
cmake                   the build, 3.25 or later
ninja-build             carries out what CMake planned
ccache                  makes the second build of the same source free
pkg-config              finds libraries without a CMake package
python3                 the checks of the source tree
libgrpc++-dev           calls between library and daemon
protobuf-compiler-grpc  generates the code of services
libprotobuf-dev         messages
protobuf-compiler       generates the code of messages
libabsl-dev             Status and StatusOr
libspdlog-dev           the log of the daemon
libcli11-dev            command lines
libtomlplusplus-dev     the configuration file of the daemon
nlohmann-json3-dev      sysmemctl --json
libsystemd-dev          readiness, socket activation and watchdog under systemd
libdrm-dev              names of pixel formats and modifiers (drm_fourcc.h)
libncurses-dev          sysmemctl top
libavcodec-dev          the demo decodes a video
libavformat-dev         the demo opens a video file
libavutil-dev           the pixel formats and clocks of FFmpeg
libswscale-dev          the demo converts frames for its contact sheet
ffmpeg                  makes the clip that the demo plays when it is given none
'
packages_test='
scdoc                   makes the man pages
libgtest-dev            tests
libgmock-dev            matchers in tests
clang-format            the format of the sources, a test
python3-jsonschema      holds what sysmemctl --json prints against its schemas
python3-protobuf        makes the schema of the protocol (tools/make_schemas.py)
git                     lists the files that the source checks read
qemu-system-x86         the virtual machine with other kernels (tests/vm)
busybox-static          the user space of that machine
'
packages_pictures='
python3-pyte            the screen of a terminal, without one
python3-rich            draws what stands on it
graphviz                draws what sysmemctl tree --dot prints
'
packages_deep='
clang                   the second compiler
libclang-rt-14-dev      libFuzzer and the sanitizers of Clang
llvm                    names in the stack traces of Clang'\''s sanitizers
clang-tidy              finds what compilers let pass
gcovr                   the report of test coverage
libbenchmark-dev        benchmarks
'

case "${1:-}" in
  run) wanted=$packages_run ;;
  test) wanted=$packages_run$packages_test ;;
  deep) wanted=$packages_run$packages_test$packages_deep ;;
  pictures) wanted=$packages_run$packages_pictures ;;
  *) echo "usage: $0 run|test|deep|pictures" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
  echo "setup: this is not Debian; please provide what these packages of Debian 12 hold:$wanted" >&2
  exit 0
fi

names=$(printf '%s' "$wanted" | awk 'NF { print $1 }')
# shellcheck disable=SC2086  # one word a package
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $names 2>/dev/null |
  awk '$1 == "installed" { print $2 }') || true
missing=$(printf '%s\n' "$names" | grep -vxF "${installed:-none}" | tr '\n' ' ') || true
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
  as_root=
elif command -v sudo >/dev/null; then
  as_root=sudo
else
  echo "setup: missing packages and neither root nor sudo; please run as root:" >&2
  echo "  apt-get install --no-install-recommends $missing" >&2
  exit 1
fi

echo "setup: installing from Debian's archive:"
printf '%s' "$wanted" | awk -v missing="$missing" '
  BEGIN { count = split(missing, words, " "); for (i = 1; i <= count; i++) want[words[i]] = 1 }
  $1 in want { print "  " $0 }'

log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() {
  if ! $as_root env DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1; then
    cat "$log" >&2
    echo "setup: failed: $*" >&2
    exit 1
  fi
}
quietly apt-get update
# shellcheck disable=SC2086
quietly apt-get install --yes --no-install-recommends $missing
