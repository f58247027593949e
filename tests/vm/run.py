#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs tests of a build inside a virtual machine with another kernel.

    tests/vm/run.py                       all tests listed with sysmem_vm_test(), on Linux 6.12
    tests/vm/run.py --kernel 6.1 heaps_test --gtest_filter='MemfdHeap*'
                                          one program of the build, with its output
    tests/vm/run.py --shell               a shell inside; `exit` ends it

Exit status 0 when everything passed and every listed program ran a test. See tests/vm/README.md.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

import initramfs
import kernel
import results

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / "build/vm"
QEMU = "qemu-system-x86_64"
BUSYBOX = pathlib.Path("/bin/busybox")
PASSED_ON = ("ASAN_OPTIONS", "UBSAN_OPTIONS")  # of our environment


@dataclasses.dataclass
class Program:
    """A program to run inside; what sysmem_vm_test() writes down."""
    name: str
    arguments: list
    timeout: int  # seconds
    starts: list  # programs of the build that it starts
    modules: list  # of the kernel


def main():
    arguments = parse_arguments()
    build = arguments.build.resolve()
    if not BUSYBOX.exists() or not shutil.which(QEMU):
        print("vm: FAILED: qemu-system-x86 or busybox-static is missing; "
              "'tools/lib/setup.sh test' installs them")
        return 1
    try:
        programs = wanted_programs(arguments, build)
        linux = kernel.provide(arguments.kernel, CACHE)
        with tempfile.NamedTemporaryFile(dir=CACHE, prefix="initramfs-") as archive:
            pack(archive.name, arguments, build, linux, programs)
            if arguments.shell:
                return subprocess.run(machine(arguments, linux, archive.name),
                                      check=False).returncode
            lines, console = boot(arguments, linux, archive.name)
    except (kernel.KernelMissing, FileNotFoundError) as problem:
        print(f"vm: FAILED: {problem}")
        return 1
    by_hand = bool(arguments.program)
    outcome = results.Results(lines, must_run_tests=not by_hand)
    return 0 if outcome.report(linux.release, len(programs), console, show_logs=not by_hand) else 1


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", default="6.12", metavar="SERIES", help="default: 6.12")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/asan",
                        help="folder of the build; default: build/asan")
    parser.add_argument("--shell", action="store_true", help="a shell instead of tests")
    parser.add_argument("--memory", type=int, default=1536, help="MiB; default: 1536")
    parser.add_argument("--deadline", type=int, default=900,
                        help="seconds until the machine is switched off; default: 900")
    parser.add_argument("--module", action="append", default=[], metavar="NAME",
                        help="a kernel module to load, with those it needs")
    parser.add_argument("program", nargs=argparse.REMAINDER, help="of the build, and its arguments")
    return parser.parse_args()


def wanted_programs(arguments, build):
    """The listed ones, or the one of the command line; for a shell, these to play with."""
    listing = build / "vm-tests.jsonl"
    if not listing.exists():
        raise FileNotFoundError(f"{build} is not a configured build with tests")
    listed = [Program(**json.loads(line)) for line in listing.read_text().splitlines()]
    if not arguments.program:
        return listed
    name, *rest = arguments.program
    starts = {other for program in listed for other in program.starts
              if (build / "bin" / other).exists()}
    return [Program(name, rest, arguments.deadline, sorted(starts), [])]


def pack(archive, arguments, build, linux, programs):
    """Writes the initramfs. What is to be done inside is /vm/tests, in terms of tests/vm/init."""
    script = [f"export {name}={shlex.quote(os.environ[name])}"
              for name in PASSED_ON if name in os.environ]
    with initramfs.Initramfs(archive, build) as into:
        for folder in ("proc", "sys", "run", "root"):
            into.directory(folder)
        into.directory("tmp", 0o1777)
        into.program("bin/busybox", BUSYBOX)
        into.content("init", (ROOT / "tests/vm/init").read_bytes(), 0o755)
        into.content("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
        into.content("etc/group", b"root:x:0:\n")
        into.content("etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n")
        modules = arguments.module + [m for program in programs for m in program.modules]
        for name, content in linux.modules(modules):
            into.content(f"vm/modules/{name}", content)
            script.append(f"load {name}")
        for program in programs:
            for name in (program.name, *program.starts):
                into.program(f"build/bin/{name}", build / "bin" / name)
            command = shlex.join([f"/build/bin/{program.name}", *program.arguments])
            if not arguments.shell:
                script.append(f"run {program.timeout} {program.name} {command}")
        if arguments.shell:
            script.append("shell")
        into.content("vm/tests", "\n".join(script).encode() + b"\n")


def machine(arguments, linux, archive, console=None):
    """The command that starts the machine. Its console is the file `console` and its tests print to
    standard output; without a file, the console is the terminal."""
    limit, serials = [], ["-serial", "mon:stdio", "-serial", "null"]
    if console:
        # Not left to us, who may be killed.
        limit = ["timeout", "--signal=KILL", str(arguments.deadline)]
        serials = ["-serial", f"file:{console}", "-serial", "stdio"]
    return [
        *limit, QEMU, "-nodefaults", "-display", "none", "-no-reboot",
        # Two processors, each with a thread of its own, so that races are real.
        "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2",
        "-m", str(arguments.memory), *serials,
        "-kernel", str(linux.image), "-initrd", str(archive), "-append",
        # An oops ends the machine at once. The files may take all memory, where tmpfs takes half.
        # Nobody attacks through speculation here, and what prevents it is dear without KVM.
        "console=ttyS0 loglevel=5 panic=-1 oops=panic rootfstype=ramfs mitigations=off"]


def boot(arguments, linux, archive):
    """Runs the machine to its end. The lines that the tests printed and those of the console."""
    with tempfile.NamedTemporaryFile(dir=CACHE, prefix="console-") as console:
        running = subprocess.Popen(machine(arguments, linux, archive, console.name),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                   errors="replace")
        lines = []
        for line in running.stdout:
            lines.append(line.rstrip("\r\n"))
            if arguments.program and not line.startswith("@vm "):
                print(lines[-1], flush=True)
        status = running.wait()
        if status != 0:
            killed = f", killed after {arguments.deadline} s" if status in (-9, 137) else ""
            lines.append(f"(QEMU's exit status: {status}{killed})")
            print(f"vm: {lines[-1]}")
        return lines, pathlib.Path(console.name).read_text(errors="replace").splitlines()


if __name__ == "__main__":
    sys.exit(main())
