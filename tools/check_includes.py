#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the direction of includes between rooms: transport -> engine -> core, heaps -> base.

    tools/check_includes.py [--root DIR]     checks the tree; exit 1 and one line per wrong include
    tools/check_includes.py --self-test      proves that forbidden includes are caught

Every file belongs to the room with the longest matching path, and so does every header that is
named in an include. ROOMS says what each room may include, and why. What is not allowed there is
an error; so is an include that this script cannot place, which keeps the table complete.

Outside of tests/, foo.cc includes foo.h before anything else, so that it proves foo.h to compile by
itself (cmake/SysmemHeaders.cmake counts on that), and each header of C++ says #pragma once.
"""

import argparse
import pathlib
import re
import sys
import tempfile

# What a room may include besides itself and the C++ standard library. A name is a room or a family
# of outside headers (FAMILIES); a name ending in .h is one header of another room.
ROOMS = {
    # Knows nothing of buffers, of the wire or of gRPC; everybody builds on it.
    "src/base": {"system", "absl"},
    # Pure: an event in, effects out. Not even the operating system.
    "src/core": set(),
    # Negotiations out of a file: what people write, played through the core.
    "src/scenario": {"src/core", "toml", "json"},
    # What happened to collections, as text and back.
    "src/recording": {"src/core", "json"},
    # A heap says what it is in the core's words; negotiation is none of its business.
    "src/heaps": {"src/base", "core/heap_properties.h", "system", "absl"},
    # The engine runs cores and owns descriptors; it cannot see the wire.
    "src/server": {
        "src/base", "src/core", "src/heaps", "src/recording", "system", "absl", "spdlog", "version"},
    # Translates between the wire and the engine: one of two rooms that see gRPC.
    "src/server/transport": {
        "src/base", "src/core", "src/server", "proto", "grpc", "protobuf", "system", "absl",
        "spdlog", "version"},
    # The other one. With the daemon it shares base, the wire and the arithmetic of images, on which
    # the two must not disagree.
    "src/client": {
        "src/client/include", "src/base", "core/color_space.h", "core/image_layout.h",
        "core/pixel_format.h", "proto", "grpc", "protobuf", "system", "absl", "version"},
    # What users of the library see must compile without any of our other headers.
    "src/client/include": {"system"},
    # Tools are users of the library; `sysmemctl simulate` and `replay` run the core in their own
    # process. What strangers named is escaped before it reaches a terminal.
    "tools": {
        "src/client/include", "src/core", "src/recording", "src/scenario", "base/escape.h", "system",
        "cli11", "json", "ffmpeg", "png", "ncurses", "drm", "benchmark", "version"},
    # The wire's shape.
    "tests/proto": {"proto", "protobuf", "grpc", "gtest"},
    # Shared helpers of tests.
    "tests/support": {"src/base", "system", "gtest", "absl"},
    # Rules that hold for every message of the wire.
    "tests/proto": {"proto", "protobuf", "system", "gtest"},
    # Real processes, seen from outside.
    "tests/end_to_end": {
        "src/base", "src/client/include", "tests/support", "system", "gtest", "absl", "json"},
    # Misbehaving clients speak the wire themselves, beside well-behaved participants.
    "tests/hostile": {
        "src/base", "src/client/include", "proto", "grpc", "protobuf", "tests/support",
        "tests/end_to_end", "system", "gtest", "absl", "json"},
}

# Single files that may include more than their room, each being the only one that needs it.
FILES = {
    # Puts the parts of the daemon together, the wire included.
    "src/server/daemon.cc": {"src/server/transport"},
    "src/server/main.cc": {"src/server/transport"},
    # Where the daemon's settings come from.
    "src/server/options.cc": {"cli11"},
    "src/server/config_file.cc": {"toml"},
    "src/server/config_values.cc": {"cli11"},
    "src/server/format_cost_table.h": {"toml"},
    "src/server/format_cost_table.cc": {"toml"},
    "src/server/heap_policy_table.h": {"toml"},
    "src/server/heap_policy_table.cc": {"toml"},
    "src/server/table_reader.h": {"toml"},
    # The bare gRPC call that sysmem-bench compares with; a program of its own.
    "tools/bench/floor.cc": {"grpc", "proto", "protobuf"},
    # Measures a part of the daemon that no client sees alone.
    "tools/bench/pool.cc": {"src/heaps"},
    # A life that broke a promise is kept, to be played again.
    "tests/core/collection_simulation_test.cc": {"src/recording"},
    "tests/core/life_recording.h": {"src/recording"},
    # Readiness, activation and watchdog.
    "src/server/service_manager.cc": {"systemd"},
}

# tests/<room> may include what src/<room> may, that room itself, and these.
TESTS_MAY = {"tests/support", "gtest", "system", "absl"}
FUZZERS_MAY = TESTS_MAY | {
    "src/base", "src/core", "src/recording", "src/scenario", "src/server", "src/server/transport",
    "proto", "protobuf", "grpc"}

# The core takes no time, no chance and no thread from outside, and writes no log: such headers of
# the standard library are closed to it.
CLOSED_TO_CORE = {
    "atomic", "chrono", "condition_variable", "ctime", "filesystem", "fstream", "future",
    "iostream", "mutex", "random", "semaphore", "shared_mutex", "stop_token", "thread"}

FAMILIES = [  # of headers outside the tree, by prefix
    ("absl/", "absl"), ("grpc", "grpc"), ("google/protobuf/", "protobuf"), ("spdlog/", "spdlog"),
    ("toml++/", "toml"), ("CLI/", "cli11"), ("nlohmann/", "json"), ("gtest/", "gtest"),
    ("gmock/", "gtest"), ("benchmark/", "benchmark"), ("systemd/", "systemd"),
    ("drm", "drm"), ("libdrm/", "drm"), ("libav", "ffmpeg"), ("libsw", "ffmpeg"), ("png", "png"),
    ("ncurses", "ncurses"), ("curses", "ncurses"), ("sysmem2/", "proto"),
    ("sysmem_version.h", "version")]

CPP_STANDARD = set("""
    algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono
    cinttypes climits clocale cmath codecvt compare complex concepts condition_variable coroutine
    csetjmp csignal cstdarg cstddef cstdint cstdio cstdlib cstring ctime cuchar cwchar cwctype deque
    exception execution filesystem format forward_list fstream functional future initializer_list
    iomanip ios iosfwd iostream istream iterator latch limits list locale map memory memory_resource
    mutex new numbers numeric optional ostream queue random ranges ratio regex scoped_allocator
    semaphore set shared_mutex source_location span sstream stack stdexcept stop_token streambuf
    string string_view syncstream system_error thread tuple type_traits typeindex typeinfo
    unordered_map unordered_set utility valarray variant vector version""".split())

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SOURCES = {".h", ".hpp", ".cc", ".c"}
TREES = ("src", "tools", "tests")


def room_of(path):
    """The room of a path like "src/base/unique_fd.h", or None."""
    known = [room for room in list(ROOMS) if path.startswith(room + "/")]
    if known:
        return max(known, key=len)
    return path.rsplit("/", 1)[0] if path.startswith("tests/") else None


def may_include(path):
    """The set of names that the file `path` may include besides its own room."""
    room = room_of(path)
    if room in ROOMS:
        return ROOMS[room] | FILES.get(path, set())
    if room == "tests/fuzz":
        return FUZZERS_MAY
    own = FILES.get(path, set())
    tested = room.replace("tests/", "src/", 1).replace("src/tools", "tools", 1) if room else None
    while tested and tested not in ROOMS:  # a folder below a room
        tested = tested.rpartition("/")[0]
    return own | ((ROOMS[tested] | TESTS_MAY | {tested}) if tested else TESTS_MAY | {"src/base"})


def place(root, path, quoted, name):
    """Where the header `name` belongs: a room, a family, "std", or None when unknown."""
    if name.startswith("sysmem/"):
        return "src/client/include"
    if quoted:
        beside = path.rsplit("/", 1)[0] + "/" + name
        for candidate in (beside, "src/" + name, name):
            if (root / candidate).is_file():
                return room_of(candidate)
    for prefix, family in FAMILIES:
        if name.startswith(prefix):
            return family
    if quoted:
        return None
    return "std" if name in CPP_STANDARD else "system"


def stands_alone(root, file, text):
    """What keeps a source from proving its header, or a header from being read once."""
    path = file.relative_to(root).as_posix()
    if path.startswith("tests/") or room_of(path) == "src/client/include":
        return
    if file.suffix == ".h" and not re.search(r"^#pragma once$", text, re.MULTILINE):
        yield f"{path}:1: lacks #pragma once"
    header = file.with_suffix(".h")
    if file.suffix == ".cc" and header.is_file():
        name = header.relative_to(root).as_posix().removeprefix("src/")
        lines = (line for line in text.splitlines() if line and not line.startswith("//"))
        if next(lines, None) != f'#include "{name}"':
            yield f'{path}:1: the first thing must be #include "{name}"'


def wrong_includes(root):
    """One readable line for each include that breaks the rules."""
    files = [f for tree in TREES for f in sorted((root / tree).rglob("*")) if f.suffix in SOURCES]
    for file in files:
        path = file.relative_to(root).as_posix()
        own = room_of(path)
        allowed = may_include(path)
        text = file.read_text()
        yield from stands_alone(root, file, text)
        for number, line in enumerate(text.splitlines(), 1):
            found = INCLUDE.match(line)
            if not found:
                continue
            name = found.group(2)
            target = place(root, path, found.group(1) == '"', name)
            where = f"{path}:{number}: "
            if target is None:
                yield where + f'cannot place "{name}": no such header below src/ or the root'
            elif target == "std":
                if own == "src/core" and name in CLOSED_TO_CORE:
                    yield where + f"src/core may not include <{name}>: no clock, chance, thread, log"
            elif target != own and target not in allowed and name not in allowed:
                yield where + f"{own} may not include {name} ({target})"


def self_test():
    """Writes small trees and looks at the verdicts."""
    forbidden = [
        ("src/core/a.cc", '#include "base/x.h"'),
        ("src/core/a.cc", "#include <unistd.h>"),
        ("src/core/a.cc", "#include <chrono>"),
        ("src/core/a.cc", '#include "absl/status/status.h"'),
        ("src/base/a.cc", '#include "core/x.h"'),
        ("src/base/a.cc", "#  include <grpcpp/grpcpp.h>"),
        ("src/heaps/a.cc", '#include "core/x.h"'),
        ("src/core/a.cc", '#include "scenario/x.h"'),
        ("src/scenario/a.cc", '#include "base/x.h"'),
        ("src/recording/a.cc", '#include "scenario/x.h"'),
        ("src/server/a.cc", '#include "server/transport/x.h"'),
        ("src/server/a.cc", '#include "sysmem2/session.pb.h"'),
        ("src/server/a.cc", "#include <toml++/toml.h>"),
        ("src/server/a.cc", "#include <grpcpp/grpcpp.h>"),
        ("src/server/transport/a.cc", '#include "heaps/x.h"'),
        ("src/client/a.cc", '#include "core/x.h"'),
        ("src/client/include/sysmem/a.h", '#include "base/x.h"'),
        ("tools/demo/a.cc", '#include "base/x.h"'),
        ("tools/demo/a.cc", '#include "sysmem2/session.pb.h"'),
        ("tests/core/a.cc", '#include "server/x.h"'),
        ("tests/end_to_end/a.cc", "#include <grpcpp/grpcpp.h>"),
        ("src/base/a.cc", '#include "nowhere.h"'),
        ("src/base/x.cc", '#include <vector>\n#include "base/x.h"'),
        ("src/base/x.cc", '#define EARLY\n#include "base/x.h"'),
        ("src/base/x.cc", 'int early;\n#include "base/x.h"'),
        ("src/base/x.cc", ""),
        ("tools/demo/x.cc", "#include <vector>"),
        ("src/base/a.h", "#include <vector>"),
    ]
    permitted = [
        ("src/core/a.cc", '#include "core/x.h"'),
        ("src/core/a.cc", "#include <vector>"),
        ("src/base/a.cc", "#include <sys/socket.h>"),
        ("src/heaps/a.cc", '#include "core/heap_properties.h"'),
        ("src/server/a.cc", '#include "heaps/x.h"'),
        ("src/server/transport/a.cc", '#include "server/x.h"'),
        ("src/server/transport/a.cc", "#include <grpcpp/grpcpp.h>"),
        ("src/server/daemon.cc", '#include "server/transport/x.h"'),
        ("src/server/config_file.cc", "#include <toml++/toml.h>"),
        ("src/client/a.cc", '#include "sysmem2/session.grpc.pb.h"'),
        ("src/client/a.cc", "#include <sysmem/sysmem.h>"),
        ("src/client/a.cc", '#include "core/image_layout.h"'),
        ("tools/demo/a.cc", "#include <sysmem/sysmem.hpp>"),
        ("tools/sysmemctl/a.cc", '#include "core/x.h"'),
        ("tools/sysmemctl/a.cc", '#include "scenario/x.h"'),
        ("src/scenario/a.cc", '#include "core/x.h"'),
        ("src/recording/a.cc", "#include <nlohmann/json.hpp>"),
        ("src/server/a.cc", '#include "recording/x.h"'),
        ("src/scenario/a.cc", "#include <toml++/toml.h>"),
        ("tests/core/a.cc", '#include "core/x.h"'),
        ("tests/server/transport/a.cc", '#include "server/transport/x.h"'),
        ("tests/hostile/a.cc", "#include <grpcpp/grpcpp.h>"),
        ("tests/tools/a.cc", "#include <sysmem/sysmem.h>"),
        ("src/base/x.cc", '// What it does.\n#include "base/x.h"\n#include <vector>'),
        ("src/base/a.h", "// What it is.\n#pragma once"),
        ("tools/demo/x.cc", '#include "tools/demo/x.h"'),
    ]
    headers = ["src/base/x.h", "src/core/x.h", "src/core/heap_properties.h",
               "src/core/image_layout.h", "src/heaps/x.h", "src/recording/x.h", "src/scenario/x.h",
               "src/server/x.h", "src/server/transport/x.h", "tools/demo/x.h"]
    mistakes = []
    for cases, expected in ((forbidden, 1), (permitted, 0)):
        for path, line in cases:
            with tempfile.TemporaryDirectory() as folder:
                root = pathlib.Path(folder)
                for header in headers + [path]:
                    (root / header).parent.mkdir(parents=True, exist_ok=True)
                    (root / header).write_text("#pragma once\n")
                (root / path).write_text(line + "\n")
                if len(list(wrong_includes(root))) != expected:
                    mistakes.append(f"{path}: {line}: expected {expected} complaint")
    print(*mistakes, sep="\n", end="\n" if mistakes else "")
    print(f"{len(forbidden)} forbidden and {len(permitted)} permitted includes tried")
    return 1 if mistakes else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    wrong = list(wrong_includes(arguments.root))
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
