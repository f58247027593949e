#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds docs/conformance.md and the tests to each other.

    tools/check_conformance.py [--root DIR]     checks; prints how many cases of each topic are tested
    tools/check_conformance.py --self-test      proves that each mistake is caught

The document is the list of all cases. Its tables have a row for each: `| GRP-4 | where |`, and for
the worked consequences `| row 4 | where |`. "Where" is the test sources that carry it, in
backquotes, or begins with "not yet:" or "not here:" and says why.

A test carries a case by a comment right above it, `// Case GRP-4` or `// Case CON-7, CON-8` with
anything behind, or by the name of its suite, `TEST(GRP4, ...)`. It carries a row by its name:
`..._row_4`, or the suite `WorkedConsequence4` or `WorkedConsequences4And5`. Rule ids in other
comments and names mean nothing here, although some look like cases.

Exit status 1 and one line per mistake: a row whose sources do not carry the case, a test of a case
that no table has or that is said not to be tested, a case listed twice, a "where" that is neither.
"""

import argparse
import collections
import pathlib
import re
import sys
import tempfile

DOCUMENT = "docs/conformance.md"
TOPICS = ("TOK COL CON IMG HEAP CNT FAIL GRP WEAK LIFE NODE VMO DBG NAME COST POOL PAD FUZZ").split()
CASE = rf"(?:{'|'.join(TOPICS)})-[0-9]+"
TABLE_ROW = re.compile(rf"^\| *({CASE}|row [0-9]+) *\|(?:.*\|)? *([^|]*?) *\|$", re.MULTILINE)
SOURCE = re.compile(r"`(tests/[^`]+)`")
CASE_COMMENT = re.compile(
    rf"^// Case ({CASE}(?:, {CASE})*)\b[^\n]*\n(?://[^\n]*\n)*TEST(?:_F|_P)?\(", re.MULTILINE)
LOOSE_COMMENT = re.compile(r"^\s*// Cases? ([^\n]*)", re.MULTILINE)
CASE_SUITE = re.compile(rf"^TEST\(({'|'.join(TOPICS)})([0-9]+),", re.MULTILINE)
ROW_NAME = re.compile(r"row_([0-9]+)")
ROW_SUITE = re.compile(r"^TEST\(WorkedConsequences?([0-9]+)(?:And([0-9]+))?,", re.MULTILINE)


def carried_by(text):
    """The cases and rows that a test source carries."""
    carried = set()
    for match in CASE_COMMENT.finditer(text):
        carried.update(match[1].split(", "))
    carried.update(f"{topic}-{number}" for topic, number in CASE_SUITE.findall(text))
    carried.update(f"row {number}" for number in ROW_NAME.findall(text))
    for pair in ROW_SUITE.findall(text):
        carried.update(f"row {number}" for number in pair if number)
    return carried


def check(root):
    """Mistakes, and for each topic how many cases there are, are tested, and may be later."""
    mistakes = []
    tests = {}
    for file in sorted((root / "tests").rglob("*.cc")):
        text = file.read_text()
        tests[file.relative_to(root).as_posix()] = carried_by(text)
        if len(LOOSE_COMMENT.findall(text)) != len(CASE_COMMENT.findall(text)):
            mistakes.append(f"{file.relative_to(root)}: a comment \"Case ...\" that names no known "
                            "topic or stands above no test")
    where = {}
    counts = collections.defaultdict(lambda: [0, 0, 0])
    for case, place in TABLE_ROW.findall((root / DOCUMENT).read_text()):
        topic = case.split("-")[0].split(" ")[0]
        if case in where:
            mistakes.append(f"{DOCUMENT}: {case} is listed twice")
        sources = SOURCE.findall(place)
        where[case] = sources
        counts[topic][0] += 1
        counts[topic][1] += bool(sources)
        counts[topic][2] += place.startswith("not yet: ")
        for source in sources:
            if case not in tests.get(source, ()):
                mistakes.append(f"{DOCUMENT}: {source} has no test of {case}")
        if not sources and not place.startswith(("not yet: ", "not here: ")):
            mistakes.append(f"{DOCUMENT}: {case} has neither a test nor a reason")
    for source, cases in tests.items():
        for case in sorted(cases):
            if case not in where:
                mistakes.append(f"{source}: tests {case}, which {DOCUMENT} does not list")
            elif not where[case]:
                mistakes.append(f"{source}: tests {case}, which {DOCUMENT} says is not tested")
    return mistakes, counts


def report(counts):
    for topic in [*TOPICS, "row"]:
        listed, tested, later = counts[topic]
        if listed:
            print(f"{topic:5} {tested:3} of {listed:3} tested, {later} not yet, "
                  f"{listed - tested - later} not here")


def self_test():
    row = "| GRP-4 | {} |\n"
    test = "// Case {}\nTEST(Group, Prefers) {{}}\n"
    source = "`tests/a_test.cc`"
    wrong = {
        "a case without its test": (row.format(source), ""),
        "a test elsewhere": (row.format("`tests/b_test.cc`"), test.format("GRP-4")),
        "a test of an unknown case": (row.format(source), test.format("GRP-4, GRP-5")),
        "a test in spite of the table": (row.format("not yet: late"), test.format("GRP-4")),
        "no reason": (row.format(""), ""),
        "a case twice": (2 * row.format(source), test.format("GRP-4")),
        "a comment above nothing": (row.format(source), test.format("GRP-4") + "// Case GRP-4\n\n"),
        "an unknown topic": (row.format(source), test.format("GRP-4") + test.format("NOPE-1")),
        "a worked consequence without its test": ("| row 4 | closed | " + source + " |\n", ""),
    }
    right = {
        "a comment": (row.format(source), test.format("GRP-4, without heaps")),
        "a comment that goes on": (row.format(source), test.format("GRP-4.\n// And more.")),
        "a suite": (row.format(source), "TEST(GRP4, Prefers) {}\n"),
        "a reason": (row.format("not here: other system"), ""),
        "a rule": (row.format("not yet: late"), "// GRP-4\nTEST(Group, Prefers_GRP_4) {}\n"),
        "a row": ("| row 4 | closed | " + source + " |\n", "TEST(Group, Ends_row_4) {}\n"),
    }
    failures = []
    for expected, examples in ((True, wrong), (False, right)):
        for name, (table, code) in examples.items():
            with tempfile.TemporaryDirectory() as directory:
                root = pathlib.Path(directory)
                (root / "docs").mkdir()
                (root / "tests").mkdir()
                (root / DOCUMENT).write_text(table)
                (root / "tests/a_test.cc").write_text(code)
                mistakes, _ = check(root)
            if bool(mistakes) != expected:
                failures.append(f"{name}: {mistakes}")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        mistakes = self_test()
    else:
        mistakes, counts = check(arguments.root)
        report(counts)
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
