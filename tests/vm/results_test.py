#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The virtual machine's results are read rightly, without a machine."""

import contextlib
import io
import unittest

import results

PASSING = ["@vm begin a_test",
           "[  SKIPPED ] A.C (4 ms)",
           "[==========] 3 tests from 1 test suite ran. (5 ms total)",
           "[  PASSED  ] 2 tests.",
           "[  SKIPPED ] 1 test, listed below:",
           "[  SKIPPED ] A.C",
           "@vm end 0"]


def read(lines, wanted=1, console=()):
    """(all is well, what was printed)"""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        well = results.Results(lines).report("6.12", wanted, list(console))
    return well, printed.getvalue()


class ResultsTest(unittest.TestCase):
    def test_tests_that_passed_are_counted_and_those_skipped_are_named(self):
        self.assertEqual(read(["@vm up 6.12", "", *PASSING, "", "@vm down"]), (
            True, "vm: Linux 6.12: 3 tests ran inside, 2 passed, 0 failed, 1 skipped\n"
            "vm: skipped on Linux 6.12: A.C\n"))

    def test_a_failing_program_fails_with_its_output_alone(self):
        well, text = read([*PASSING, "@vm begin b_test", "b.cc:7: Failure", "[  FAILED  ] 1 test, ",
                           "@vm end 1", "@vm down"], 2)
        self.assertFalse(well)
        self.assertIn("b.cc:7: Failure", text)
        self.assertIn("1 failed", text)
        self.assertIn("b_test ended with exit status 1", text)
        self.assertNotIn("--- a_test", text)

    def test_a_program_that_ran_no_test_fails(self):
        well, text = read(["@vm begin a_test", "@vm end 0", "@vm down"])
        self.assertFalse(well)
        self.assertIn("a_test ran no test", text)

    def test_a_machine_that_stands_still_fails_with_the_end_of_its_console(self):
        console = [f"line {n}." for n in range(100)]
        well, text = read(["@vm begin a_test", "[ RUN      ] A.B"], 2, console)
        self.assertFalse(well)
        self.assertIn("[ RUN      ] A.B", text)
        self.assertIn("a_test did not come to an end", text)
        self.assertIn("1 of 2 programs had begun", text)
        self.assertIn("line 99.", text)
        self.assertNotIn("line 1.", text)

    def test_a_machine_that_says_nothing_fails(self):
        self.assertFalse(read([], 0)[0])

    def test_a_program_that_never_began_fails(self):
        self.assertFalse(read([*PASSING, "@vm down"], 2)[0])

    def test_a_module_that_cannot_be_loaded_fails(self):
        well, text = read([*PASSING, "@vm cannot load vivid.ko", "@vm down"])
        self.assertFalse(well)
        self.assertIn("cannot load vivid.ko", text)


if __name__ == "__main__":
    unittest.main()
