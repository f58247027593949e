#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy over sources of a build with compile_commands.json; any finding fails.

It takes the better part of an hour, so a source that was found clean is passed over until it, a
header it includes, its compile command, .clang-tidy or clang-tidy itself changes: a run that was
interrupted goes on where it was. What was found clean is kept in BUILD/clang-tidy/, one empty file
each, named by the hash of all of that. What a source includes is what Ninja noted when it was built;
a source that was not built is looked at each time.
"""
import argparse
import concurrent.futures
import hashlib
import json
import pathlib
import shlex
import subprocess
import sys

CLANG_TIDY = ["clang-tidy", "--quiet", "--warnings-as-errors=*"]


def includes_by_object(build):
    """Object file (as Ninja names it) -> the files it was made of."""
    listing = subprocess.run(["ninja", "-C", build, "-t", "deps"], check=True,
                             capture_output=True, text=True).stdout
    found, current = {}, None
    for line in listing.splitlines():
        if line.startswith("    "):
            found[current].append(line.strip())
        elif line:
            name, _, state = line.partition(": #deps ")
            current = name
            found[current] = []
            if not state.endswith("(VALID)"):
                current = None
                found[current] = []
    return found


class Files:
    """The hashes of files, each read once."""

    def __init__(self, build):
        self.build = build
        self.known = {}

    def hash(self, name):
        if name not in self.known:
            content = (self.build / name).read_bytes()
            self.known[name] = hashlib.sha256(content).digest()
        return self.known[name]


def stamp_of(command, files, includes, base):
    """The name under which the source is known to be clean; None if that cannot be known."""
    words = shlex.split(command["command"])
    made_of = includes.get(words[words.index("-o") + 1]) if "-o" in words else None
    if not made_of:
        return None
    whole = base.copy()
    whole.update(command["command"].encode())
    for name in made_of:
        whole.update(files.hash(name))
    return whole.hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("source", nargs="+", help="relative to the root of the repository")
    arguments = parser.parse_args()
    root = pathlib.Path.cwd()
    build = root / arguments.build
    stamps = build / "clang-tidy"
    stamps.mkdir(exist_ok=True)

    base = hashlib.sha256((root / ".clang-tidy").read_bytes())
    base.update(subprocess.run(["clang-tidy", "--version"], check=True, capture_output=True).stdout)
    commands = {entry["file"]: entry
                for entry in json.loads((build / "compile_commands.json").read_text())}
    includes, files = includes_by_object(build), Files(build)

    def look_at(source):
        """(whether it was passed over, what was found)"""
        command = commands.get(str(root / source))
        if command is None:
            return False, f"{source}: not a part of {arguments.build}\n"
        stamp = stamp_of(command, files, includes, base)
        if stamp and (stamps / stamp).exists():
            return True, ""
        run = subprocess.run([*CLANG_TIDY, "-p", str(build), source], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, check=False)
        if run.returncode == 0 and stamp:
            (stamps / stamp).touch()
        if run.returncode == 0:
            return False, ""
        return False, run.stdout or run.stderr or f"{source}: it ended with {run.returncode}\n"

    passed_over = failed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for was_known, found in pool.map(look_at, arguments.source):
            passed_over += was_known
            failed += bool(found)
            print(found, end="", flush=True)
    print(f"{len(arguments.source)} sources, {failed} with findings; {passed_over} of them were "
          "found clean before and have not changed since")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
