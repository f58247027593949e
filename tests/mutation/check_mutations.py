#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Would the tests notice? Applies small edits to the core, one at a time, and runs its tests.

    tests/mutation/check_mutations.py --build build/mutation [--at-least 95] [--only TEXT]

Works on a copy of the tracked files below the build folder; the work tree is not touched. For each
edit of edits.txt it compiles the core and runs its test programs until one fails. An edit that
changes nothing the compiler could build on, or that no longer fits the source, is an error of the
list. Prints a line for each edit and, last, how many were caught; exits with 1 if that is less than
--at-least per cent.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Fast ones first: most edits are caught by the first two.
TESTS = ["core_test", "core_group_test", "core_tree_test", "core_attach_test",
         "core_collection_test", "core_laws_test", "core_report_test"]
# Enough to find what single cases do not, short enough to be run for each edit.
ENVIRONMENT = {**os.environ, "SYSMEM_SIMULATION_EVENTS": "20000"}
TIMEOUT_S = 300


class Edit:
    def __init__(self, file, old, new, line):
        self.file, self.old, self.new, self.line = file, old, new, line

    def __str__(self):
        return f"{self.file}: {self.new.strip()}"


def read_edits(path):
    edits, file, old = [], None, None
    for number, text in enumerate(path.read_text().splitlines(), 1):
        if not text or text.startswith("#"):
            continue
        if text.startswith("- "):
            old = text[2:]
        elif text.startswith("+ "):
            if file is None or old is None:
                sys.exit(f"{path}:{number}: no file or no '-' line before this one")
            edits.append(Edit(file, old, text[2:], number))
            file = old = None
        else:
            file = text
    return edits


def run(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)


def copy_sources(to):
    names = run(["git", "ls-files", "-z"], cwd=ROOT).stdout.split("\0")
    for name in filter(None, names):
        source, target = ROOT / name, to / name
        if not source.is_file():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_bytes() != source.read_bytes():
            shutil.copyfile(source, target)


def build(folder):
    return run(["ninja", "-C", str(folder), *TESTS])


def is_caught(folder):
    """The first test program that fails, or None."""
    for test in TESTS:
        try:
            result = run([str(folder / "bin" / test), "--gtest_brief=1", "--gtest_fail_fast"],
                         env=ENVIRONMENT, timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return f"{test} (never ends)"
        if result.returncode != 0:
            return test
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--at-least", type=float, default=95)
    parser.add_argument("--only", default="", help="edits whose file or text contains this")
    arguments = parser.parse_args()

    edits = [edit for edit in read_edits(ROOT / "tests/mutation/edits.txt")
             if arguments.only in str(edit)]
    sources = arguments.build.resolve() / "sources"
    # As tools/test builds them: what ccache has of those serves here too.
    folder = sources / "build" / "asan"
    copy_sources(sources)
    if not (folder / "build.ninja").exists():
        configured = run(["cmake", "--preset", "asan", "-DSYSMEM_CHECK_HEADERS=OFF"], cwd=sources)
        if configured.returncode != 0:
            sys.exit(configured.stdout)
    built = build(folder)
    if built.returncode != 0:
        sys.exit(built.stdout)
    before = is_caught(folder)
    if before is not None:
        sys.exit(f"{before} fails without any edit")

    caught, survivors, broken = 0, [], []
    for edit in edits:
        target = sources / edit.file
        text = target.read_text()
        lines = text.splitlines()
        if lines.count(edit.old) != 1:
            broken.append(edit)
            print(f"does not fit    {edit} (edits.txt:{edit.line})", flush=True)
            continue
        lines[lines.index(edit.old)] = edit.new
        start = time.monotonic()
        try:
            target.write_text("\n".join(lines) + "\n")
            if build(folder).returncode != 0:
                broken.append(edit)
                print(f"does not build  {edit} (edits.txt:{edit.line})", flush=True)
                continue
            by = is_caught(folder)
        finally:
            target.write_text(text)
        seconds = time.monotonic() - start
        if by is None:
            survivors.append(edit)
            print(f"SURVIVED        {edit} (edits.txt:{edit.line}, {seconds:.0f} s)", flush=True)
        else:
            caught += 1
            print(f"caught          {edit} by {by} ({seconds:.0f} s)", flush=True)

    tried = caught + len(survivors)
    share = 100 * caught / tried if tried else 0
    print(f"mutations: {caught} of {tried} caught ({share:.1f} %), "
          f"{len(broken)} edits out of date")
    return 0 if not broken and tried and share >= arguments.at_least else 1


if __name__ == "__main__":
    sys.exit(main())
