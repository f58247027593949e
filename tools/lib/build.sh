# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Sourced by tools/run, tools/test and the steps in tools/deep.d; goes to the root of the repository.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

jobs=$(nproc)

# build PRESET [TARGET...]: configures when needed, then builds what changed. On a terminal Ninja
# shows its progress; elsewhere its output goes to build/PRESET/build.log and only errors are shown.
build() {
  local preset=$1 folder=build/$1
  shift
  local configured=$folder/.configured
  # A target may need a package that was installed since.
  local target
  for target in "$@"; do
    [[ ! -f $configured ]] || has_target "$preset" "$target" || rm "$configured"
  done
  if [[ ! -f $configured || CMakePresets.json -nt $configured ]]; then
    echo "configuring $folder"
    mkdir -p "$folder"
    if ! cmake --preset "$preset" >"$folder/configure.log" 2>&1; then
      cat "$folder/configure.log" >&2
      return 1
    fi
    touch "$configured"
  fi
  if [[ -t 1 ]]; then
    ninja -C "$folder" -j "$jobs" "$@"
    return
  fi
  local start=$SECONDS
  echo "building $folder (output in $folder/build.log)"
  if ! ninja -C "$folder" -j "$jobs" "$@" >"$folder/build.log" 2>&1; then
    grep -vE '^\[[0-9]+/[0-9]+\] ' "$folder/build.log" | tail -n 200 >&2 || true
    echo "building $folder failed" >&2
    return 1
  fi
  if grep -q 'no work to do' "$folder/build.log"; then
    echo "built already"
  else
    echo "built in $((SECONDS - start)) s"
  fi
}

# run_tests PRESET [CTEST ARGUMENT...]: one line a test, the whole output of those that fail, then
# ctest's closing lines.
run_tests() {
  local preset=$1
  shift
  # Tests wait as much as they work.
  ctest --preset "$preset" -j "$((jobs + 1))" "$@" | grep --line-buffered -vE '^ +Start +[0-9]+:'
}

# has_target PRESET TARGET: whether the configured build knows the target.
has_target() {
  ninja -C "build/$1" -t query "$2" >/dev/null 2>&1
}
