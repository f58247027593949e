#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that need no compiler, over every file that git knows or would add.

    tools/check_sources.py RULE [--root DIR]

RULE is one of
    format    C++ sources and headers look as clang-format would write them
    licence   the SPDX line stands at the top of each file that can carry a comment
    length    no file of code has more than 500 lines
    leftovers nothing is left over from the work: no reminders, no tabs or trailing blanks in code
Exit status 1 and one line per offence.
"""

import argparse
import pathlib
import re
import subprocess
import sys

CPP = {".h", ".hpp", ".cc", ".c"}
CODE = CPP | {".py", ".sh", ".proto", ".cmake"}
NO_COMMENT = {".json", ".md", ".txt", ".png", ".bin", ".svg"}  # CMakeLists.txt is asked all the same
LONGEST = 500  # Lines. A longer file answers two questions.
SPDX = "SPDX-License-Identifier: Apache-2.0"
# Spelled so that this file passes its own rule.
REMINDER = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")


def files_of(root):
    """Every file of the project, relative to root; a tree without git is walked."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-z", "--cached", "--others",
         "--exclude-standard"],
        capture_output=True, check=False)
    if listed.returncode == 0:
        names = [name for name in listed.stdout.decode().split("\0") if name]
    else:
        names = [p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()]
        names = [name for name in names if not name.startswith(("build/", ".git/"))]
    return [root / name for name in sorted(names) if (root / name).is_file()]


def is_code(file):
    if file.suffix in CODE or file.name == "CMakeLists.txt":
        return True
    return file.suffix == "" and file.read_bytes()[:2] == b"#!"


def check_format(files):
    sources = [str(f) for f in files if f.suffix in CPP]
    if not sources:
        return []
    run = subprocess.run(["clang-format", "--dry-run", "-Werror", "--ferror-limit=1", *sources],
                         capture_output=True, text=True, check=False)
    offences = [line for line in run.stderr.splitlines() if ": error:" in line]
    if run.returncode != 0 and not offences:
        return [run.stderr.strip() or "clang-format failed"]
    return offences


def check_licence(files):
    for file in files:
        if file.name == "LICENSE":
            continue
        if is_code(file) or (file.suffix not in NO_COMMENT and file.parent.name != "corpus"):
            try:
                top = file.read_text().splitlines()[:3]
            except UnicodeDecodeError:
                continue
            if not any(SPDX in line for line in top):
                yield f"{file}: the first lines lack '{SPDX}'"


def check_length(files):
    for file in files:
        if is_code(file):
            lines = file.read_bytes().count(b"\n")
            if lines > LONGEST:
                yield f"{file}: {lines} lines, more than {LONGEST}"


def check_leftovers(files):
    for file in files:
        if not is_code(file):
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if REMINDER.search(line):
                yield f"{file}:{number}: a reminder is left"
            if line != line.rstrip():
                yield f"{file}:{number}: blanks at the end of the line"
            if "\t" in line and file.suffix in CPP:
                yield f"{file}:{number}: a tab"


RULES = {"format": check_format, "licence": check_licence, "length": check_length,
         "leftovers": check_leftovers}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rule", choices=RULES)
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent)
    arguments = parser.parse_args()
    offences = list(RULES[arguments.rule](files_of(arguments.root)))
    print(*offences, sep="\n", end="\n" if offences else "")
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
