# SPDX-License-Identifier: Apache-2.0
"""What the virtual machine's second serial line tells: the output of tests between "@vm" lines."""

import collections
import dataclasses
import re

CONSOLE_TAIL = 40  # lines of the kernel's shown when the machine did not end by itself


@dataclasses.dataclass
class Outcome:
    """What one program did inside."""
    name: str
    code: int | None = None  # nothing: it did not come to an end
    log: str = ""

    @property
    def ran(self):
        # The numbers are searched anywhere in a line: other processes may write into it.
        return sum(int(n) for n in re.findall(r"\[=+\] (\d+) tests? from .* ran\.", self.log))

    def count(self, word):
        """How many tests ended with PASSED, FAILED or SKIPPED."""
        return sum(int(n) for n in re.findall(rf"\[  {word} +\] (\d+) tests?\b", self.log))

    @property
    def skipped(self):
        """Their names, from the closing list."""
        return re.findall(r"^\[  SKIPPED \] (\w+[./]\S+)$", self.log, re.MULTILINE)


class Results:
    """Everything that came out of one run of the machine. `must_run_tests`: a program that ran no
    test of GoogleTest's has failed, whatever it says."""

    def __init__(self, lines, must_run_tests=True):
        self.outcomes = []
        self.words = collections.defaultdict(list)  # "cannot": what init could not do; "down"
        for line in lines:
            if line.startswith("@vm "):
                self._take(*line.split()[1:])
            elif self.outcomes and self.outcomes[-1].code is None:
                self.outcomes[-1].log += line + "\n"
        self._must_run_tests = must_run_tests

    def _take(self, word, *rest):
        if word == "begin":
            self.outcomes.append(Outcome(rest[0]))
        elif word == "end":
            self.outcomes[-1].code = int(rest[0])
        else:
            self.words[word].append(" ".join(rest))

    @property
    def came_down(self):
        """Whether the machine switched itself off with all work done."""
        return "down" in self.words

    def complaint(self, outcome):
        """What is wrong with how a program ended, or nothing."""
        if outcome.code is None:
            return f"{outcome.name} did not come to an end"
        if outcome.code != 0:
            return f"{outcome.name} ended with exit status {outcome.code}"
        if self._must_run_tests and outcome.ran == 0:
            return f"{outcome.name} ran no test"
        return None

    def complaints(self, wanted):
        """All that is wrong, when `wanted` programs were to run."""
        found = [f"the machine cannot {what}" for what in self.words["cannot"]]
        found += filter(None, map(self.complaint, self.outcomes))
        if not self.came_down:
            found.append(f"the machine did not switch itself off; "
                         f"{len(self.outcomes)} of {wanted} programs had begun")
        elif len(self.outcomes) != wanted:
            found.append(f"{len(self.outcomes)} of {wanted} programs ran")
        return found

    def report(self, release, wanted, console, show_logs=True):
        """Prints the logs of what failed, the end of the kernel's console if the machine did not end
        by itself, one line of figures, what was skipped and what is wrong. True when all is well."""
        for outcome in self.outcomes:
            if show_logs and self.complaint(outcome):
                print(f"--- {outcome.name} on Linux {release} ---\n{outcome.log}"
                      f"--- end of {outcome.name} ---")
        if not self.came_down:
            print(f"--- the console's last lines, Linux {release} ---",
                  *console[-CONSOLE_TAIL:], "--- end of the console ---", sep="\n")
        totals = ", ".join(f"{sum(o.count(word) for o in self.outcomes)} {word.lower()}"
                           for word in ("PASSED", "FAILED", "SKIPPED"))
        ran = sum(outcome.ran for outcome in self.outcomes)
        print(f"vm: Linux {release}: {ran} tests ran inside, {totals}")
        for outcome in self.outcomes:
            for name in outcome.skipped:
                print(f"vm: skipped on Linux {release}: {name}")
        complaints = self.complaints(wanted)
        for complaint in complaints:
            print(f"vm: FAILED: {complaint}")
        return not complaints
